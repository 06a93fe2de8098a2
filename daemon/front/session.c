/* A start in the foreground: see session.h. */
#include "daemon/front/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "daemon/front/command.h"
#include "daemon/front/json.h"
#include "daemon/front/outq.h"

#define PASS_USEC    (10u * 1000000u) /* to pass the descriptors after the 101 */
#define UNREAD_BYTES (256u << 10)     /* events that a slow client has not read */
#define LINGER_USEC  (5u * 1000000u)  /* for it to read the last ones */

struct session {
	struct front *front;
	struct who who;
	char id[ID_TEXT];
	int fd;
	struct upgraded *up;
	sd_event_source *io, *deadline;
	struct watch watch;
	bool begun, over;
	struct outq out;
};

static void session_end(struct session *s)
{
	struct instance *i = s->watch.on;

	watch_drop(&s->watch);
	s->io = sd_event_source_disable_unref(s->io);
	s->deadline = sd_event_source_disable_unref(s->deadline);
	if (s->up != NULL)
		upgraded_close(s->up);
	outq_done(&s->out);
	free(s);
	if (i != NULL && i->live != NULL)
		live_kill(i->live, CAUSE_CLIENT);
}

/* ---- events ------------------------------------------------------------- */

static void want_events(struct session *s)
{
	(void)sd_event_source_set_io_events(s->io,
					    outq_len(&s->out) > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Takes @o. A client that does not read loses its events, then its session. */
static void put_event(struct session *s, json_t *o)
{
	CLEANUP(free_p) char *line = json_dumps(o, JSON_COMPACT);
	size_t n = line != NULL ? strlen(line) + 1 : 0;

	json_decref(o);
	if (line == NULL)
		return;
	line[n - 1] = '\n';
	(void)outq_put(&s->out, line, n, UNREAD_BYTES);
	(void)outq_flush(&s->out, s->fd); /* a broken socket is seen by its source */
	want_events(s);
}

static json_t *event(const char *name)
{
	json_t *o = json_object();

	json_put(o, "event", json_text(name));
	return o;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *arg)
{
	session_end(arg);
	return 0;
}

/* Nothing more will come: away, once what is buffered has been read. */
static void finish(struct session *s)
{
	s->over = true;
	s->deadline = sd_event_source_disable_unref(s->deadline);
	(void)sd_event_add_time_relative(s->front->loop, &s->deadline, CLOCK_MONOTONIC,
					 outq_len(&s->out) > 0 ? LINGER_USEC : 0, 1, on_deadline,
					 s);
}

static void put_error(struct session *s, const struct err *e)
{
	json_t *o = event("error");

	json_object_update(o, json_error(e));
	put_event(s, o);
	finish(s);
}

/* ---- the instance ------------------------------------------------------- */

static struct session *of_watch(struct watch *w)
{
	return (struct session *)(void *)((char *)w - offsetof(struct session, watch));
}

static void on_denied(struct watch *w, const struct denial *d)
{
	json_t *o = event("denied");

	json_put(o, "denial", json_denial(d));
	put_event(of_watch(w), o);
}

static void on_state(struct watch *w, struct instance *i, const struct err *e)
{
	struct session *s = of_watch(w);
	json_t *o;

	if (e != NULL && e->code != 0) {
		put_error(s, e);
		return;
	}
	o = event(i->state == INST_EXITED ? "exited" : "started");
	if (i->state == INST_EXITED)
		json_put(o, "instance", json_instance(i));
	else
		json_put(o, "id", json_text(i->id));
	put_event(s, o);
	if (i->state == INST_EXITED) {
		finish(s);
		return;
	}
	s->watch.states = INST_EXITED;
	instance_watch(i, &s->watch);
}

static void start(struct session *s, int fds[3])
{
	struct launch how = {
		.who = &s->who,
		.stream = { STREAM_FD, STREAM_FD, STREAM_FD },
		.fd = { fds[0], fds[1], fds[2] },
	};
	struct instance *i = NULL;
	struct err e = { 0 };

	s->watch = (struct watch){ .states = INST_RUNNING | INST_EXITED,
				   .fire = on_state,
				   .denied = on_denied };
	if (instance_find(s->front->instances, s->who.tenant->name, s->id, &i, &e) < 0) {
		for (int n = 0; n < 3; n++)
			fd_clear(&fds[n]);
		put_error(s, &e);
	} else if (cmd_start(s->front, i, &how, &s->watch, &e) < 0) {
		put_error(s, &e);
	}
}

/* ---- descriptors -------------------------------------------------------- */

/* By number, not by ioctl: nothing is done to what a client passed. */
static bool is_terminal_or_null(dev_t dev)
{
	unsigned major = major(dev), minor = minor(dev);

	switch (major) {
	case 1:
		return minor == 3; /* /dev/null */
	case 5:
		return minor != 2; /* not ptmx */
	case 4:			   /* consoles, serial lines */
	case 136 ... 143:	   /* pseudo terminals */
	case 166:		   /* USB modems */
	case 188:		   /* USB serial lines */
	case 204:		   /* on-chip serial lines */
	case 229:		   /* hypervisor consoles */
		return true;
	default:
		return false;
	}
}

static bool stream_socket(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

int stream_check(int fd, int which, struct err *e)
{
	static const char *const names[] = { "standard input", "standard output",
					     "standard error" };
	int flags = fcntl(fd, F_GETFL);
	struct stat st;
	bool ok = false;

	if (flags >= 0 && (flags & O_PATH) == 0 && fstat(fd, &st) == 0)
		ok = S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) ||
		     (S_ISSOCK(st.st_mode) && stream_socket(fd)) ||
		     (S_ISCHR(st.st_mode) && is_terminal_or_null(st.st_rdev));
	if (ok)
		return 0;
	(void)err_set(e, ERR_USAGE, "%s is of a kind that is not passed on", names[which]);
	return err_hint(e, "pass a pipe, regular file, stream socket, terminal or /dev/null");
}

/* The byte F and exactly three descriptors. 1: they are there; 0: not yet. */
static int receive(int fd, int ret[3], struct err *e)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		char buf[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	size_t n_fds = 0;
	int fds[8];

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); n > 0 && c != NULL; c = CMSG_NXTHDR(&m, c)) {
		size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n_fds + got > 8)
			continue;
		memcpy(fds + n_fds, CMSG_DATA(c), got * sizeof(int));
		n_fds += got;
	}
	if (n == 1 && byte == 'F' && n_fds == 3 && (m.msg_flags & MSG_CTRUNC) == 0) {
		memcpy(ret, fds, 3 * sizeof(int));
		return 1;
	}
	for (size_t i = 0; i < n_fds; i++)
		(void)close(fds[i]);
	return err_set(e, n <= 0 ? ERR_PEER : ERR_USAGE,
		       "expected the byte F with exactly three descriptors");
}

