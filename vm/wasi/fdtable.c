/*
 * The descriptor table and how its first entries come to be: see fdtable.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "vm/wasi/fdtable.h"
#include "vm/wasi/guest.h"
#include "vm/wasi/sys.h"
#include "wasmd/attack.h"
#include "wasmd/fault.h"

static uint32_t lowest_free(const struct fdtable *t)
{
	uint32_t i = t->low;

	while (i < t->used && t->at[i].kind != FD_FREE)
		i++;
	return i;
}

bool fds_full(const struct fdtable *t)
{
	return lowest_free(t) >= t->max;
}

static bool grow(struct fdtable *t)
{
	uint32_t cap = t->cap != 0 ? t->cap * 2 : 16;
	struct fd *p = mem_resize(t->at, cap, sizeof(*p));

	if (p == NULL)
		return false;
	t->at = p;
	t->cap = cap;
	return true;
}

enum werr fds_add(struct fdtable *t, const struct fd *f, uint32_t *ret)
{
	uint32_t i = lowest_free(t);

	if (i >= t->max)
		return WE_MFILE;
	if (i >= t->cap && !grow(t))
		return WE_NOMEM;
	t->at[i] = *f;
	t->low = i + 1;
	if (i == t->used)
		t->used++;
	*ret = i;
	return WE_OK;
}

void fds_free(struct fdtable *t, struct fd *f)
{
	uint32_t i = (uint32_t)(f - t->at);

	*f = (struct fd){ .kind = FD_FREE, .host = -1, .list = -1 };
	if (i < t->low)
		t->low = i;
}

#define SHORT_PATH 64u /* bytes; one such block is kept for the next open */

bool fd_set_path(struct fdtable *t, struct fd *f, const char *path, uint32_t len)
{
	bool is_short = len < SHORT_PATH;

	f->path = is_short ? t->spare : NULL;
	if (f->path != NULL)
		t->spare = NULL;
	else
		f->path = mem_resize(NULL, is_short ? SHORT_PATH : len + 1, 1);
	if (f->path == NULL)
		return false;
	memcpy(f->path, path, len);
	f->path[len] = '\0';
	f->path_len = len;
	return true;
}

static void drop_path(struct fdtable *t, struct fd *f)
{
	if (f->path == NULL || t->spare != NULL || f->path_len >= SHORT_PATH)
		free(f->path);
	else
		t->spare = f->path;
}

void fd_release(struct wasi *w, struct fd *f)
{
	if (f->owned && f->host >= 0)
		(void)sys_close(w, f->host);
	if (f->list >= 0)
		(void)sys_close(w, f->list);
	free(f->listing);
	drop_path(&w->fds, f);
}

void fds_drop(struct wasi *w, struct fd *f)
{
	fd_release(w, f);
	fds_free(&w->fds, f);
}

void fds_done(struct wasi *w)
{
	for (uint32_t i = 0; i < w->fds.used; i++)
		if (w->fds.at[i].kind != FD_FREE)
			fds_drop(w, &w->fds.at[i]);
	free(w->fds.at);
	free(w->fds.spare);
	w->fds = (struct fdtable){ 0 };
}

uint32_t fd_class(const struct fd *f)
{
	switch (f->kind) {
	case FD_FILE:
		return GATE_CLASS_FILE;
	case FD_DIR:
		return GATE_CLASS_DIR;
	case FD_SOCK:
		return GATE_CLASS_SOCK;
	default:
		return GATE_CLASS_STREAM;
	}
}

/* Terminals only: a guest takes a character device that can't seek for one. */
static bool is_terminal(const struct stat *st)
{
	unsigned n = major(st->st_rdev);

	return S_ISCHR(st->st_mode) && (n == 4 || n == 5 || (n >= 136 && n <= 143));
}

static bool is_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static enum fd_kind kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return FD_FILE;
	case S_IFIFO:
	case S_IFCHR:
		return FD_STREAM;
	case S_IFSOCK:
		return FD_SOCK;
	default:
		return FD_FREE;
	}
}

