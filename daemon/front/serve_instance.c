/* Requests about instances: HTTP and JSON around commands. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "daemon/front/attach.h"
#include "daemon/front/command.h"
#include "daemon/front/http.h"
#include "daemon/front/json.h"
#include "daemon/front/restart.h"
#include "daemon/front/session.h"

#define GRACE_DEFAULT 10.0 /* seconds between asking and killing */
#define GRACE_MAX     3600.0

static struct request *of_watch(struct watch *w)
{
	return (struct request *)(void *)((char *)w - offsetof(struct request, watch));
}

/* The instance of {ref}, or NULL when the error is answered. */
static struct instance *find(struct request *r)
{
	struct instance *i = NULL;
	struct err e = { 0 };

	if (cmd_find(r->front, &r->who, r->ref, &i, &e) < 0)
		answer_error(r, &e);
	return i;
}

void serve_instance_create(struct request *r)
{
	struct create_request in = { 0 };
	struct instance *i = NULL;
	struct err e = { 0 };
	struct ask ask;
	int n = -1;

	if (json_create_read(r->body, r->body_len, &in, &e) == 0) {
		ask = (struct ask){ .module = in.module,
				    .name = in.name,
				    .policy = in.policy,
				    .args = in.args,
				    .env = in.env,
				    .restart = in.restart,
				    .stdin_open = in.stdin_open,
				    .reactor = in.reactor,
				    .kept = true };
		in.args = in.env = NULL;
		n = cmd_create(r->front, &r->who, &ask, &i, &e);
	}
	create_request_done(&in);
	if (n < 0)
		answer_error(r, &e);
	else
		answer_json(r, 201, json_instance(i));
}

void serve_instance_list(struct request *r)
{
	json_t *o = json_object(), *a = json_array();
	bool all = request_flag(r, "all");

	for (struct instance *i = instance_first(r->front->instances); i != NULL; i = i->next)
		if (strcmp(i->tenant, r->who.tenant->name) == 0 &&
		    (all || i->state != INST_EXITED || restart_due(i) != 0))
			json_array_append_new(a, json_instance(i));
	json_put(o, "instances", a);
	json_put(o, "next", json_null());
	answer_json(r, 200, o);
}

void serve_instance_show(struct request *r)
{
	struct instance *i = find(r);

	if (i != NULL)
		answer_json_text(r, 200, json_instance_text(i));
}

/* ---- waiting for a state ------------------------------------------------ */

static void on_state(struct watch *w, struct instance *i, const struct err *e)
{
	struct request *r = of_watch(w);

	if (e != NULL && e->code != 0)
		answer_error(r, e);
	else
		answer_json(r, 200, json_instance(i));
}

static struct watch *wait_for(struct request *r, unsigned states)
{
	r->watch = (struct watch){ .states = states, .fire = on_state };
	return &r->watch;
}

/* What a command answered: 1, done; 0, the watch will; or an error. */
static void answer_when(struct request *r, const struct instance *i, int n, const struct err *e)
{
	if (n < 0)
		answer_error(r, e);
	else if (n > 0)
		answer_json(r, 200, json_instance(i));
}

static bool wants_upgrade(const struct request *r, const char *protocol)
{
	const char *to = request_header(r, "Upgrade");

	return to != NULL && strcasecmp(to, protocol) == 0;
}

void serve_instance_start(struct request *r)
{
	struct instance *i = find(r);
	struct launch how = LAUNCH_DETACHED(&r->who);
	struct err e = { 0 };

	if (i == NULL)
		return;
	if (wants_upgrade(r, WASMD_UPGRADE))
		session_offer(r, i);
	else if (cmd_start(r->front, i, &how, wait_for(r, INST_RUNNING | INST_EXITED), &e) < 0)
		answer_error(r, &e);
}

void serve_instance_attach(struct request *r)
{
	const struct instance *i = find(r);
	struct err e = { 0 };

	if (i == NULL)
		return;
	if (wants_upgrade(r, WASMD_UPGRADE_STREAM)) {
		attach_offer(r, i);
		return;
	}
	(void)err_set(&e, ERR_USAGE, "attaching needs Connection: Upgrade and Upgrade: %s",
		      WASMD_UPGRADE_STREAM);
	answer_error(r, &e);
}

