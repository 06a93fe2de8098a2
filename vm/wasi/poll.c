/*
 * poll_oneoff: clocks and descriptors in one wait.
 */
#include <errno.h>

#include "vm/wasi/fdtable.h"
#include "vm/wasi/guest.h"
#include "vm/wasi/io.h"
#include "wasmd/fault.h"

#define NEVER	 UINT64_MAX
#define NS_PER_S 1000000000u

#define NOT_POLLED UINT32_MAX

/* One subscription. */
struct item {
	uint64_t deadline; /* monotonic ns, or NEVER */
	enum werr error;   /* it is wrong, which is its event */
	bool ready;	   /* needs no waiting */
	uint32_t at;	   /* index of its struct pollfd, or NOT_POLLED */
	int events;	   /* what it waits for there */
};

/* One poll, from subscriptions to events. */
struct wait {
	struct call *c;
	uint64_t in, out; /* guest addresses */
	uint32_t n;	  /* subscriptions */
	struct pollfd *p; /* one per descriptor, however often it is subscribed to */
	uint32_t n_p;
	struct item *items; /* one per subscription */
	uint64_t first;	    /* the earliest deadline */
	bool ready;	    /* some item is ready or wrong */
	uint32_t events;    /* written */
};

static uint64_t now_ns(struct call *c, clockid_t id)
{
	struct timespec ts = { 0 };

	(void)sys_clock(c->w, id, &ts);
	return ts.tv_sec < 0 ? 0 : (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static enum werr emit(struct wait *w, const struct subscription *s, enum werr error,
		      uint64_t nbytes, uint16_t flags)
{
	struct event e = { .userdata = s->userdata,
			   .nbytes = nbytes,
			   .error = (uint16_t)error,
			   .flags = flags,
			   .type = s->type };

	return guest_put_event(w->c, w->out, w->events++, &e);
}

/* The monotonic time at which clock subscription @s is due. */
static enum werr due(struct wait *w, const struct subscription *s, uint64_t *ret)
{
	clockid_t id = s->clock == CLOCK_REAL ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	uint64_t left = s->timeout, mono;

	if (s->clock > CLOCK_THREAD || (s->flags & ~SUBCLOCK_ABSTIME) != 0)
		return WE_INVAL;
	if (s->clock != CLOCK_REAL && s->clock != CLOCK_MONO)
		return WE_NOTSUP;
	if ((s->flags & SUBCLOCK_ABSTIME) != 0) {
		uint64_t now = now_ns(w->c, id);

		left = left > now ? left - now : 0;
	}
	mono = now_ns(w->c, CLOCK_MONOTONIC);
	*ret = left < NEVER - 1 - mono ? mono + left : NEVER - 1;
	return WE_OK;
}

static enum werr watch_clock(struct wait *w, uint32_t i, const struct subscription *s)
{
	struct item *it = &w->items[i];
	enum werr e = due(w, s, &it->deadline);

	if (e == WE_OK && it->deadline < w->first)
		w->first = it->deadline;
	return e;
}

/* May @f be asked whether it is ready for what @type says? Who waits at a
 * listener waits to accept. */
static enum werr may_watch(const struct fd *f, uint8_t type)
{
	uint64_t use = type == EVENT_READ ? R_FD_READ | R_SOCK_ACCEPT : R_FD_WRITE;

	if (f == NULL || (f->kind == FD_NONE && type == EVENT_WRITE))
		return WE_BADF;
	return (f->rights & R_POLL_FD_READWRITE) != 0 && (f->rights & use) != 0 ? WE_OK
										: WE_NOTCAPABLE;
}

/* The entry of @f, made when it has none yet. Numbers from polls before are
 * not trusted: an entry is @f's when it has its descriptor. */
static uint32_t entry_of(struct wait *w, struct fd *f)
{
	if (f->polled >= w->n_p || w->p[f->polled].fd != f->host) {
		f->polled = w->n_p++;
		w->p[f->polled] = (struct pollfd){ .fd = f->host };
	}
	return f->polled;
}

/* Files, the sink and a stream that is nowhere are always ready. */
static enum werr watch_fd(struct wait *w, uint32_t i, const struct subscription *s)
{
	struct fd *f = fds_get(&w->c->w->fds, s->fd);
	struct item *it = &w->items[i];
	enum werr e = may_watch(f, s->type);

	if (e != WE_OK)
		return e;
	it->ready = f->kind != FD_STREAM && f->kind != FD_SOCK;
	if (it->ready)
		return WE_OK;
	it->events = s->type == EVENT_READ ? POLLIN | POLLRDHUP : POLLOUT;
	it->at = entry_of(w, f);
	w->p[it->at].events = (short)(w->p[it->at].events | it->events);
	return WE_OK;
}

/* Sets up subscription @i; one that is wrong becomes an event at once. */
static enum werr watch(struct wait *w, uint32_t i)
{
	struct subscription s;
	enum werr e = guest_get_subscription(w->c, w->in, i, &s);

	if (e != WE_OK)
		return e;
	w->items[i] = (struct item){ .deadline = NEVER, .at = NOT_POLLED };
	if (s.type > EVENT_WRITE)
		return WE_INVAL;
	w->items[i].error = s.type == EVENT_CLOCK ? watch_clock(w, i, &s) : watch_fd(w, i, &s);
	if (w->items[i].ready || w->items[i].error != WE_OK)
		w->ready = true;
	return WE_OK;
}

/* What poll said that concerns @it. */
static int told(const struct wait *w, const struct item *it)
{
	int mine = it->events | POLLHUP | POLLERR | POLLNVAL;

	return it->at == NOT_POLLED ? 0 : w->p[it->at].revents & mine;
}

static bool has_event(const struct wait *w, const struct item *it, uint64_t now)
{
	return it->ready || it->error != WE_OK || it->deadline <= now || told(w, it) != 0;
}

/* Bytes that can be moved at once: known of files, of others whether any. */
static uint64_t bytes_ready(struct wait *w, const struct subscription *s, int revents)
{
	const struct fd *f = fds_get(&w->c->w->fds, s->fd);
	struct stat st;
	int64_t at;

	if (f == NULL || f->kind == FD_NONE)
		return 0;
	if (f->kind == FD_STREAM || f->kind == FD_SOCK)
		return (revents & (POLLIN | POLLOUT)) != 0;
	if (f->kind != FD_FILE || s->type != EVENT_READ)
		return 1;
	at = sys_seek(w->c->w, f->host, 0, SEEK_CUR);
	if (at < 0 || sys_stat(w->c->w, f->host, &st) < 0 || !S_ISREG(st.st_mode))
		return 1;
	return st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
}

/* The event of item @i. */
static enum werr report_one(struct wait *w, uint32_t i)
{
	const struct item *it = &w->items[i];
	int revents = told(w, it);
	uint64_t bytes = 0;
	struct subscription s;
	enum werr e = guest_get_subscription(w->c, w->in, i, &s);

	if (e != WE_OK)
		return e;
	if (it->error == WE_OK && s.type != EVENT_CLOCK)
		bytes = bytes_ready(w, &s, revents);
	return emit(w, &s, it->error, bytes,
		    (revents & (POLLHUP | POLLERR | POLLRDHUP)) != 0 ? EVENT_HANGUP : 0);
}

static enum werr report(struct wait *w)
{
	uint64_t now = w->first != NEVER ? now_ns(w->c, CLOCK_MONOTONIC) : 0;
	enum werr e = WE_OK;

	for (uint32_t i = 0; e == WE_OK && i < w->n; i++)
		if (has_event(w, &w->items[i], now))
			e = report_one(w, i);
	return e;
}

/* What is left until the first clock; NULL: no clock. */
static const struct timespec *time_left(struct wait *w, struct timespec *ts)
{
	uint64_t now, left = 0;

	if (!w->ready && w->first == NEVER)
		return NULL;
	if (!w->ready) {
		now = now_ns(w->c, CLOCK_MONOTONIC);
		left = w->first > now ? w->first - now : 0;
	}
	*ts = (struct timespec){ (time_t)(left / NS_PER_S), (long)(left % NS_PER_S) };
	return ts;
}

static enum werr wait_and_report(struct wait *w)
{
	struct timespec ts;
	enum werr e = WE_OK;

	for (uint32_t i = 0; e == WE_OK && i < w->n; i++)
		e = watch(w, i);
	while (e == WE_OK && w->events == 0) {
		int64_t rc = io_wait(w->c, w->p, w->n_p, time_left(w, &ts));

		if (rc < 0)
			return werr_of(rc);
		e = report(w);
	}
	return e;
}

enum werr call_poll_oneoff(struct call *c)
{
	struct wait w = {
		.c = c, .in = c->a[0], .out = c->a[1], .n = (uint32_t)c->a[2], .first = NEVER
	};
	enum werr e;

	if (w.n == 0 || w.n > LIM_SUBSCRIPTIONS)
		return WE_INVAL;
	if (vm_caller_mem(c->vm, w.out, (uint64_t)w.n * EVENT_BYTES) == NULL)
		return WE_FAULT;
	w.p = mem_new(w.n, sizeof(*w.p));
	w.items = mem_new(w.n, sizeof(*w.items));
	e = w.p == NULL || w.items == NULL ? WE_NOMEM : wait_and_report(&w);
	free(w.p);
	free(w.items);
	if (e != WE_OK)
		return e;
	(void)call_moved(c, (uint64_t)w.n * EVENT_BYTES);
	return guest_put_u32(c, c->a[3], w.events);
}