static void begin(struct session *s)
{
	int fds[3] = { -1, -1, -1 };
	struct err e = { 0 };
	int n = receive(s->fd, fds, &e);

	if (n == 0)
		return;
	if (e.code == ERR_PEER) {
		session_end(s);
		return;
	}
	s->begun = true;
	s->deadline = sd_event_source_disable_unref(s->deadline);
	for (int i = 0; n > 0 && i < 3; i++)
		n = stream_check(fds[i], i, &e) < 0 ? -1 : n;
	if (e.code == 0) {
		start(s, fds);
		return;
	}
	for (int i = 0; i < 3; i++)
		fd_clear(&fds[i]);
	put_error(s, &e);
}

/* ---- the connection ----------------------------------------------------- */

/* Nothing more is expected from the client but its end. */
static bool still_there(struct session *s)
{
	char drop[512];
	ssize_t n = recv(s->fd, drop, sizeof(drop), MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct session *s = arg;

	if ((events & (EPOLLHUP | EPOLLERR)) != 0 ||
	    (s->begun && (events & EPOLLIN) != 0 && !still_there(s)) ||
	    !outq_flush(&s->out, s->fd)) {
		session_end(s);
		return 0;
	}
	if (s->over && outq_len(&s->out) == 0) {
		session_end(s);
		return 0;
	}
	if (!s->begun && (events & EPOLLIN) != 0)
		begin(s);
	else
		want_events(s);
	return 0;
}

static void on_begin(void *arg, int fd, bool early, struct upgraded *up)
{
	const struct err e = {
		.code = ERR_USAGE,
		.msg = "bytes came before the 101: descriptors can't be among them"
	};
	struct session *s = arg;

	s->fd = s->who.conn = fd;
	s->up = up;
	if (fd < 0 || sd_event_add_io(s->front->loop, &s->io, fd, EPOLLIN, on_socket, s) < 0 ||
	    sd_event_add_time_relative(s->front->loop, &s->deadline, CLOCK_MONOTONIC, PASS_USEC, 1,
				       on_deadline, s) < 0) {
		session_end(s);
		return;
	}
	if (early) {
		s->begun = true;
		put_error(s, &e);
	}
}

void session_offer(struct request *r, const struct instance *i)
{
	struct session *s = NULL;
	struct err e = { 0 };

	if ((i->state & (INST_CREATED | INST_EXITED)) == 0) {
		(void)err_set(&e, ERR_STATE, "instance %s is %s",
			      i->name[0] != '\0' ? i->name : i->id, inst_state_text(i->state));
		(void)err_hint(&e, "only one that was created or has ended can be started");
	} else {
		s = calloc(1, sizeof(*s));
	}
	if (s == NULL) {
		(void)err_nomem(&e);
		answer_error(r, &e);
		return;
	}
	s->front = r->front;
	s->who = r->who;
	s->fd = -1;
	memcpy(s->id, i->id, sizeof(s->id));
	answer_upgrade(r, WASMD_UPGRADE, on_begin, s);
}
