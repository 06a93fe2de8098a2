/*
 * What happened to instances that are on record: the last of it in memory, as
 * lines of JSON, for those who ask and those who follow.
 */
#ifndef FRONT_EVENTS_H
#define FRONT_EVENTS_H

#include "daemon/front/instance.h"

struct events;
struct follower;

MUST_CHECK int events_new(struct front *f, struct err *e);
struct events *events_free(struct events *ev);
/* "created", "removed"; changes of state are told by the table of instances. */
void events_put(struct events *ev, const struct instance *i, const char *what);

/* Reads events of @tenant from @since on. @more NULL: those that there are;
 * else it is called when another one has come. */
struct follower *follower_new(struct events *ev, const char *tenant, int64_t since,
			      void (*more)(void *arg), void *arg, struct err *e);
/* Whole lines; 0: none yet; -1: the end. */
ssize_t events_read(struct follower *fo, char *buf, size_t max);
struct follower *follower_free(struct follower *fo);

#endif