/* Rights of a standard stream that is no socket and was opened with @flags. */
static uint64_t stdio_rights(const struct stat *st, enum fd_kind kind, int flags)
{
	uint64_t r = R_FD_FDSTAT_SET_FLAGS | R_FD_FILESTAT_GET | R_POLL_FD_READWRITE;

	if ((flags & O_ACCMODE) != O_WRONLY)
		r |= R_FD_READ;
	if ((flags & O_ACCMODE) != O_RDONLY)
		r |= R_FD_WRITE | R_FD_SYNC | R_FD_DATASYNC;
	if (kind == FD_FILE)
		r |= R_FD_ADVISE;
	if (kind == FD_FILE || (kind == FD_STREAM && S_ISCHR(st->st_mode) && !is_terminal(st)))
		r |= R_FD_SEEK | R_FD_TELL;
	return r;
}

/* A socket that listens gives out connections and is nothing else. It stays
 * the client's, so the guest can't shut it down. */
static int socket_rights(struct wasi *w, struct fd *f)
{
	int64_t listens = sys_listens(w, f->host);

	if (listens < 0)
		return -1;
	f->rights = listens != 0 ? R_LISTENER : R_CONNECTION;
	f->inherit = listens != 0 ? R_CONNECTION : 0;
	return 0;
}

static int stdio_of_host(struct wasi *w, struct fd *ret, struct err *e)
{
	int64_t flags = sys_get_flags(w, ret->host);
	struct stat st;

	if (flags < 0 || sys_stat(w, ret->host, &st) < 0)
		return err_set(e, ERR_USAGE, "standard stream %d is not an open descriptor",
			       ret->stream);
	ret->kind = kind_of(st.st_mode);
	if (ret->kind == FD_FREE)
		return err_set(e, ERR_USAGE,
			       "standard stream %d is no file, pipe, terminal or socket",
			       ret->stream);
	ret->ready = is_null(&st);
	ret->adrift = true; /* whoever passed it may have been anywhere */
	ret->filetype = filetype_of(st.st_mode);
	ret->flags = (flags & O_APPEND) != 0 ? FDF_APPEND : 0;
	ret->rights = stdio_rights(&st, ret->kind, (int)flags);
	if (ret->kind == FD_SOCK && socket_rights(w, ret) < 0)
		return err_set(e, ERR_USAGE,
			       "standard stream %d: what kind of socket it is can't "
			       "be told: %s",
			       ret->stream, strerror(errno));
	return 0;
}

int fd_of_stdio(struct wasi *w, int stream, struct fd *ret, struct err *e)
{
	const struct wasi_stdio *s = &w->cfg.stdio[stream];

	*ret = (struct fd){ .kind = FD_NONE,
			    .host = s->fd,
			    .list = -1,
			    .stream = stream,
			    .preopen = -1,
			    .rights = R_FD_READ | R_POLL_FD_READWRITE };
	if (s->fd >= 0)
		return stdio_of_host(w, ret, e);
	ret->host = -1;
	if (s->sink && w->cfg.sink != NULL) {
		ret->kind = FD_SINK;
		ret->rights = R_FD_WRITE | R_FD_FDSTAT_SET_FLAGS | R_FD_FILESTAT_GET | R_FD_SYNC |
			      R_FD_DATASYNC | R_POLL_FD_READWRITE;
	}
	return 0;
}

int fd_of_preopen(struct wasi *w, int i, struct fd *ret, struct err *e)
{
	const struct wasi_preopen *p = &w->cfg.preopens[i];
	size_t len = strlen(p->guest);
	struct stat st;

	if (len == 0 || p->guest[0] != '/' || len > LIM_PATH_BYTES)
		return err_set(e, ERR_USAGE, "guest path \"%.200s\" of a directory is not absolute",
			       p->guest);
	if (sys_stat(w, p->fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "what is granted as %.200s is not a directory",
			       p->guest);
	while (len > 1 && p->guest[len - 1] == '/')
		len--;
	*ret = (struct fd){ .kind = FD_DIR,
			    .host = p->fd,
			    .list = -1,
			    .stream = -1,
			    .preopen = i,
			    .mount = (uint32_t)i,
			    .filetype = FT_DIR,
			    .rights = R_DIR,
			    .inherit = R_DIR | R_FILE };
	if (!p->write && !attack_off(ATTACK_WASI)) {
		ret->rights &= ~(uint64_t)R_MUTATE;
		ret->inherit &= ~(uint64_t)R_MUTATE;
	}
	return fd_set_path(&w->fds, ret, p->guest, (uint32_t)len) ? 0 : err_nomem(e);
}