static bool read_grace(const struct request *r, double *ret, struct err *e)
{
	const char *v = request_query(r, "grace");
	char *end = NULL;

	*ret = GRACE_DEFAULT;
	if (v == NULL)
		return true;
	*ret = strtod(v, &end);
	if (end != v && *end == '\0' && *ret >= 0 && *ret <= GRACE_MAX)
		return true;
	(void)err_set(e, ERR_USAGE, "?grace= is not a number of seconds from 0 to 3600");
	return false;
}

void serve_instance_stop(struct request *r)
{
	struct instance *i = find(r);
	struct err e = { 0 };
	double grace;

	if (i == NULL)
		return;
	if (!read_grace(r, &grace, &e))
		answer_error(r, &e);
	else
		answer_when(r, i,
			    cmd_stop(i, (unsigned)(grace * 1000), wait_for(r, INST_EXITED), &e),
			    &e);
}

void serve_instance_kill(struct request *r)
{
	struct instance *i = find(r);
	struct err e = { 0 };

	if (i != NULL)
		answer_when(r, i, cmd_kill(i, wait_for(r, INST_EXITED), &e), &e);
}

static void pause_or_resume(struct request *r, bool pause)
{
	struct instance *i = find(r);
	struct err e = { 0 };

	if (i != NULL)
		answer_when(r, i, cmd_pause(i, pause, &e) < 0 ? -1 : 1, &e);
}

void serve_instance_pause(struct request *r)
{
	pause_or_resume(r, true);
}

void serve_instance_resume(struct request *r)
{
	pause_or_resume(r, false);
}

static void on_restarted(struct watch *w, struct instance *i, const struct err *e)
{
	if (i->state == INST_EXITED && restart_asked(i))
		instance_watch(i, w); /* that was the end; the start comes */
	else
		on_state(w, i, e);
}

void serve_instance_restart(struct request *r)
{
	struct instance *i = find(r);
	struct err e = { 0 };
	double grace;

	if (i == NULL)
		return;
	r->watch = (struct watch){ .states = INST_RUNNING | INST_EXITED, .fire = on_restarted };
	if (!read_grace(r, &grace, &e) ||
	    cmd_restart(r->front, i, &r->who, (unsigned)(grace * 1000), &r->watch, &e) < 0)
		answer_error(r, &e);
}

void serve_instance_wait(struct request *r)
{
	struct instance *i = find(r);
	struct err e = { 0 };

	if (i != NULL)
		answer_when(r, i, cmd_wait(i, wait_for(r, INST_EXITED), &e), &e);
}

static void on_removed(struct watch *w, struct instance *i, const struct err *e)
{
	struct err stays = { 0 };

	if (i->forget) {
		answer_empty(of_watch(w), 204);
		return;
	}
	(void)err_set(&stays, ERR_IO, "instance %s has ended, but its record stays", i->id);
	(void)err_hint(&stays, "is the state directory's disk full? then remove it again");
	answer_error(of_watch(w), &stays);
}

void serve_instance_remove(struct request *r)
{
	struct instance *i = find(r);
	struct err e = { 0 };
	int n;

	if (i == NULL)
		return;
	r->watch = (struct watch){ .states = INST_EXITED, .fire = on_removed };
	n = cmd_remove(r->front, i, request_flag(r, "force"), &r->watch, &e);
	if (n < 0)
		answer_error(r, &e);
	else if (n > 0)
		answer_empty(r, 204);
}

void serve_instance_prune(struct request *r)
{
	struct pruned n;
	struct err e = { 0 };
	json_t *o;

	if (cmd_prune(r->front, &r->who, request_flag(r, "modules"), &n, &e) < 0) {
		answer_error(r, &e);
		return;
	}
	o = json_object();
	json_put(o, "instances", json_integer((json_int_t)n.instances));
	json_put(o, "modules", json_integer((json_int_t)n.modules));
	json_put(o, "bytes", json_integer((json_int_t)n.bytes));
	answer_json(r, 200, o);
}
