/* Creating and ending instances: see command.h. */
#include <string.h>

#include "daemon/front/command.h"
#include "daemon/front/events.h"
#include "daemon/front/module.h"
#include "daemon/front/record.h"
#include "daemon/front/restart.h"

#define RECORDS_MAX (4u * LIM_INSTANCES) /* instances of all tenants, ended ones included */

static const char *shown_name(const struct instance *i)
{
	return i->name[0] != '\0' ? i->name : i->id;
}

/* ---- creating ----------------------------------------------------------- */

static int check_name(struct front *f, const struct who *who, const char *name, struct err *e)
{
	if (name[0] == '\0')
		return 0;
	if (!name_ok(name)) {
		(void)err_set(e, ERR_USAGE, "the name is not one");
		return err_hint(e,
				"a letter or digit, then letters, digits, \"_\", \".\" and \"-\"; "
				"at most %u",
				LIM_NAME - 1);
	}
	if (instance_named(f->instances, who->tenant->name, name) != NULL) {
		(void)err_set(e, ERR_EXISTS, "there is already an instance \"%s\"", name);
		return err_hint(e, "wasmctl rm %s removes it", name);
	}
	return 0;
}

static bool passes(const struct policy *doc, const char *variable)
{
	size_t len = strcspn(variable, "=");

	for (const char **p = doc->env_pass; p != NULL && *p != NULL; p++)
		if (strlen(*p) == len && strncmp(*p, variable, len) == 0)
			return true;
	return false;
}

/* What the policy does not pass is refused by name, not silently dropped. */
static int check_task(const struct ask *ask, const struct policy *doc, struct err *e)
{
	CLEANUP(free_p) char *shown = NULL;

	if (!doc->args && strv_len((const char *const *)ask->args) > 0) {
		(void)err_set(e, ERR_USAGE, "the policy takes no arguments");
		return err_hint(e, "put \"args\": true into the policy");
	}
	for (size_t i = 0; ask->env != NULL && ask->env[i] != NULL; i++) {
		if (passes(doc, ask->env[i]))
			continue;
		shown = text_escape(ask->env[i], strcspn(ask->env[i], "="));
		(void)err_set(e, ERR_USAGE, "the policy does not pass the variable %.80s",
			      shown != NULL ? shown : "");
		return err_hint(e, "put its name into env.pass of the policy");
	}
	return 0;
}

static int check_module(const struct ask *ask, const struct store_module *m, struct err *e)
{
	if (m->command || ask->reactor)
		return 0;
	(void)err_set(e, ERR_UNLINKABLE, "the module exports no function _start");
	return err_hint(e, "build it as a command (no -mexec-model=reactor), or create it as a "
			   "reactor and call its exports");
}

/* Which secrets the policy asks for, each once. */
static char **secret_names(const struct policy *doc)
{
	const char *const *want = (const char *const *)doc->env_secret;
	char **names = calloc(strv_len(want) + 1, sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; names != NULL && want != NULL && want[i] != NULL; i++) {
		const char *name = strchr(want[i], '=') + 1;
		bool known = false;

		for (size_t k = 0; k < n; k++)
			known |= strcmp(names[k], name) == 0;
		if (!known && (names[n++] = strdup(name)) == NULL)
			return strv_free(names);
	}
	return names;
}

static int fill_spec(const struct ask *ask, const struct store_module *m,
		     const struct policy_ref *policy, struct spec *s, struct err *e)
{
	const char *ref = strncmp(ask->module, "sha256:", 7) == 0 ? "" : ask->module;
	const char *name = policy->doc->name != NULL ? policy->doc->name : "";

	memcpy(s->module, m->digest, DIGEST_BYTES);
	memcpy(s->policy, policy->digest, DIGEST_BYTES);
	s->module_name = strdup(ref);
	s->policy_name = strdup(name);
	s->secret_names = secret_names(policy->doc);
	return s->module_name == NULL || s->policy_name == NULL || s->secret_names == NULL
		       ? err_nomem(e)
		       : 0;
}

/* Puts a checked one in the table and, when it is kept, on record. */
static int enter(struct front *f, const struct who *who, struct ask *ask, struct spec *s,
		 struct policy_ref *policy, struct instance **ret, struct err *e)
{
	struct instance *i;

