/* A client attached to an instance: see attach.h. */
#include "daemon/front/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/front/json.h"
#include "daemon/front/live.h"
#include "daemon/front/outq.h"

#define HOLD_BYTES   (256u << 10)    /* so much unread, and the guest waits */
#define UNREAD_BYTES (2u << 20)	     /* more than that and a turn of its ring */
#define LINGER_USEC  (5u * 1000000u) /* for it to read the last */
#define FRAME_HEAD   8u

enum { FRAME_STDIN, FRAME_STDOUT, FRAME_STDERR, FRAME_EVENT };

struct attach {
	struct front *front;
	char tenant[LIM_NAME], id[ID_TEXT];
	int fd;
	struct upgraded *up;
	sd_event_source *io, *pipe, *linger;
	int pipe_fd; /* our duplicate, while the guest reads too slowly */
	struct watch watch;
	struct outq out;
	uint8_t head[FRAME_HEAD];
	size_t head_len;
	uint32_t left; /* of the payload that comes */
	char in[4096];
	size_t in_at, in_len;
	bool over;
};

/* Nothing is wanted of the instance any more, nor held up there. */
static void let_go(struct attach *a)
{
	struct live *l = a->watch.on != NULL && a->watch.holds ? a->watch.on->live : NULL;

	watch_drop(&a->watch);
	if (l != NULL)
		live_go_on(l);
}

static void attach_end(struct attach *a)
{
	let_go(a);
	a->io = sd_event_source_disable_unref(a->io);
	a->pipe = sd_event_source_disable_unref(a->pipe);
	a->linger = sd_event_source_disable_unref(a->linger);
	fd_clear(&a->pipe_fd);
	if (a->up != NULL)
		upgraded_close(a->up);
	outq_done(&a->out);
	free(a);
}

/* ---- to the client ------------------------------------------------------ */

static void want_events(struct attach *a)
{
	bool reads = a->over || (a->pipe == NULL && a->in_len == 0);
	bool holds = outq_len(&a->out) > HOLD_BYTES;

	if (a->watch.on != NULL && a->watch.holds && !holds && a->watch.on->live != NULL)
		live_go_on(a->watch.on->live);
	a->watch.holds = holds;
	(void)sd_event_source_set_io_events(a->io, (reads ? EPOLLIN : 0u) |
							   (outq_len(&a->out) > 0 ? EPOLLOUT : 0u));
}

static int on_linger(sd_event_source *source, uint64_t usec, void *arg)
{
	attach_end(arg);
	return 0;
}

/* Away, once the client has read all and gone, or after a while. Until then
 * what it sends is dropped: closing earlier would take what it has not read. */
static void finish(struct attach *a)
{
	if (a->over)
		return;
	a->over = true;
	if (outq_len(&a->out) == 0)
		(void)shutdown(a->fd, SHUT_WR);
	(void)sd_event_add_time_relative(a->front->loop, &a->linger, CLOCK_MONOTONIC, LINGER_USEC,
					 1, on_linger, a);
	want_events(a);
}

static void put_frame(struct attach *a, uint8_t stream, const void *bytes, size_t len)
{
	const uint8_t head[FRAME_HEAD] = { stream,
					   0,
					   0,
					   0,
					   (uint8_t)(len >> 24),
					   (uint8_t)(len >> 16),
					   (uint8_t)(len >> 8),
					   (uint8_t)len };

	if (a->over)
		return;
	if (!outq_put(&a->out, head, sizeof(head), UNREAD_BYTES) ||
	    !outq_put(&a->out, bytes, len, UNREAD_BYTES)) {
		finish(a); /* no memory */
		return;
	}
	(void)outq_flush(&a->out, a->fd); /* a broken socket is seen by its source */
	want_events(a);
}

static void put_event(struct attach *a, const char *name, const char *key, json_t *take)
{
	CLEANUP(free_p) char *text = NULL;
	json_t *o = json_object();

	json_put(o, "event", json_text(name));
	json_put(o, key, take);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (text != NULL)
		put_frame(a, FRAME_EVENT, text, strlen(text));
}

static void put_error(struct attach *a, const struct err *e)
{
	json_t *wrap = json_error(e);

	put_event(a, "error", "error", json_incref(json_object_get(wrap, "error")));
	json_decref(wrap);
	finish(a);
}

static struct attach *of_watch(struct watch *w)
{
	return (struct attach *)(void *)((char *)w - offsetof(struct attach, watch));
}

static void on_output(struct watch *w, uint32_t stream, const void *bytes, size_t len)
{
	put_frame(of_watch(w), stream == 1 ? FRAME_STDOUT : FRAME_STDERR, bytes, len);
}

static void on_denied(struct watch *w, const struct denial *d)
{
	put_event(of_watch(w), "denied", "denial", json_denial(d));
}

static void on_exited(struct watch *w, struct instance *i, const struct err *e)
{
	struct attach *a = of_watch(w);

	if (e != NULL && e->code != 0) {
		put_error(a, e);
		return;
	}
	put_event(a, "exited", "instance", json_instance(i));
	finish(a);
}

/* ---- from the client ---------------------------------------------------- */

static int on_pipe(sd_event_source *source, int fd, uint32_t events, void *arg);

