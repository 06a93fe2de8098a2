/* What happened to instances: see events.h. */
#include "daemon/front/events.h"

#include <string.h>

#include "daemon/front/json.h"

#define EVENTS_KEPT 4096u

struct event {
	int64_t time;
	char *line; /* with its newline */
	size_t len;
	char tenant[LIM_NAME];
};

struct events {
	struct event ring[EVENTS_KEPT];
	uint64_t next; /* number of the next one; it stands at number % EVENTS_KEPT */
	struct follower *followers;
};

struct follower {
	struct follower *link;
	struct events *events;
	char tenant[LIM_NAME];
	int64_t since;
	uint64_t at;
	void (*more)(void *arg);
	void *arg;
};

/* ---- telling ------------------------------------------------------------ */

static json_t *event_json(const struct instance *i, int64_t time, const char *what)
{
	json_t *o = json_object();

	json_put(o, "time", json_time(time));
	json_put(o, "event", json_text(what));
	json_put(o, "id", json_text(i->id));
	json_put(o, "name", i->name[0] != '\0' ? json_text(i->name) : json_null());
	json_put(o, "module", json_digest(i->spec.module));
	json_put(o, "module_name", json_text(i->spec.module_name));
	if (i->state == INST_EXITED)
		json_put(o, "exit", json_exit(i));
	return o;
}

void events_put(struct events *ev, const struct instance *i, const char *what)
{
	struct event *at = &ev->ring[ev->next % EVENTS_KEPT];
	int64_t time = now_real();
	json_t *o = event_json(i, time, what);
	char *line = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (line == NULL)
		return;
	free(at->line);
	*at = (struct event){ .time = time, .line = line, .len = strlen(line) + 1 };
	line[at->len - 1] = '\n'; /* in the NUL's place: the length is ours */
	memcpy(at->tenant, i->tenant, sizeof(at->tenant));
	ev->next++;
	for (struct follower *fo = ev->followers; fo != NULL; fo = fo->link)
		if (fo->more != NULL)
			fo->more(fo->arg);
}

static void on_enter(void *arg, const struct instance *i, enum inst_state was)
{
	if (!i->kept)
		return;
	if (i->state == INST_RUNNING)
		events_put(arg, i, was == INST_PAUSED ? "resumed" : "started");
	else if (i->state != INST_STARTING)
		events_put(arg, i, inst_state_text(i->state));
}

int events_new(struct front *f, struct err *e)
{
	f->events = calloc(1, sizeof(*f->events));
	if (f->events == NULL)
		return err_nomem(e);
	instances_tell(f->instances, on_enter, f->events);
	return 0;
}

struct events *events_free(struct events *ev)
{
	for (size_t i = 0; ev != NULL && i < EVENTS_KEPT; i++)
		free(ev->ring[i].line);
	free(ev);
	return NULL;
}

/* ---- following ---------------------------------------------------------- */

static uint64_t oldest(const struct events *ev)
{
	return ev->next > EVENTS_KEPT ? ev->next - EVENTS_KEPT : 0;
}

struct follower *follower_new(struct events *ev, const char *tenant, int64_t since,
			      void (*more)(void *arg), void *arg, struct err *e)
{
	struct follower *fo = calloc(1, sizeof(*fo));

	if (fo == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	*fo = (struct follower){ .events = ev, .since = since, .more = more, .arg = arg };
	(void)snprintf(fo->tenant, sizeof(fo->tenant), "%s", tenant);
	fo->at = oldest(ev);
	fo->link = ev->followers;
	ev->followers = fo;
	return fo;
}

/* Says, once, that a slow reader has missed some. */
static size_t catch_up(struct follower *fo, char *buf, size_t max)
{
	int n = snprintf(buf, max, "{\"event\":\"missed\",\"count\":%llu}\n",
			 (unsigned long long)(oldest(fo->events) - fo->at));

	if (n < 0 || (size_t)n >= max)
		return 0;
	fo->at = oldest(fo->events);
	return (size_t)n;
}

ssize_t events_read(struct follower *fo, char *buf, size_t max)
{
	const struct events *ev = fo->events;
	size_t have = fo->at < oldest(ev) ? catch_up(fo, buf, max) : 0;

	for (; fo->at < ev->next; fo->at++) {
		const struct event *one = &ev->ring[fo->at % EVENTS_KEPT];

		if (one->time < fo->since || strcmp(one->tenant, fo->tenant) != 0)
			continue;
		if (one->len > max - have)
			break;
		memcpy(buf + have, one->line, one->len);
		have += one->len;
	}
	return have > 0 || fo->more != NULL ? (ssize_t)have : -1;
}

struct follower *follower_free(struct follower *fo)
{
	for (struct follower **at = &fo->events->followers; *at != NULL; at = &(*at)->link)
		if (*at == fo) {
			*at = fo->link;
			break;
		}
	free(fo);
	return NULL;
}
