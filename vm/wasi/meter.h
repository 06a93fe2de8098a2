/*
 * The budgets that bytes count on: output, and the disk. What counts on the
 * disk is what a file would take where nothing is sparse, shared or compressed,
 * so that a budget is worth the same on every file system:
 *
 *   each byte written, as often as it is written;
 *   the gap that a write behind a file's end, or a larger size, fills with zeros;
 *   what is allocated; a symbolic link's target.
 *
 * Nothing is given back when a file shrinks or goes: a budget bounds the work.
 */
#ifndef WASI_METER_H
#define WASI_METER_H

#include "vm/wasi/wasi_priv.h"

/* What a write counts on. */
struct meter {
	uint64_t *used; /* NULL: nothing */
	uint64_t gap;	/* bytes of zeros that it makes before its own */
};

/* Before a write of c->iov to @f, at @at, or where @f stands when that is
 * negative. Cuts c->iov to what is still allowed; at the limit the guest ends
 * with this call. */
struct meter meter_write(struct call *c, const struct fd *f, int64_t at);

/* After it: @n bytes were written, or -errno. */
void meter_written(const struct meter *m, int64_t n);

/* May @n bytes more count on the disk? Otherwise the guest ends. */
MUST_CHECK bool meter_disk(struct call *c, uint64_t n);

/* A file became shorter: whoever stands in it may now stand behind its end. */
void meter_shrunk(struct wasi *w);

#endif
