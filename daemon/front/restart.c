/* Starting an instance again: see restart.h. */
#include "daemon/front/restart.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "daemon/front/live.h"
#include "daemon/front/record.h"

#define FIRST_USEC   100000u /* the first back-off; each next one is twice as long */
#define LONGEST_USEC 60000000u
#define HEALTHY_NS   10000000000 /* after so long a life the back-off begins anew */
#define RETRIES_MAX  1000000u

struct again {
	struct front *front;
	struct instance *inst;
	struct who who; /* its connection is our own duplicate */
	sd_event_source *timer;
	uint64_t delay_usec;
	int64_t due;
	uint32_t tries;
	bool asked;
};

/* ---- the policy's text -------------------------------------------------- */

bool restart_parse(const char *text, struct restart *ret)
{
	char *end = NULL;

	*ret = (struct restart){ .mode = RESTART_NO };
	if (strcmp(text, "no") == 0)
		return true;
	ret->mode = RESTART_ALWAYS;
	if (strcmp(text, "always") == 0)
		return true;
	ret->mode = RESTART_ON_FAILURE;
	if (strncmp(text, "on-failure", 10) != 0 || text[10] == '\0')
		return text[0] != '\0' && strcmp(text, "on-failure") == 0;
	if (text[10] != ':' || text[11] < '1' || text[11] > '9')
		return false;
	ret->most = (uint32_t)strtoul(text + 11, &end, 10);
	return *end == '\0' && ret->most <= RETRIES_MAX && end - text < 20;
}

void restart_text(const struct restart *r, char ret[RESTART_TEXT])
{
	static const char *const names[] = { "no", "on-failure", "always" };

	if (r->most > 0)
		(void)snprintf(ret, RESTART_TEXT, "%s:%u", names[r->mode], r->most);
	else
		(void)snprintf(ret, RESTART_TEXT, "%s", names[r->mode]);
}

/* ---- in whose name ------------------------------------------------------ */

int restart_keep(struct front *f, struct instance *i, const struct who *who, struct err *e)
{
	struct again *a = calloc(1, sizeof(*a));
	int conn = fcntl(who->conn, F_DUPFD_CLOEXEC, 3);

	if (a == NULL || conn < 0) {
		free(a);
		close_p(&conn);
		return err_nomem(e);
	}
	(void)restart_forget(i);
	*a = (struct again){ .front = f, .inst = i, .who = *who, .delay_usec = FIRST_USEC };
	a->who.conn = conn;
	i->again = a;
	return 0;
}

bool restart_forget(struct instance *i)
{
	struct again *a = i->again;
	bool was_due = a != NULL && a->due != 0;

	i->again = NULL;
	if (a == NULL)
		return false;
	instance_changed(i);
	(void)sd_event_source_disable_unref(a->timer);
	fd_clear(&a->who.conn);
	free(a);
	return was_due;
}

int64_t restart_due(const struct instance *i)
{
	return i->again != NULL ? i->again->due : 0;
}

void restart_ask(struct instance *i)
{
	i->again->asked = true;
}

bool restart_asked(const struct instance *i)
{
	return i->again != NULL && i->again->asked;
}

/* ---- again -------------------------------------------------------------- */

static bool wanted(const struct again *a)
{
	const struct outcome *o = a->inst->out;
	const struct restart *r = &a->inst->spec.restart;

	if (o->cause == CAUSE_STOPPED || o->cause == CAUSE_KILLED || o->cause == CAUSE_CLIENT)
		return false;
	if (r->mode == RESTART_ALWAYS)
		return true;
	return r->mode == RESTART_ON_FAILURE && (o->cause != CAUSE_EXITED || o->status != 0) &&
	       (r->most == 0 || a->tries < r->most);
}

/* A life of its own, though it never began: that before it ended as it did. */
static void could_not(struct again *a, const struct err *e)
{
	struct instance *i = a->inst;
	struct outcome *fresh = i->state == INST_EXITED ? calloc(1, sizeof(*fresh)) : NULL;

	front_log("instance %s can't be started again: %s", i->id, e->msg);
	if (fresh == NULL)
		return;
	fresh->cause = CAUSE_FAILED;
	fresh->finished = now_real();
	fresh->message = text_escape(e->msg, strlen(e->msg));
	(void)outcome_free(i->out);
	i->out = fresh;
	i->starts++;
	record_save(a->front, i);
}

static void start(struct again *a)
{
	struct launch how = LAUNCH_DETACHED(&a->who);
	struct instance *i = a->inst;
	struct err e = { 0 };

	a->due = 0;
	instance_changed(i);
	if (live_start(a->front, i, &how, &e) == 0) {
		if (i->spec.restart.mode == RESTART_NO)
			(void)restart_forget(i);
		return;
	}
	could_not(a, &e);
	restart_plan(i);
	instance_changed(i);
	instance_tell(i, INST_EXITED, &e);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct again *a = arg;

	a->timer = sd_event_source_disable_unref(a->timer);
	start(a);
	return 0;
}

static void schedule(struct again *a)
{
	if (sd_event_add_time_relative(a->front->loop, &a->timer, CLOCK_MONOTONIC, a->delay_usec, 1,
				       on_timer, a) < 0)
		return;
	a->due = now_real() + (int64_t)a->delay_usec * 1000;
	a->delay_usec = a->delay_usec * 2 < LONGEST_USEC ? a->delay_usec * 2 : LONGEST_USEC;
	a->tries++;
	instance_changed(a->inst);
}

void restart_consider(struct instance *i)
{
	struct again *a = i->again;

	if (a == NULL || !a->asked || a->front->ending)
		return;
	a->asked = false;
	start(a);
}

void restart_plan(struct instance *i)
{
	struct again *a = i->again;

	if (a == NULL || a->asked || a->front->ending)
		return;
	if (i->out->started != 0 && i->out->finished - i->out->started >= HEALTHY_NS) {
		a->tries = 0;
		a->delay_usec = FIRST_USEC;
	}
	if (wanted(a))
		schedule(a);
	else
		(void)restart_forget(i); /* with the connection that it holds */
}
