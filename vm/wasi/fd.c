/*
 * Calls on an open descriptor that move no data.
 */
#include <errno.h>
#include <fcntl.h>

#include "vm/wasi/fdtable.h"
#include "vm/wasi/guest.h"
#include "vm/wasi/sys.h"
#include "vm/wasi/times.h"
#include "wasmd/attack.h"

/* Whether @f stands for something in the kernel. */
static bool has_host(const struct fd *f)
{
	return f->host >= 0;
}

enum werr call_fd_advise(struct call *c)
{
	static const int advice[] = {
		[ADVICE_NORMAL] = POSIX_FADV_NORMAL,
		[ADVICE_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
		[ADVICE_RANDOM] = POSIX_FADV_RANDOM,
		[ADVICE_WILLNEED] = POSIX_FADV_WILLNEED,
		[ADVICE_DONTNEED] = POSIX_FADV_DONTNEED,
		[ADVICE_NOREUSE] = POSIX_FADV_NOREUSE,
	};

	if (c->a[3] >= ARRAY_LEN(advice))
		return WE_INVAL;
	return werr_of(sys_advise(c->w, c->fd[0]->host, (int64_t)c->a[1], (int64_t)c->a[2],
				  advice[c->a[3]]));
}

/* Closed for the guest; a descriptor of the embedder's stays open for it. */
enum werr call_fd_close(struct call *c)
{
	fds_drop(c->w, c->fd[0]);
	return WE_OK;
}

typedef int64_t sync_fn(struct wasi *w, int fd);

/* Directories held by path have nothing of theirs to flush; streams can't. */
static enum werr flush(struct call *c, sync_fn *fn)
{
	const struct fd *f = c->fd[0];
	bool listed = f->owned && (f->rights & R_FD_READDIR) != 0;

	if (f->kind != FD_FILE && f->kind != FD_DIR)
		return WE_INVAL;
	return f->kind == FD_FILE || listed ? werr_of(fn(c->w, f->host)) : WE_OK;
}

enum werr call_fd_datasync(struct call *c)
{
	return flush(c, sys_datasync);
}

enum werr call_fd_sync(struct call *c)
{
	return flush(c, sys_sync);
}

enum werr call_fd_fdstat_get(struct call *c)
{
	const struct fd *f = c->fd[0];
	struct fdstat s = { f->filetype, f->flags, f->rights, f->inherit };

	return guest_put_fdstat(c, c->a[1], &s);
}

/*
 * NONBLOCK is kept here: every wait goes through ppoll anyway, and flags of a
 * client's descriptor are shared with the client. APPEND of our own files is
 * the kernel's. The SYNC flags can't be changed after an open.
 */
enum werr call_fd_fdstat_set_flags(struct call *c)
{
	struct fd *f = c->fd[0];
	uint64_t flags = c->a[1], change = flags ^ f->flags;
	int64_t rc = 0;

	if (flags > FDF_ALL)
		return WE_INVAL;
	if ((change & (FDF_DSYNC | FDF_RSYNC | FDF_SYNC)) != 0)
		return WE_NOTSUP;
	if ((change & FDF_APPEND) != 0 && !f->owned)
		return WE_NOTSUP;
	if ((change & FDF_APPEND) != 0 && f->kind == FD_FILE)
		rc = sys_set_flags(c->w, f->host, (flags & FDF_APPEND) != 0 ? O_APPEND : 0);
	if (rc == 0)
		f->flags = (uint16_t)flags;
	return werr_of(rc);
}

/* Rights only shrink. */
enum werr call_fd_fdstat_set_rights(struct call *c)
{
	struct fd *f = c->fd[0];

	if (((c->a[1] & ~f->rights) != 0 || (c->a[2] & ~f->inherit) != 0) &&
	    !attack_off(ATTACK_WASI))
		return WE_NOTCAPABLE;
	f->rights = c->a[1];
	f->inherit = c->a[2];
	return WE_OK;
}

enum werr call_fd_filestat_get(struct call *c)
{
	const struct fd *f = c->fd[0];
	struct stat st = { 0 };
	int64_t rc = has_host(f) ? sys_stat(c->w, f->host, &st) : 0;