/* The guest's pipe is full: nothing is read from the client meanwhile. */
static void wait_for_room(struct attach *a, int pipe)
{
	a->pipe_fd = fcntl(pipe, F_DUPFD_CLOEXEC, 3);
	if (a->pipe_fd < 0 ||
	    sd_event_add_io(a->front->loop, &a->pipe, a->pipe_fd, EPOLLOUT, on_pipe, a) < 0) {
		fd_clear(&a->pipe_fd);
		a->in_len = a->in_at = 0; /* no memory: these are lost */
	}
}

/* Writes what came; what nobody can read any more is dropped. */
static void pass_on(struct attach *a)
{
	struct live *l = a->watch.on != NULL ? a->watch.on->live : NULL;

	while (a->in_at < a->in_len) {
		ssize_t n = l != NULL && l->stdin_fd >= 0
				    ? write(l->stdin_fd, a->in + a->in_at, a->in_len - a->in_at)
				    : (ssize_t)(a->in_len - a->in_at);

		if (n < 0 && errno == EAGAIN) {
			wait_for_room(a, l->stdin_fd);
			break;
		}
		a->in_at = n > 0 ? a->in_at + (size_t)n : a->in_len;
	}
	if (a->in_at >= a->in_len)
		a->in_at = a->in_len = 0;
	want_events(a);
}

static int on_pipe(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct attach *a = arg;

	a->pipe = sd_event_source_disable_unref(a->pipe);
	fd_clear(&a->pipe_fd);
	pass_on(a);
	return 0;
}

/* A whole head: false when it is none that a client sends. */
static bool take_head(struct attach *a)
{
	const uint8_t *h = a->head;
	struct live *l = a->watch.on != NULL ? a->watch.on->live : NULL;

	a->head_len = 0;
	a->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
	if (h[0] != FRAME_STDIN || h[1] != 0 || h[2] != 0 || h[3] != 0)
		return false;
	if (a->left == 0 && l != NULL)
		live_eof(l);
	return true;
}

/* Reads what there is: 1, more may come; 0, the client is gone; -1, nonsense. */
static int receive(struct attach *a)
{
	bool head = a->left == 0;
	size_t want = head ? FRAME_HEAD - a->head_len
			   : (a->left < sizeof(a->in) ? a->left : sizeof(a->in));
	ssize_t n = recv(a->fd, head ? (char *)a->head + a->head_len : a->in, want, MSG_DONTWAIT);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	if (head) {
		a->head_len += (size_t)n;
		return a->head_len < FRAME_HEAD || take_head(a) ? 1 : -1;
	}
	a->left -= (uint32_t)n;
	a->in_len = (size_t)n;
	pass_on(a);
	return 1;
}

/* Drops what comes after the end; 0: the client is gone. */
static int drop_input(struct attach *a)
{
	char drop[4096];
	ssize_t n = recv(a->fd, drop, sizeof(drop), MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	const struct err e = { .code = ERR_USAGE, .msg = "a frame that no client sends" };
	struct attach *a = arg;
	bool waits = outq_len(&a->out) > 0;
	int n = 1;

	if ((events & EPOLLIN) != 0 && a->over)
		n = drop_input(a);
	else if ((events & EPOLLIN) != 0 && a->in_len == 0)
		n = receive(a);
	if (n < 0) {
		let_go(a);
		put_error(a, &e);
	}
	if (n == 0 || (events & (EPOLLHUP | EPOLLERR)) != 0 || !outq_flush(&a->out, a->fd)) {
		attach_end(a);
		return 0;
	}
	if (a->over && waits && outq_len(&a->out) == 0)
		(void)shutdown(a->fd, SHUT_WR);
	want_events(a);
	return 0;
}

/* ---- beginning ---------------------------------------------------------- */

static void on_begin(void *arg, int fd, bool early, struct upgraded *up)
{
	const struct err bad = { .code = ERR_USAGE, .msg = "frames came before the 101" };
	struct attach *a = arg;
	struct instance *i = NULL;
	struct err e = { 0 };

	a->fd = fd;
	a->up = up;
	if (fd < 0 || sd_event_add_io(a->front->loop, &a->io, fd, EPOLLIN, on_socket, a) < 0) {
		attach_end(a);
		return;
	}
	if (early) {
		put_error(a, &bad);
	} else if (instance_find(a->front->instances, a->tenant, a->id, &i, &e) < 0) {
		put_error(a, &e);
	} else {
		a->watch = (struct watch){ .states = INST_EXITED,
					   .fire = on_exited,
					   .denied = on_denied,
					   .output = on_output };
		instance_watch(i, &a->watch);
	}
}

void attach_offer(struct request *r, const struct instance *i)
{
	struct attach *a = NULL;
	struct err e = { 0 };

	if (i->state == INST_EXITED)
		(void)err_set(&e, ERR_STATE, "instance %s has ended",
			      i->name[0] != '\0' ? i->name : i->id);
	else
		a = calloc(1, sizeof(*a));
	if (a == NULL) {
		(void)err_nomem(&e);
		answer_error(r, &e);
		return;
	}
	a->front = r->front;
	a->fd = a->pipe_fd = -1;
	memcpy(a->tenant, i->tenant, sizeof(a->tenant));
	memcpy(a->id, i->id, sizeof(a->id));
	answer_upgrade(r, WASMD_UPGRADE_STREAM, on_begin, a);
}
