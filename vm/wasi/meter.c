/*
 * Budgets in bytes: see meter.h.
 */
#include <errno.h>
#include <unistd.h> /* SEEK_CUR */

#include "vm/wasi/guest.h"
#include "vm/wasi/meter.h"
#include "vm/wasi/sys.h"

struct budget {
	uint64_t *used;
	uint64_t max;
	enum wasi_limit limit;
};

static struct budget budget_of(struct wasi *w, const struct fd *f)
{
	if (f->stream >= 1)
		return (struct budget){ &w->output, w->cfg.max_output, WASI_LIMIT_OUTPUT };
	if (f->kind == FD_FILE)
		return (struct budget){ &w->disk, w->cfg.max_disk, WASI_LIMIT_DISK };
	return (struct budget){ 0 };
}

/* Bytes between @f's end and where a write would begin. Whoever only went on
 * from where the last write or read ended is not behind the end. */
static uint64_t gap_before(struct wasi *w, const struct fd *f, int64_t at)
{
	struct stat st;

	if (f->kind != FD_FILE || (f->flags & FDF_APPEND) != 0 || (at < 0 && !f->adrift))
		return 0;
	if (at < 0)
		at = sys_seek(w, f->host, 0, SEEK_CUR);
	if (at < 0 || sys_stat(w, f->host, &st) < 0 || at <= st.st_size)
		return 0;
	return (uint64_t)(at - st.st_size);
}

static void end(struct call *c, enum wasi_limit limit)
{
	c->w->limit = limit;
	c->trap = VM_TRAP_LIMIT;
}

struct meter meter_write(struct call *c, const struct fd *f, int64_t at)
{
	struct budget b = budget_of(c->w, f);
	struct meter m = { .used = b.used };
	uint64_t want, left;

	if (b.max == 0)
		return m;
	want = iov_cut(c, UINT64_MAX);
	left = b.max - *b.used;
	m.gap = want != 0 ? gap_before(c->w, f, at) : 0;
	if (m.gap <= left && want <= left - m.gap)
		return m;
	(void)iov_cut(c, m.gap < left ? left - m.gap : 0);
	end(c, b.limit);
	return m;
}

void meter_written(const struct meter *m, int64_t n)
{
	if (n > 0 && m->used != NULL)
		*m->used += m->gap + (uint64_t)n;
}

bool meter_disk(struct call *c, uint64_t n)
{
	struct wasi *w = c->w;

	if (w->cfg.max_disk == 0 || n <= w->cfg.max_disk - w->disk)
		return true;
	end(c, WASI_LIMIT_DISK);
	return false;
}

void meter_shrunk(struct wasi *w)
{
	for (uint32_t i = 0; i < w->fds.used; i++)
		w->fds.at[i].adrift = true;
}

/* ---- the calls that write nothing, and yet take room ------------------------ */

/* Of an allocation that the disk was too full for, a part may stand. */
enum werr call_fd_allocate(struct call *c)
{
	uint64_t n = c->a[2];
	int64_t rc;

	if (n == 0)
		return WE_INVAL;
	if (!meter_disk(c, n))
		return WE_DQUOT;
	rc = sys_allocate(c->w, c->fd[0]->host, (int64_t)c->a[1], (int64_t)n);
	if (rc == 0 || rc == -ENOSPC)
		c->w->disk += n;
	return werr_of(rc);
}

enum werr call_fd_filestat_set_size(struct call *c)
{
	uint64_t to = c->a[1], more = 0;
	struct stat st = { 0 };
	int64_t rc = sys_stat(c->w, c->fd[0]->host, &st);

	if (rc < 0)
		return werr_of(rc);
	if (to > (uint64_t)st.st_size)
		more = to - (uint64_t)st.st_size;
	if (!meter_disk(c, more))
		return WE_DQUOT;
	rc = sys_truncate(c->w, c->fd[0]->host, (int64_t)to);
	if (rc == 0)
		c->w->disk += more;
	if (rc == 0 && to < (uint64_t)st.st_size)
		meter_shrunk(c->w);
	return werr_of(rc);
}
