/*
 * From a guest's path to a place: a held directory and one name in it.
 *
 * Every component is opened beneath the directory that the guest named, never
 * through a link: links are read and expanded here, `..` goes back over names
 * already walked, so nothing can leave the directory and the path that a rule
 * judges is the path of what is used.
 */
#ifndef WASI_RESOLVE_H
#define WASI_RESOLVE_H

#include "vm/wasi/wasi_priv.h"

/* Resolves @text (consumed) below @dir; the last component's link is followed
 * when @follow. On success the place is to be given to place_done. On failure
 * it holds nothing but a path for judging: as far as it was resolved, the
 * rest by its letters. ENOTCAPABLE: the path leaves @dir. */
MUST_CHECK enum werr place_resolve(struct wasi *w, struct place *p, const struct fd *dir,
				   char *text, bool follow);

/* The place by the path's letters only; makes no system call. */
void place_lexical(struct place *p, const struct fd *dir, const char *text);

/* Does @path, which lies below @dir's mount, exist for the guest? */
bool place_visible(const struct wasi *w, const struct fd *dir, const char *path, bool is_dir);
/* Does anything below @dir's mount not? */
bool place_filtered(const struct wasi *w, const struct fd *dir);

void place_done(struct wasi *w, struct place *p);

#endif
