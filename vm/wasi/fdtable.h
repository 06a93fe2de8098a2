/*
 * The guest's descriptors: small numbers to struct fd. Entries move when the
 * table grows, so a pointer is good until the next fds_add.
 */
#ifndef WASI_FDTABLE_H
#define WASI_FDTABLE_H

#include "vm/wasi/wasi_priv.h"

/* The entry of @fd, or NULL when it is not open. */
static inline struct fd *fds_get(struct fdtable *t, uint32_t fd)
{
	return fd < t->used && t->at[fd].kind != FD_FREE ? &t->at[fd] : NULL;
}

/* Puts *@f at the lowest free number. On failure (EMFILE, ENOMEM) *@f is
 * still the caller's. */
MUST_CHECK enum werr fds_add(struct fdtable *t, const struct fd *f, uint32_t *ret);

/* Whether one more would fit the limit. */
bool fds_full(const struct fdtable *t);

/* Gives @f a copy of @path. */
MUST_CHECK bool fd_set_path(struct fdtable *t, struct fd *f, const char *path, uint32_t len);

/* Makes an entry of the table a free one; what it had is not closed. */
void fds_free(struct fdtable *t, struct fd *f);

/* Closes what @f owns, in the table or not. */
void fd_release(struct wasi *w, struct fd *f);

/* Both. */
void fds_drop(struct wasi *w, struct fd *f);

void fds_done(struct wasi *w);

/* Fills *@ret for what the embedder passed as standard stream @stream. */
MUST_CHECK int fd_of_stdio(struct wasi *w, int stream, struct fd *ret, struct err *e);

/* The same for granted directory @i. */
MUST_CHECK int fd_of_preopen(struct wasi *w, int i, struct fd *ret, struct err *e);

/* enum gate_class of what @f is. */
uint32_t fd_class(const struct fd *f);

#endif
