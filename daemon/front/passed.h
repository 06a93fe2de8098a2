/*
 * The descriptors that a client passes for a start in the foreground: taken
 * from its connection, judged by what they are, never read, written or
 * changed.
 */
#ifndef FRONT_PASSED_H
#define FRONT_PASSED_H

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

/* The byte F with exactly three descriptors. 1: they are there; 0: not yet.
 * Whatever else came is closed. ERR_PEER: the client is gone. */
MUST_CHECK int passed_receive(int conn, int ret[3], struct err *e);

/* What may stand as a standard stream: a pipe, a regular file that is not the
 * kernel's, a stream socket (standard input's may listen), a terminal or /dev/null. */
MUST_CHECK int passed_check(int fd, int which, struct err *e);

#endif
