/*
 * Calls of a reactor's exports: one channel to the worker per instance,
 * answers in the order of calls. Values are those of struct msg_call.
 */
#ifndef FRONT_CALL_H
#define FRONT_CALL_H

#include "daemon/front/live.h"

#define CALLS_MAX 256u /* waiting at one instance */

struct calls;

/* Before the start: the worker's end is in l->call_fd. */
MUST_CHECK int calls_open(struct live *l, struct err *e);
/* The front's end that an earlier front had; takes @fd. ERR_PEER: it is none. */
MUST_CHECK int calls_adopt(struct live *l, int fd, struct err *e);
int calls_fd(const struct calls *c);
/* Who waits is told that the instance has ended. */
struct calls *calls_free(struct calls *c);

struct call_wait {
	struct call_wait *next;
	struct calls *on; /* NULL: not waiting */
	uint64_t id;
	/* The wait is over before this is called. @e: there is no answer, and why. */
	void (*done)(struct call_wait *w, const struct msg_call_done *m, const struct err *e);
};

/* @m but for its id. 0: @w->done is called later. */
MUST_CHECK int call_send(struct instance *i, struct msg_call *m, struct call_wait *w,
			 struct err *e);
void call_drop(struct call_wait *w);

#endif
