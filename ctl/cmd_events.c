/* events: a line of JSON for each, printed as it stands or as people read it. */
#include <errno.h>
#include <stdlib.h>

#include "ctl/ctl.h"
#include "wasmd/vec.h"

#define EVENT_LINE_MAX (8u << 20) /* an instance's arguments may be in it */

struct events {
	bool follow;
	const char *since;
};

const struct opt opts_events[] = {
	{ 'f', OPT_FLAG, "follow", NULL, "go on as more happens", offsetof(struct events, follow) },
	{ 0, OPT_TEXT, "since", "TIME", "not what is older: 10m (ago), or an RFC 3339 time",
	  offsetof(struct events, since) },
	OPT_END,
};

struct reader {
	const struct ctl *ctl;
	VEC(char) line; /* the piece that has come of one */
	char last[40];	/* time of the last one printed */
	bool again;	/* what is not newer was printed before */
	unsigned tries;
};

static void reader_done(struct reader *r)
{
	VEC_DONE(&r->line);
}

/* ---- one event ---------------------------------------------------------- */

static void put_value(FILE *f, const char *key, const json_t *v)
{
	const char *text = json_string_value(v);
	char buf[16];

	if (text != NULL && (strcmp(key, "id") == 0 || strncmp(text, "sha256:", 7) == 0))
		text = show_short_id(text, buf, sizeof(buf));
	if (text != NULL && text[0] != '\0')
		(void)fprintf(f, " %s=%s", key, text);
	else if (json_is_integer(v))
		(void)fprintf(f, " %s=%lld", key, (long long)json_integer_value(v));
	else if (json_is_boolean(v))
		(void)fprintf(f, " %s=%s", key, json_is_true(v) ? "yes" : "no");
}

static bool said_already(const char *key)
{
	return strcmp(key, "time") == 0 || strcmp(key, "event") == 0;
}

/* An end that needs no words. */
static bool plain_end(const json_t *o, const char *key)
{
	return strcmp(key, "message") == 0 && strcmp(show_text(o, "cause"), "exited") == 0;
}

/* "TIME EVENT key=value ..."; what an object within says is added to it. */
static int tell(json_t *event, struct err *e)
{
	CLEANUP(free_p) char *line = NULL;
	size_t size;
	FILE *f = open_memstream(&line, &size);
	const char *key, *inner_key;
	json_t *v, *inner;

	if (f == NULL)
		return err_nomem(e);
	(void)fprintf(f, "%s %s", show_text(event, "time"), show_text(event, "event"));
	json_object_foreach(event, key, v)
	{
		if (!said_already(key))
			put_value(f, key, v);
		json_object_foreach(v, inner_key, inner)
		{
			if (!plain_end(v, inner_key))
				put_value(f, inner_key, inner);
		}
	}
	if (fclose(f) != 0)
		return err_nomem(e);
	(void)text_put(stdout, line, size, TEXT_LINE);
	(void)fputc('\n', stdout);
	return 0;
}

static int print(struct reader *r, json_t *event, struct err *e)
{
	const char *when = show_text(event, "time");

	if (r->again && when[0] != '\0' && strcmp(when, r->last) <= 0)
		return 0;
	r->again = false;
	r->tries = 0;
	if (when[0] != '\0')
		(void)snprintf(r->last, sizeof(r->last), "%s", when);
	if (r->ctl->form == FORM_TABLE || r->ctl->form == FORM_NAME)
		(void)tell(event, e);
	else
		(void)show_json(event, r->ctl->form == FORM_JSONL, e);
	if (e->code == 0 && fflush(stdout) != 0)
		err_set(e, ERR_IO, "writing to standard output: %s", strerror(errno));
	return e->code;
}

static int take_line(struct reader *r, struct err *e)
{
	json_error_t why;
	json_t *event;

	if (r->line.len == 0)
		return 0;
	event = json_loadb(r->line.at, r->line.len, JSON_REJECT_DUPLICATES, &why);
	r->line.len = 0;
	if (json_is_object(event))
		(void)print(r, event, e);
	else
		err_set(e, ERR_PEER, "an event of the daemon is not JSON");
	json_decref(event);
	return e->code;
}

static int events_sink(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct reader *r = arg;
	const char *s = bytes;

	for (size_t i = 0; i < n; i++) {
		char *slot;

		if (s[i] == '\n') {
			if (take_line(r, e) != 0)
				return e->code;
			continue;
		}
		if (r->line.len >= EVENT_LINE_MAX)
			return err_set(e, ERR_PEER, "an event of the daemon is above %u bytes",
				       EVENT_LINE_MAX);
		slot = VEC_PUSH(&r->line);
		if (slot == NULL)
			return err_nomem(e);
		*slot = s[i];
	}
	return 0;
}

/* ---- the verb ----------------------------------------------------------- */

static int ask(struct ctl *ctl, struct reader *r, const struct events *o, const char *since,
	       struct err *e)
{
	const char *const pairs[][2] = { { "follow", o->follow ? "1" : NULL }, { "since", since } };
	struct client_request rq = { .method = "GET", .sink = events_sink, .sink_arg = r };
	CLEANUP(free_p) char *path = NULL;
	struct client_reply reply;

	if (query_string(pairs, ARRAY_LEN(pairs), "/v1/events", &path, e) != 0)
		return e->code;
	rq.path = path;
	return client_call(ctl->client, &rq, &reply, e);
}

int cmd_events(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	CLEANUP(reader_done) struct reader reader = { .ctl = ctl };
	struct events o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);
	char since[40];

	if (r != 0)
		return r < 0 ? r : 0;
	if ((o.since != NULL && ctl_since(o.since, since, sizeof(since), e) != 0) ||
	    ctl_connect(ctl, e) != 0)
		return e->code;
	if (o.follow)
		ctl_patient(ctl);
	while (ask(ctl, &reader, &o, o.since != NULL ? since : NULL, e) != 0) {
		if (!o.follow || !ctl_again(ctl, &reader.tries, e))
			return e->code;
		reader.line.len = 0;
		reader.again = reader.last[0] != '\0';
		if (reader.again)
			(void)snprintf(since, sizeof(since), "%s", reader.last);
		o.since = reader.again ? since : o.since;
	}
	return 0;
}