	if (rc < 0)
		return werr_of(rc);
	return guest_put_filestat(c, c->a[1], &st, f->filetype);
}

enum werr call_fd_filestat_set_times(struct call *c)
{
	struct timespec ts[2];
	enum werr e = times_of(c->a[1], c->a[2], c->a[3], ts);

	return e != WE_OK ? e : werr_of(sys_times(c->w, c->fd[0]->host, ts));
}

enum werr times_of(uint64_t atim, uint64_t mtim, uint64_t flags, struct timespec ts[2])
{
	const uint64_t ns[2] = { atim, mtim };
	const unsigned set[2] = { FST_ATIM, FST_MTIM }, now[2] = { FST_ATIM_NOW, FST_MTIM_NOW };

	if (flags > (FST_ATIM | FST_ATIM_NOW | FST_MTIM | FST_MTIM_NOW))
		return WE_INVAL;
	for (int i = 0; i < 2; i++) {
		if ((flags & set[i]) != 0 && (flags & now[i]) != 0)
			return WE_INVAL;
		ts[i] = (struct timespec){ 0, UTIME_OMIT };
		if ((flags & now[i]) != 0)
			ts[i].tv_nsec = UTIME_NOW;
		if ((flags & set[i]) != 0)
			ts[i] = (struct timespec){ (time_t)(ns[i] / 1000000000u),
						   (long)(ns[i] % 1000000000u) };
	}
	return WE_OK;
}

enum werr call_fd_prestat_get(struct call *c)
{
	const struct fd *f = c->fd[0];
	uint64_t out = (uint64_t)f->path_len << 32; /* tag 0: a directory */

	return f->preopen < 0 ? WE_BADF : guest_put_u64(c, c->a[1], out);
}

enum werr call_fd_prestat_dir_name(struct call *c)
{
	const struct fd *f = c->fd[0];

	if (f->preopen < 0)
		return WE_BADF;
	if (c->a[2] < f->path_len)
		return WE_NAMETOOLONG;
	return guest_put(c, c->a[1], f->path, f->path_len);
}

enum werr call_fd_renumber(struct call *c)
{
	struct fd *from = c->fd[0], *to = c->fd[1];

	if (from == to)
		return WE_OK;
	fds_drop(c->w, to);
	*to = *from;
	fds_free(&c->w->fds, from);
	return WE_OK;
}

/* Kernel's whence, or -1. unstable numbers them CUR, END, SET. */
static int whence_of(const struct call *c)
{
	static const int new[] = { SEEK_SET, SEEK_CUR, SEEK_END };
	static const int old[] = { SEEK_CUR, SEEK_END, SEEK_SET };

	if (c->a[2] > 2)
		return -1;
	return c->old ? old[c->a[2]] : new[c->a[2]];
}

static enum werr seek(struct call *c, int64_t offset, int whence, uint64_t ret_at)
{
	int64_t at;

	if (c->fd[0]->kind == FD_DIR)
		return WE_BADF;
	at = sys_seek(c->w, c->fd[0]->host, offset, whence);
	c->fd[0]->adrift |= at >= 0 && !(whence == SEEK_CUR && offset == 0);
	return at < 0 ? werr_of(at) : guest_put_u64(c, ret_at, (uint64_t)at);
}

/* Asking where one is takes less of a right than going elsewhere. */
enum werr call_fd_seek(struct call *c)
{
	int whence = whence_of(c);

	if (whence < 0)
		return WE_INVAL;
	if (!(whence == SEEK_CUR && c->a[1] == 0) && (c->fd[0]->rights & R_FD_SEEK) == 0)
		return WE_NOTCAPABLE;
	return seek(c, (int64_t)c->a[1], whence, c->a[3]);
}

enum werr call_fd_tell(struct call *c)
{
	return seek(c, 0, SEEK_CUR, c->a[1]);
}