	s->args = ask->args;
	s->env = ask->env;
	s->restart = ask->restart;
	s->stdin_open = ask->stdin_open;
	s->reactor = ask->reactor;
	ask->args = ask->env = NULL;
	if (instance_new(f->instances, who->tenant, ask->name, s, &i, e) < 0)
		return e->code;
	i->kept = ask->kept;
	i->forget = !ask->kept;
	if (i->kept && (policies_keep(f, policy, ask->policy, e) < 0 || record_put(f, i, e) < 0)) {
		instance_free(f->instances, i);
		return e->code;
	}
	if (i->kept)
		events_put(f->events, i, "created");
	*ret = i;
	return 0;
}

int cmd_create(struct front *f, const struct who *who, struct ask *ask, struct instance **ret,
	       struct err *e)
{
	struct policy_ref *policy = NULL;
	struct spec s = { 0 };
	struct store_module m;

	if (check_name(f, who, ask->name, e) == 0 && instances_count(f->instances) >= RECORDS_MAX)
		(void)err_set(e, ERR_QUOTA, "%u instances are on record, the most there may be",
			      RECORDS_MAX);
	if (e->code == 0 && module_find(f, who->tenant->name, ask->module, &m, e) == 0 &&
	    check_module(ask, &m, e) == 0 &&
	    policies_get(f, who->tenant->name, ask->policy, &policy, e) == 0 &&
	    check_task(ask, policy->doc, e) == 0 && fill_spec(ask, &m, policy, &s, e) == 0)
		(void)enter(f, who, ask, &s, policy, ret, e);
	(void)policy_ref_drop(policy);
	spec_done(&s);
	ask->args = strv_free(ask->args);
	ask->env = strv_free(ask->env);
	return e->code;
}

int cmd_find(struct front *f, const struct who *who, const char *ref, struct instance **ret,
	     struct err *e)
{
	return instance_find(f->instances, who->tenant->name, ref, ret, e);
}

/* ---- starting and ending ------------------------------------------------ */

int cmd_start(struct front *f, struct instance *i, struct launch *how, struct watch *w,
	      struct err *e)
{
	if ((i->state & (INST_CREATED | INST_EXITED)) == 0) {
		(void)err_set(e, ERR_STATE, "instance %s is %s", shown_name(i),
			      inst_state_text(i->state));
		(void)err_hint(e, "only one that was created or has ended can be started");
	} else {
		(void)restart_forget(i);
	}
	if (e->code != 0 || (how->log && i->spec.restart.mode != RESTART_NO &&
			     restart_keep(f, i, how->who, e) < 0)) {
		for (int s = 0; s < 3; s++)
			fd_clear(&how->fd[s]);
		return e->code;
	}
	instance_watch(i, w);
	if (live_start(f, i, how, e) < 0) {
		watch_drop(w);
		(void)restart_forget(i);
	}
	return e->code;
}

static int check_live(const struct instance *i, struct err *e)
{
	if ((i->state & INST_LIVE) != 0)
		return 0;
	if (i->state == INST_CREATED)
		return err_set(e, ERR_STATE, "instance %s was never started", shown_name(i));
	return err_set(e, ERR_STATE, "instance %s has already ended", shown_name(i));
}

int cmd_stop(struct instance *i, unsigned grace_ms, struct watch *w, struct err *e)
{
	if (i->state == INST_EXITED && restart_forget(i))
		return 1;
	if (check_live(i, e) < 0)
		return e->code;
	(void)restart_forget(i); /* also when it ends by itself meanwhile */
	instance_watch(i, w);
	live_stop(i->live, grace_ms);
	return 0;
}

int cmd_kill(struct instance *i, struct watch *w, struct err *e)
{
	if (i->state == INST_EXITED && restart_forget(i))
		return 1;
	if (check_live(i, e) < 0)
		return e->code;
	(void)restart_forget(i);
	instance_watch(i, w);
	live_kill(i->live, CAUSE_KILLED);
	return 0;
}

int cmd_pause(struct instance *i, bool pause, struct err *e)
{
	if (pause && i->state == INST_STARTING)
		live_runs(i->live);
	if (i->state != (pause ? INST_RUNNING : INST_PAUSED))
		return err_set(e, ERR_STATE, "instance %s is %s, not %s", shown_name(i),
			       inst_state_text(i->state), pause ? "running" : "paused");
	live_pause(i->live, pause);
	return 0;
}

