/* Instances on record: see record.h. */
#include "daemon/front/record.h"

#include <string.h>

#include "daemon/front/events.h"
#include "daemon/front/json.h"
#include "daemon/front/logs.h"
#include "daemon/front/store.h"
#include "daemon/front/zygotes.h"

#define AGAIN_USEC 1000000u

static int put(struct front *f, const struct instance *i, enum inst_state state, struct err *e)
{
	CLEANUP(free_p) char *spec = json_spec_write(i);
	CLEANUP(free_p) char *outcome = json_outcome_write(i);
	const struct store_instance row = {
		.tenant = i->tenant,
		.id = i->id,
		.name = i->name,
		.spec = spec,
		.outcome = outcome,
		.state = inst_state_text(state),
		.created = i->created,
	};

	if (spec == NULL || outcome == NULL)
		return err_nomem(e);
	return store_instance_put(f->store, &row, e);
}

int record_put(struct front *f, const struct instance *i, struct err *e)
{
	return put(f, i, i->state, e);
}

void record_forget_end(struct front *f, struct instance *i)
{
	if (i->kept && i->end.seq != 0)
		zygotes_forget(f, i->end.zygote, i->end.seq);
	i->end.seq = 0;
}

static int on_unsaved(sd_event_source *source, uint64_t usec, void *arg);

static void try_again(struct front *f)
{
	if (f->unsaved == NULL && !f->ending &&
	    sd_event_add_time_relative(f->loop, &f->unsaved, CLOCK_MONOTONIC, AGAIN_USEC, 1,
				       on_unsaved, f) < 0)
		front_log("what is not recorded is not tried again");
}

static void save(struct front *f, struct instance *i, enum inst_state state)
{
	struct err e = { 0 };

	if (!i->kept)
		return;
	if (put(f, i, state, &e) == 0) {
		i->unsaved = false;
		record_forget_end(f, i);
		return;
	}
	if (!i->unsaved)
		front_log("instance %s is not recorded as %s: %s", i->id, inst_state_text(state),
			  e.msg);
	i->unsaved = true;
	try_again(f);
}

static void save_unsaved(struct front *f)
{
	for (struct instance *i = instance_first(f->instances); i != NULL; i = i->next)
		if (i->unsaved)
			save(f, i, i->state);
}

static int on_unsaved(sd_event_source *source, uint64_t usec, void *arg)
{
	struct front *f = arg;

	f->unsaved = sd_event_source_disable_unref(f->unsaved);
	save_unsaved(f);
	return 0;
}

void records_done(struct front *f)
{
	f->unsaved = sd_event_source_disable_unref(f->unsaved);
	if (f->instances != NULL)
		save_unsaved(f);
}

void record_save(struct front *f, struct instance *i)
{
	save(f, i, i->state);
}

void record_save_ended(struct front *f, struct instance *i)
{
	save(f, i, INST_EXITED);
}

/* The log first: on a full disk it makes the room that the rest needs. */
int record_drop(struct front *f, const struct instance *i, struct err *e)
{
	if (!i->kept)
		return 0;
	log_remove(f->state, i->tenant, i->id);
	if (store_instance_drop(f->store, i->tenant, i->id, e) < 0)
		return err_prefix(e, "the record of instance %s stays", i->id);
	return 0;
}

void record_dropped(struct front *f, struct instance *i)
{
	record_forget_end(f, i);
	if (i->kept)
		events_put(f->events, i, "removed");
}

struct load {
	struct front *front;
	size_t n;
};

static uint32_t tenant_index(const struct front *f, const char *name)
{
	for (size_t t = 0; t < f->config->n_tenants; t++)
		if (strcmp(f->config->tenants[t].name, name) == 0)
			return f->config->tenants[t].index;
	return UINT32_MAX; /* the administrator removed it; nobody can reach it */
}

static int load_row(void *arg, const struct store_instance *row)
{
	struct load *l = arg;
	struct instance *i, from = { 0 };
	struct err e = { 0 };

	if (json_instance_read(row, &from, &e) < 0) {
		front_log("the record of instance %s can't be read: %s", row->id, e.msg);
		return 0;
	}
	from.tenant_index = tenant_index(l->front, from.tenant);
	from.kept = true;
	if ((from.state & INST_LIVE) != 0)
		from.state = INST_RUNNING;
	l->n++;
	return instance_restore(l->front->instances, &from, &i, &e);
}

int records_load(struct front *f, struct err *e)
{
	struct load l = { .front = f };

	return store_instance_each(f->store, load_row, &l, e);
}

void records_settle(struct front *f)
{
	size_t n = 0;

	for (struct instance *i = instance_first(f->instances); i != NULL; i = i->next) {
		if ((i->state & INST_LIVE) == 0 || i->live != NULL)
			continue;
		i->out->cause = CAUSE_LOST;
		i->out->finished = now_real();
		record_save_ended(f, i);
		instance_enter(f->instances, i, INST_EXITED, NULL);
		n++;
	}
	if (n > 0)
		front_log("%zu instances were lost when the daemon ended", n);
}
