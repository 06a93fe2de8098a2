/* A start in the foreground: see session.h. */
#include "daemon/front/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/front/command.h"
#include "daemon/front/json.h"
#include "daemon/front/outq.h"
#include "daemon/front/passed.h"

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

	json_object_update_new(o, json_error(e));
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

/* ---- the connection ----------------------------------------------------- */

static void begin(struct session *s)
{
	int fds[3] = { -1, -1, -1 };
	struct err e = { 0 };
	int n = passed_receive(s->fd, fds, &e);

	if (n == 0)
		return;
	if (e.code == ERR_PEER) {
		session_end(s);
		return;
	}
	s->begun = true;
	s->deadline = sd_event_source_disable_unref(s->deadline);
	for (int i = 0; n > 0 && i < 3; i++)
		n = passed_check(fds[i], i, &e) < 0 ? -1 : n;
	if (e.code == 0) {
		start(s, fds);
		return;
	}
	for (int i = 0; i < 3; i++)
		fd_clear(&fds[i]);
	put_error(s, &e);
}

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
