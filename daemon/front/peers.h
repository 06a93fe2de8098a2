/*
 * Who is connected: so many connections of one uid, and of all. When there is
 * one too many, the one that has said nothing for longest gives way, so that
 * thousands that only connect keep nobody out.
 */
#ifndef FRONT_PEERS_H
#define FRONT_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct peer {
	struct peer *prev, *next;
	uid_t uid;
	int fd;	     /* borrowed */
	bool busy;   /* its request is whole and being answered: it never gives way */
	bool leaves; /* it was told to go */
};

struct peers {
	struct peer *first, *last; /* the one that was quiet for longest first */
	size_t n;
};

/* Connected; another one may be made to leave for it, or it itself. */
void peers_add(struct peers *p, struct peer *x, int fd);
/* It has said something. */
void peers_touch(struct peers *p, struct peer *x);
void peers_remove(struct peers *p, struct peer *x);

#endif
