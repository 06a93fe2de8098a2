/*
 * Moving bytes: files, pipes, terminals, sockets and the embedder's sink.
 *
 * A client's descriptors keep their flags, so they may block: nothing is read
 * or written on a stream before ppoll says that it will not, and a stream is
 * written in pieces that a pipe with any room takes whole.
 */
#include <errno.h>
#include <limits.h>

#include "vm/wasi/fdtable.h"
#include "vm/wasi/guest.h"
#include "vm/wasi/io.h"
#include "vm/wasi/meter.h"

/* The signal that accompanies a stop is let in only inside ppoll, so a stop
 * between the test and the wait is not lost. */
int64_t io_wait(struct call *c, struct pollfd *p, nfds_t n, const struct timespec *timeout)
{
	for (;;) {
		int64_t rc;

		if (wasi_stopped(c->w)) {
			c->trap = VM_TRAP_STOPPED;
			return -ECANCELED;
		}
		rc = sys_poll(c->w, p, n, timeout);
		if (rc != -EINTR)
			return rc;
		if (timeout != NULL && !wasi_stopped(c->w))
			return 0; /* the caller looks at the clock again */
	}
}

/* As io_wait; a write that has to wait is shown to who looks from outside. */
static int64_t wait_shown(struct call *c, struct pollfd *p)
{
	_Atomic uint32_t *blocked = p->events == POLLOUT ? c->w->cfg.blocked : NULL;
	const struct timespec now = { 0 };
	int64_t rc;

	if (blocked == NULL)
		return io_wait(c, p, 1, NULL);
	rc = io_wait(c, p, 1, &now);
	if (rc != 0)
		return rc;
	atomic_store(blocked, 1);
	rc = io_wait(c, p, 1, NULL);
	atomic_store(blocked, 0);
	return rc;
}

/* Until @f can be read or written without blocking; files always can. */
static enum werr wait_ready(struct call *c, const struct fd *f, short events)
{
	const struct timespec now = { 0 };
	struct pollfd p = { .fd = f->host, .events = events };
	bool nonblock = (f->flags & FDF_NONBLOCK) != 0;
	int64_t rc;

	if (f->ready || (f->kind != FD_STREAM && f->kind != FD_SOCK))
		return WE_OK;
	rc = nonblock ? io_wait(c, &p, 1, &now) : wait_shown(c, &p);
	if (rc < 0)
		return werr_of(rc);
	return rc == 0 ? WE_AGAIN : WE_OK;
}

/* Fuel and counters for @n bytes moved, and *@ret_at gets their number. */
static enum werr moved(struct call *c, int64_t n, uint64_t *counter, uint64_t ret_at)
{
	if (n < 0)
		return werr_of(n);
	*counter += (uint64_t)n;
	(void)call_moved(c, (uint64_t)n);
	return guest_put_u32(c, ret_at, (uint32_t)n);
}

enum werr call_fd_read(struct call *c)
{
	struct fd *f = c->fd[0];
	enum werr e;

	if (f->kind == FD_NONE || c->n_iov == 0)
		return moved(c, 0, &c->w->use.bytes_read, c->a[3]);
	e = wait_ready(c, f, POLLIN);
	if (e != WE_OK)
		return e;
	return moved(c, sys_readv(c->w, f->host, c->iov, c->n_iov), &c->w->use.bytes_read, c->a[3]);
}

enum werr call_fd_pread(struct call *c)
{
	struct fd *f = c->fd[0];

	if (f->kind != FD_FILE)
		return WE_SPIPE;
	return moved(c, sys_preadv(c->w, f->host, c->iov, c->n_iov, (int64_t)c->a[3]),
		     &c->w->use.bytes_read, c->a[4]);
}

