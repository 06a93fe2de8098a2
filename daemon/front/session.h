/*
 * A start in the foreground: the connection is upgraded, the client passes
 * its own three streams, and events go back as lines until the end.
 */
#ifndef FRONT_SESSION_H
#define FRONT_SESSION_H

#include "daemon/front/http.h"

/* Answers @r: 101 and the session goes on by itself, or an error. */
void session_offer(struct request *r, const struct instance *i);

#endif