int cmd_restart(struct front *f, struct instance *i, const struct who *who, unsigned grace_ms,
		struct watch *w, struct err *e)
{
	if (restart_keep(f, i, who, e) < 0)
		return e->code;
	instance_watch(i, w);
	restart_ask(i);
	if ((i->state & INST_LIVE) != 0)
		live_stop(i->live, grace_ms);
	else
		restart_consider(i);
	return 0;
}

/* ---- forgetting --------------------------------------------------------- */

int cmd_wait(struct instance *i, struct watch *w, struct err *e)
{
	if (i->state == INST_EXITED)
		return 1;
	instance_watch(i, w); /* of one that is created: until it was started and ended */
	return 0;
}

int cmd_remove(struct front *f, struct instance *i, bool force, struct watch *w, struct err *e)
{
	if ((i->state & INST_LIVE) == 0) {
		if (record_drop(f, i, e) < 0)
			return e->code;
		record_dropped(f, i);
		instance_free(f->instances, i);
		return 1;
	}
	if (!force) {
		(void)err_set(e, ERR_STATE, "instance %s is %s", shown_name(i),
			      inst_state_text(i->state));
		return err_hint(e, "kill it first, or remove it with force");
	}
	i->forget = true;
	instance_watch(i, w);
	live_kill(i->live, CAUSE_KILLED);
	return 0;
}

/* Takes them off the record, and marks them. */
static int drop_ended(struct front *f, const char *tenant, struct pruned *ret, struct err *e)
{
	for (struct instance *i = instance_first(f->instances); i != NULL; i = i->next) {
		if (i->state != INST_EXITED || strcmp(i->tenant, tenant) != 0 ||
		    restart_due(i) != 0)
			continue;
		ret->bytes += log_size(f->state, tenant, i->id);
		ret->instances++;
		i->forget = true;
		if (record_drop(f, i, e) < 0)
			return e->code;
	}
	return 0;
}

/* The marked ones leave the table, or come back on record. */
static void leave_or_stay(struct front *f, const char *tenant, bool leave)
{
	struct instance *next;

	for (struct instance *i = instance_first(f->instances); i != NULL; i = next) {
		next = i->next;
		if (i->state != INST_EXITED || !i->forget || strcmp(i->tenant, tenant) != 0)
			continue;
		i->forget = false;
		if (leave) {
			record_dropped(f, i);
			instance_free(f->instances, i);
		} else {
			record_save(f, i);
		}
	}
}

static int prune_instances(struct front *f, const char *tenant, struct pruned *ret, struct err *e)
{
	struct err lost = { 0 };

	if (store_begin(f->store, e) < 0)
		return e->code;
	if (drop_ended(f, tenant, ret, e) < 0)
		(void)!store_commit(f->store, &lost); /* of what was dropped before */
	else
		(void)!store_commit(f->store, e);
	leave_or_stay(f, tenant, e->code == 0);
	return e->code;
}

struct unused {
	struct front *front;
	const char *tenant;
	struct store_module *at;
	size_t n;
};

static int add_unused(void *arg, const struct store_module *m)
{
	struct unused *u = arg;
	struct store_module *p;

	for (struct instance *i = instance_first(u->front->instances); i != NULL; i = i->next)
		if (strcmp(i->tenant, u->tenant) == 0 &&
		    memcmp(i->spec.module, m->digest, DIGEST_BYTES) == 0)
			return 0;
	p = reallocarray(u->at, u->n + 1, sizeof(*p));
	if (p == NULL)
		return -1;
	p[u->n++] = *m;
	u->at = p;
	return 0;
}

static int prune_modules(struct front *f, const char *tenant, struct pruned *ret, struct err *e)
{
	struct unused u = { .front = f, .tenant = tenant };

	if (store_module_each(f->store, tenant, add_unused, &u, e) == 0)
		for (size_t i = 0; i < u.n && module_remove(f, tenant, u.at[i].digest, e) == 0;
		     i++) {
			ret->modules++;
			ret->bytes += (uint64_t)u.at[i].size;
		}
	free(u.at);
	return e->code;
}

int cmd_prune(struct front *f, const struct who *who, bool modules, struct pruned *ret,
	      struct err *e)
{
	*ret = (struct pruned){ 0 };
	if (prune_instances(f, who->tenant->name, ret, e) < 0)
		return e->code;
	return modules ? prune_modules(f, who->tenant->name, ret, e) : 0;
}