static int64_t write_sink(struct call *c, const struct fd *f)
{
	struct wasi *w = c->w;
	uint64_t n = iov_cut(c, UINT64_MAX);
	int rc = n == 0 ? 0 : w->cfg.sink(w->cfg.sink_arg, f->stream, c->iov, c->n_iov);

	if (wasi_stopped(w) && c->trap == VM_TRAP_NONE)
		c->trap = VM_TRAP_STOPPED;
	return rc < 0 ? rc : (int64_t)n;
}

/* Up to PIPE_BUF bytes of c->iov behind its first @skip, to @out; how many
 * entries. More than @cap of them make the piece shorter. */
static int iov_piece(const struct call *c, uint64_t skip, struct iovec *out, int cap)
{
	uint64_t left = PIPE_BUF;
	int n = 0;

	for (int i = 0; i < c->n_iov && n < cap && left > 0; i++) {
		uint8_t *base = c->iov[i].iov_base;
		uint64_t len = c->iov[i].iov_len, gone = skip < len ? skip : len;

		skip -= gone;
		len -= gone;
		if (len == 0)
			continue;
		if (len > left)
			len = left;
		out[n++] = (struct iovec){ base + gone, len };
		left -= len;
	}
	return n;
}

/* All of it, as a blocking write would, but for a stop or an error half way. */
static int64_t write_stream(struct call *c, const struct fd *f, enum werr *ret_wait)
{
	uint64_t want = iov_cut(c, UINT64_MAX), done = 0;
	struct iovec piece[16];

	while (done < want) {
		int n = iov_piece(c, done, piece, ARRAY_LEN(piece));
		int64_t rc = 0;

		*ret_wait = wait_ready(c, f, POLLOUT);
		if (*ret_wait == WE_OK)
			rc = sys_writev(c->w, f->host, piece, n);
		if (rc <= 0)
			return done != 0 ? (int64_t)done : rc;
		done += (uint64_t)rc;
	}
	return (int64_t)done;
}

enum werr call_fd_write(struct call *c)
{
	struct fd *f = c->fd[0];
	struct meter m = meter_write(c, f, -1);
	enum werr e = WE_OK;
	int64_t n;

	if (f->kind == FD_SINK)
		n = write_sink(c, f);
	else if (f->kind == FD_FILE || f->ready)
		n = sys_writev(c->w, f->host, c->iov, c->n_iov);
	else
		n = write_stream(c, f, &e);
	if (n == 0 && e != WE_OK)
		return e;
	if (n > 0)
		f->adrift = false;
	meter_written(&m, n);
	return moved(c, n, &c->w->use.bytes_written, c->a[3]);
}

enum werr call_fd_pwrite(struct call *c)
{
	struct fd *f = c->fd[0];
	struct meter m;
	int64_t n;

	if (f->kind != FD_FILE)
		return WE_SPIPE;
	m = meter_write(c, f, (int64_t)c->a[3]);
	n = sys_pwritev(c->w, f->host, c->iov, c->n_iov, (int64_t)c->a[3]);
	meter_written(&m, n);
	return moved(c, n, &c->w->use.bytes_written, c->a[4]);
}

/* ---- sockets ------------------------------------------------------------ */

/* Takes @n bytes off the front of c->iov. */
static void iov_skip(struct call *c, uint64_t n)
{
	while (c->n_iov > 0 && n >= c->iov->iov_len) {
		n -= c->iov->iov_len;
		c->iov++;
		c->n_iov--;
	}
	if (c->n_iov > 0) {
		c->iov->iov_base = (uint8_t *)c->iov->iov_base + n;
		c->iov->iov_len -= n;
	}
}

/* One message, or with @all as many bytes as there is room for. */
static int64_t receive(struct call *c, const struct fd *f, int flags, bool all, enum werr *ret_wait,
		       uint16_t *ret_flags)
{
	int64_t done = 0, n = 0;

	do {
		struct msghdr m = { .msg_iov = c->iov, .msg_iovlen = (size_t)c->n_iov };

		*ret_wait = wait_ready(c, f, POLLIN);
		if (*ret_wait != WE_OK)
			break;
		n = sys_recv(c->w, f->host, &m, flags | MSG_DONTWAIT);
		if (n >= 0 && (m.msg_flags & MSG_TRUNC) != 0)
			*ret_flags = RO_TRUNCATED;
		if (n <= 0)
			break;
		done += n;
		iov_skip(c, (uint64_t)n);
	} while (all && c->n_iov > 0);
	return done != 0 ? done : n;
}

