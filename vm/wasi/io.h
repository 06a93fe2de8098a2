/*
 * Waiting for streams in a way that a stop request ends.
 */
#ifndef WASI_IO_H
#define WASI_IO_H

#include "vm/wasi/sys.h"

/* Waits until one of @p is ready or the time is over (@timeout NULL: never).
 * Sets c->trap when the guest was told to stop. Answers as poll does, EINTR
 * never. */
int64_t io_wait(struct call *c, struct pollfd *p, nfds_t n, const struct timespec *timeout);

#endif
