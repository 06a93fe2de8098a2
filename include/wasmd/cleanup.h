/*
 * Cleanup attributes: the success line is where ownership visibly leaves.
 */
#ifndef WASMD_CLEANUP_H
#define WASMD_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn)  __attribute__((cleanup(fn)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MUST_CHECK   __attribute__((warn_unused_result))

static inline void free_p(void *p)
{
	free(*(void **)p);
}

static inline void close_p(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline int fd_take(int *fd)
{
	int f = *fd;

	*fd = -1;
	return f;
}

/* Closes *@fd if it is open and forgets it. */
static inline void fd_clear(int *fd)
{
	close_p(fd);
	*fd = -1;
}

#endif