/* What is peeked at stays, so waiting for all of it would see its beginning
 * again and again: what is there has to do. */
enum werr call_sock_recv(struct call *c)
{
	struct fd *f = c->fd[0];
	bool peek = (c->a[3] & RI_PEEK) != 0, all = (c->a[3] & RI_WAITALL) != 0 && !peek;
	enum werr e = WE_OK;
	uint16_t out = 0;
	int64_t n;

	if (f->kind != FD_SOCK)
		return WE_NOTSOCK;
	if ((c->a[3] & ~(uint64_t)(RI_PEEK | RI_WAITALL)) != 0)
		return WE_INVAL;
	n = receive(c, f, peek ? MSG_PEEK : 0, all, &e, &out);
	if (n == 0 && e != WE_OK)
		return e;
	e = moved(c, n, &c->w->use.bytes_read, c->a[4]);
	return e != WE_OK ? e : guest_put(c, c->a[5], &out, sizeof(out));
}

enum werr call_sock_send(struct call *c)
{
	struct fd *f = c->fd[0];
	struct msghdr mh = { .msg_iov = c->iov, .msg_iovlen = (size_t)c->n_iov };
	struct meter m;
	enum werr e;
	int64_t n;

	if (f->kind != FD_SOCK)
		return WE_NOTSOCK;
	if (c->a[3] != 0)
		return WE_INVAL;
	m = meter_write(c, f, -1);
	/* a socket that can't send any more tells it at once, full or not */
	do {
		n = sys_send(c->w, f->host, &mh, MSG_DONTWAIT);
		e = n == -EAGAIN ? wait_ready(c, f, POLLOUT) : WE_OK;
	} while (n == -EAGAIN && e == WE_OK);
	if (e != WE_OK)
		return e;
	meter_written(&m, n);
	return moved(c, n, &c->w->use.bytes_written, c->a[4]);
}

enum werr call_sock_shutdown(struct call *c)
{
	static const int how[] = { -1, SHUT_RD, SHUT_WR, SHUT_RDWR };

	if (c->fd[0]->kind != FD_SOCK)
		return WE_NOTSOCK;
	if (c->a[1] == 0 || c->a[1] > (SD_RD | SD_WR))
		return WE_INVAL;
	return werr_of(sys_shutdown(c->w, c->fd[0]->host, how[c->a[1]]));
}

enum werr call_sock_accept(struct call *c)
{
	const struct fd *f = c->fd[0];
	struct fd new = { .kind = FD_SOCK,
			  .list = -1,
			  .owned = true,
			  .stream = -1,
			  .preopen = -1,
			  .filetype = FT_SOCK_STREAM,
			  .flags = (uint16_t)c->a[1],
			  .rights = f->inherit };
	uint32_t at;
	int64_t s;
	enum werr e;

	if ((c->a[1] & ~(uint64_t)FDF_NONBLOCK) != 0)
		return WE_INVAL;
	if (fds_full(&c->w->fds))
		return WE_MFILE;
	if (vm_caller_mem(c->vm, c->a[2], 4) == NULL)
		return WE_FAULT;
	e = wait_ready(c, f, POLLIN);
	if (e != WE_OK)
		return e;
	s = sys_accept(c->w, f->host);
	if (s < 0)
		return werr_of(s);
	new.host = (int)s;
	e = fds_add(&c->w->fds, &new, &at);
	if (e != WE_OK) {
		(void)sys_close(c->w, new.host);
		return e;
	}
	return guest_put_u32(c, c->a[2], at);
}
