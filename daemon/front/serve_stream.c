/* Requests whose answers go on: logs that are followed, events. */
#include <string.h>

#include "daemon/front/command.h"
#include "daemon/front/events.h"
#include "daemon/front/http.h"
#include "daemon/front/logs.h"

#define TAIL_MAX 100000000

/* ---- logs --------------------------------------------------------------- */

struct log_stream {
	struct request *r;
	struct log_reader *log;
};

static ssize_t log_more(void *arg, char *buf, size_t max)
{
	struct log_stream *s = arg;
	ssize_t n = log_read(s->log, buf, max);

	if (n != 0)
		return n;
	return s->r->watch.on != NULL ? 0 : STREAM_END;
}

static void log_done(void *arg)
{
	struct log_stream *s = arg;

	(void)log_reader_close(s->log);
	free(s);
}

static const struct stream_ops log_ops = { log_more, log_done };

static struct request *of_watch(struct watch *w)
{
	return (struct request *)(void *)((char *)w - offsetof(struct request, watch));
}

static void on_output(struct watch *w, uint32_t stream, const void *bytes, size_t len)
{
	stream_wake(of_watch(w));
}

static void on_exited(struct watch *w, struct instance *i, const struct err *e)
{
	stream_wake(of_watch(w)); /* to read the rest; the watch is over: that is the end */
}

static int64_t read_tail(const struct request *r, struct err *e)
{
	const char *v = request_query(r, "tail");
	char *end = NULL;
	long long n = -1;

	if (v == NULL || strcmp(v, "all") == 0)
		return -1;
	if (v[0] >= '0' && v[0] <= '9')
		n = strtoll(v, &end, 10);
	if (n < 0 || n > TAIL_MAX || *end != '\0')
		(void)err_set(e, ERR_USAGE, "?tail= is a number of lines, or all");
	return n;
}

static struct log_query read_query(const struct request *r, struct err *e)
{
	const char *v = request_query(r, "stream");
	struct log_query q = { .since = request_since(r, 0, e),
			       .tail = read_tail(r, e),
			       .timestamps = request_flag(r, "timestamps") };

	if (v != NULL && strcmp(v, "stdout") == 0)
		q.stream = 1;
	else if (v != NULL && strcmp(v, "stderr") == 0)
		q.stream = 2;
	else if (v != NULL)
		(void)err_set(e, ERR_USAGE, "?stream= is stdout or stderr");
	return q;
}

void serve_instance_logs(struct request *r)
{
	struct log_stream *s = NULL;
	struct instance *i = NULL;
	struct err e = { 0 };
	struct log_query q = read_query(r, &e);

	if (e.code == 0 && cmd_find(r->front, &r->who, r->ref, &i, &e) == 0) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			(void)err_nomem(&e);
	}
	if (e.code != 0 ||
	    log_reader_open(r->front->state, i->tenant, i->id, &q, &s->log, &e) < 0) {
		free(s);
		answer_error(r, &e);
		return;
	}
	s->r = r;
	if (request_flag(r, "follow") && i->state != INST_EXITED) {
		r->watch = (struct watch){ .states = INST_EXITED,
					   .fire = on_exited,
					   .output = on_output };
		instance_watch(i, &r->watch);
	}
	answer_stream(r, "application/octet-stream", &log_ops, s);
}

/* ---- events ------------------------------------------------------------- */

static ssize_t events_more(void *arg, char *buf, size_t max)
{
	return events_read(arg, buf, max);
}

static void events_done(void *arg)
{
	(void)follower_free(arg);
}

static const struct stream_ops events_ops = { events_more, events_done };

static void on_event(void *arg)
{
	stream_wake(arg);
}

void serve_events(struct request *r)
{
	bool follow = request_flag(r, "follow");
	struct follower *fo = NULL;
	struct err e = { 0 };
	int64_t since = request_since(r, follow ? now_real() : 0, &e);

	if (e.code == 0)
		fo = follower_new(r->front->events, r->who.tenant->name, since,
				  follow ? on_event : NULL, r, &e);
	if (fo == NULL)
		answer_error(r, &e);
	else
		answer_stream(r, "application/x-ndjson", &events_ops, fo);
}
