/*
 * logs: an instance's output as it wrote it; made harmless on a terminal.
 * Followed, it survives a restart of the daemon's front: what was printed is
 * not printed again.
 */
#include <errno.h>
#include <time.h>

#include "ctl/ctl.h"

struct logs {
	const char *stream, *since, *tail;
	bool follow, timestamps;
};

#define LOGS(field) offsetof(struct logs, field)

const struct opt opts_logs[] = {
	{ 'f', OPT_FLAG, "follow", NULL, "go on until it has ended", LOGS(follow) },
	{ 0, OPT_TEXT, "since", "TIME", "not what is older: 10m (ago), or an RFC 3339 time",
	  LOGS(since) },
	{ 'n', OPT_TEXT, "tail", "N", "the last lines only", LOGS(tail) },
	{ 't', OPT_FLAG, "timestamps", NULL, "begin each line with its time", LOGS(timestamps) },
	{ 0, OPT_TEXT, "stream", "NAME", "stdout or stderr only", LOGS(stream) },
	OPT_END,
};

/* On a terminal a character may arrive in two pieces: the first waits. */
struct printer {
	bool escape, follow;
	unsigned tries;	      /* without a byte between them */
	uint64_t taken, skip; /* bytes that have come; that come once more */
	int64_t last;	      /* when the last ones came */
	size_t held;
	char hold[4];
};

static int put(struct printer *p, const char *s, size_t n, struct err *e)
{
	if (p->escape)
		(void)text_put(stdout, s, n, TEXT_LINES);
	else
		(void)fwrite(s, 1, n, stdout);
	return !ferror(stdout)
		       ? 0
		       : err_set(e, ERR_IO, "writing to standard output: %s", strerror(errno));
}

static int print(struct printer *p, const char *s, size_t n, struct err *e)
{
	size_t cut;

	while (p->held > 0 && n > 0) {
		p->hold[p->held++] = *s++;
		n--;
		if (text_cut(p->hold, p->held) == p->held)
			continue;
		if (put(p, p->hold, p->held, e) != 0)
			return e->code;
		p->held = 0;
	}
	cut = p->escape ? text_cut(s, n) : 0;
	if (put(p, s, n - cut, e) != 0)
		return e->code;
	if (cut > 0) {
		memcpy(p->hold, s + n - cut, cut);
		p->held = cut;
	}
	return 0;
}

static int logs_sink(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct printer *p = arg;
	size_t again = n < p->skip ? n : (size_t)p->skip;

	p->skip -= again;
	n -= again;
	if (n == 0)
		return 0;
	p->taken += n;
	p->tries = 0;
	p->last = (int64_t)time(NULL);
	if (print(p, (const char *)bytes + again, n, e) != 0)
		return e->code;
	if (p->follow && fflush(stdout) != 0)
		return err_set(e, ERR_IO, "writing to standard output: %s", strerror(errno));
	return 0;
}

static int check_logs(const struct logs *o, struct err *e)
{
	if (o->stream != NULL && strcmp(o->stream, "stdout") != 0 &&
	    strcmp(o->stream, "stderr") != 0)
		return err_set(e, ERR_USAGE, "--stream: \"%s\" is neither stdout nor stderr",
			       o->stream);
	if (o->tail != NULL &&
	    (o->tail[0] == '\0' || o->tail[strspn(o->tail, "0123456789")] != '\0'))
		return err_set(e, ERR_USAGE, "--tail: \"%s\" is not a number of lines", o->tail);
	return 0;
}

/* The request for what @since and @tail (where not NULL) leave. */
static int logs_path(const struct logs *o, const char *name, const char *since, const char *tail,
		     char **ret, struct err *e)
{
	const char *const pairs[][2] = { { "stream", o->stream },
					 { "since", since },
					 { "tail", tail },
					 { "follow", o->follow ? "1" : NULL },
					 { "timestamps", o->timestamps ? "1" : NULL } };
	CLEANUP(free_p) char *query = NULL;
	int n = query_string(pairs, ARRAY_LEN(pairs), "/logs", &query, e);

	return n != 0 ? n : api_path("instances", name, query, ret, e);
}

/* What stood on the last request stands, and as much is skipped; but the last
 * lines are others by now, so then it is what came since. */
static int ask_again(struct printer *p, const struct logs *o, const char *name, char **path,
		     struct err *e)
{
	char last[40];

	p->skip = p->taken;
	if (o->tail == NULL || p->taken == 0)
		return 0;
	ctl_time(p->last, last, sizeof(last));
	p->skip = 0;
	free_p(path);
	*path = NULL;
	return logs_path(o, name, last, NULL, path, e);
}

static int fetch(struct ctl *ctl, const struct logs *o, const char *name, const char *since,
		 struct err *e)
{
	struct printer p = { .escape = isatty(STDOUT_FILENO), .follow = o->follow };
	struct client_request rq = { .method = "GET", .sink = logs_sink, .sink_arg = &p };
	CLEANUP(free_p) char *path = NULL;
	struct client_reply reply;

	if (logs_path(o, name, since, o->tail, &path, e) != 0)
		return e->code;
	for (;;) {
		rq.path = path;
		if (client_call(ctl->client, &rq, &reply, e) == 0)
			return put(&p, p.hold, p.held, e);
		if (!o->follow || !ctl_again(ctl, &p.tries, e) ||
		    ask_again(&p, o, name, &path, e) != 0)
			return e->code;
	}
}

int cmd_logs(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct logs o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);
	char since[40];

	if (r != 0)
		return r < 0 ? r : 0;
	if (check_logs(&o, e) != 0 ||
	    (o.since != NULL && ctl_since(o.since, since, sizeof(since), e) != 0) ||
	    ctl_connect(ctl, e) != 0)
		return e->code;
	if (o.follow)
		ctl_patient(ctl);
	return fetch(ctl, &o, argv[0], o.since != NULL ? since : NULL, e);
}
