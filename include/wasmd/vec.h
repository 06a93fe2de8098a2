/*
 * A growing array: VEC(struct foo) v = { 0 }; struct foo *f = VEC_PUSH(&v);
 * Elements move when it grows. Free with VEC_DONE.
 */
#ifndef WASMD_VEC_H
#define WASMD_VEC_H

#include <string.h>

#include "wasmd/fault.h"

#define VEC(type)                \
	struct {                 \
		type *at;        \
		size_t len, cap; \
	}

/* Room for @want elements; false when memory is short. */
static inline bool vec_room(void *at, size_t *cap, size_t want, size_t size)
{
	size_t n = *cap != 0 ? *cap : 8;
	void *p;

	if (want <= *cap)
		return true;
	while (n < want)
		n *= 2;
	memcpy(&p, at, sizeof(p));
	p = mem_resize(p, n, size);
	if (p == NULL)
		return false;
	memcpy(at, &p, sizeof(p));
	*cap = n;
	return true;
}

/* The address of a new, zeroed last element, or NULL. */
#define VEC_PUSH(v)                                                    \
	(vec_room(&(v)->at, &(v)->cap, (v)->len + 1, sizeof(*(v)->at)) \
		 ? memset(&(v)->at[(v)->len++], 0, sizeof(*(v)->at))   \
		 : NULL)

#define VEC_DONE(v)                      \
	do {                             \
		free((v)->at);           \
		(v)->at = NULL;          \
		(v)->len = (v)->cap = 0; \
	} while (0)

#endif
