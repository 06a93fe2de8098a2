/* Instances, their table and states: see instance.h. */
#include "daemon/front/instance.h"

#include <assert.h>
#include <string.h>

#include "daemon/front/restart.h"

#define BUCKETS 4096u

struct instances {
	struct instance *first, *last;
	struct instance *by_id[BUCKETS], *by_name[BUCKETS];
	size_t n, n_live;
	void (*entered)(void *arg, const struct instance *i, enum inst_state was);
	void *entered_arg;
};

/* ---- states ------------------------------------------------------------- */

const char *inst_state_text(enum inst_state s)
{
	switch (s) {
#define S(name, bit, text, to) \
	case INST_##name:      \
		return text;
		INST_STATES(S)
#undef S
	}
	return "exited";
}

enum inst_state inst_state_of(const char *text)
{
#define S(name, bit, t, to)       \
	if (strcmp(text, t) == 0) \
		return INST_##name;
	INST_STATES(S)
#undef S
	return INST_EXITED;
}

bool instance_may(enum inst_state from, enum inst_state to)
{
	unsigned may = 0;

	switch (from) {
#define S(name, bit, text, next) \
	case INST_##name:        \
		may = (next);    \
		break;
		INST_STATES(S)
#undef S
	}
	return (may & (unsigned)to) != 0;
}

/* Fires every watch that waits for the state just entered. A watch that fires
 * may drop others or the instance itself, so the list is read anew each time. */
void instance_tell(struct instance *i, enum inst_state s, const struct err *e)
{
	struct watch *due = NULL, **last = &due;

	for (struct watch **at = &i->watches; *at != NULL;) {
		struct watch *w = *at;

		if ((w->states & (unsigned)s) == 0) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = NULL;
		*last = w;
		last = &w->next;
	}
	while (due != NULL) {
		struct watch *w = due;

		due = w->next;
		w->on = NULL;
		w->fire(w, i, e);
	}
}

void instance_changed(struct instance *i)
{
	free(i->shown);
	i->shown = NULL;
}

void instance_enter(struct instances *t, struct instance *i, enum inst_state next,
		    const struct err *e)
{
	bool was_live = (i->state & INST_LIVE) != 0, is_live = (next & INST_LIVE) != 0;
	enum inst_state was = i->state;

	assert(instance_may(was, next));
	instance_changed(i);
	i->state = next;
	t->n_live = t->n_live + is_live - was_live;
	if (t->entered != NULL)
		t->entered(t->entered_arg, i, was);
	instance_tell(i, next, e);
}

void instances_tell(struct instances *t,
		    void (*entered)(void *arg, const struct instance *i, enum inst_state was),
		    void *arg)
{
	t->entered = entered;
	t->entered_arg = arg;
}

void instance_watch(struct instance *i, struct watch *w)
{
	w->on = i;
	w->next = i->watches;
	i->watches = w;
}

void watch_drop(struct watch *w)
{
	if (w->on == NULL)
		return;
	for (struct watch **at = &w->on->watches; *at != NULL; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	w->on = NULL;
}

/* ---- denials ------------------------------------------------------------ */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_denial(const struct denial *a, const struct denial *b)
{
	return same_text(a->call, b->call) && same_text(a->path, b->path) &&
	       same_text(a->rule, b->rule) && a->err == b->err && a->complain == b->complain &&
	       a->fd == b->fd;
}

static char *copy_text(const char *s)
{
	return s != NULL ? strdup(s) : NULL;
}

/* The kept one that @d repeats or became; NULL when there is no room. */
static struct denial *denial_keep(struct outcome *o, const struct denial *d)
{
	for (size_t i = 0; i < o->n_denials; i++)
		if (same_denial(&o->denials[i], d)) {
			o->denials[i].count += d->count;
			return &o->denials[i];
		}
	if (o->n_denials == INST_DENIALS)
		return NULL;
	o->denials[o->n_denials] = *d;
	o->denials[o->n_denials].call = copy_text(d->call);
	o->denials[o->n_denials].path = copy_text(d->path);
	o->denials[o->n_denials].rule = copy_text(d->rule);
	o->denials[o->n_denials].allow = copy_text(d->allow);
	return &o->denials[o->n_denials++];
}

void instance_denied(struct instance *i, const struct denial *d)
{
	const struct denial *kept = denial_keep(i->out, d);

	instance_changed(i);
	if (kept == NULL || kept->count != d->count)
		return; /* told already, or too many */
	for (struct watch *w = i->watches; w != NULL; w = w->next)
		if (w->denied != NULL)
			w->denied(w, kept);
}

void instance_output(struct instance *i, uint32_t stream, const void *bytes, size_t len)
{
	for (struct watch *w = i->watches; w != NULL; w = w->next)
		if (w->output != NULL)
			w->output(w, stream, bytes, len);
}

bool instance_held(const struct instance *i)
{
	const struct watch *w = i->watches;

	while (w != NULL && !w->holds)
		w = w->next;
	return w != NULL;
}

/* ---- life --------------------------------------------------------------- */

void spec_done(struct spec *s)
{
	free(s->module_name);
	free(s->policy_name);
	s->args = strv_free(s->args);
	s->env = strv_free(s->env);
	s->secret_names = strv_free(s->secret_names);
	s->module_name = s->policy_name = NULL;
}

struct outcome *outcome_free(struct outcome *o)
{
	for (size_t i = 0; o != NULL && i < o->n_denials; i++) {
		free(o->denials[i].call);
		free(o->denials[i].path);
		free(o->denials[i].rule);
		free(o->denials[i].allow);
	}
	if (o != NULL)
		free(o->message);
	free(o);
	return NULL;
}

static unsigned hash(const char *a, const char *b)
{
	unsigned h = 2166136261u;

	for (; *a != '\0'; a++)
		h = (h ^ (uint8_t)*a) * 16777619u;
	for (; *b != '\0'; b++)
		h = (h ^ (uint8_t)*b) * 16777619u;
	return h % BUCKETS;
}

static void table_add(struct instances *t, struct instance *i)
{
	struct instance **id = &t->by_id[hash(i->id, "")];
	struct instance **name = &t->by_name[hash(i->tenant, i->name)];

	i->prev = t->last;
	if (t->last != NULL)
		t->last->next = i;
	else
		t->first = i;
	t->last = i;
	i->next_id = *id;
	*id = i;
	if (i->name[0] != '\0') {
		i->next_name = *name;
		*name = i;
	}
	t->n++;
}

static void table_remove(struct instances *t, struct instance *i)
{
	struct instance **at;

	*(i->prev != NULL ? &i->prev->next : &t->first) = i->next;
	*(i->next != NULL ? &i->next->prev : &t->last) = i->prev;
	for (at = &t->by_id[hash(i->id, "")]; *at != NULL; at = &(*at)->next_id)
		if (*at == i) {
			*at = i->next_id;
			break;
		}
	for (at = &t->by_name[hash(i->tenant, i->name)]; *at != NULL; at = &(*at)->next_name)
		if (*at == i) {
			*at = i->next_name;
			break;
		}
	t->n--;
}

int instances_new(struct front *f, struct err *e)
{
	f->instances = calloc(1, sizeof(*f->instances));
	return f->instances != NULL ? 0 : err_nomem(e);
}

static void free_one(struct instance *i)
{
	(void)restart_forget(i);
	instance_changed(i);
	spec_done(&i->spec);
	(void)outcome_free(i->out);
	free(i);
}

struct instances *instances_free(struct instances *t)
{
	while (t != NULL && t->first != NULL)
		instance_free(t, t->first);
	free(t);
	return NULL;
}

int instance_new(struct instances *t, const struct config_tenant *tenant, const char *name,
		 struct spec *spec, struct instance **ret, struct err *e)
{
	struct instance *i = calloc(1, sizeof(*i));

	if (i != NULL)
		i->out = calloc(1, sizeof(*i->out));
	if (i == NULL || i->out == NULL || id_new(i->id) < 0) {
		if (i != NULL)
			(void)outcome_free(i->out);
		free(i);
		return err_nomem(e);
	}
	(void)snprintf(i->name, sizeof(i->name), "%s", name);
	(void)snprintf(i->tenant, sizeof(i->tenant), "%s", tenant->name);
	i->tenant_index = tenant->index;
	i->state = INST_CREATED;
	i->created = now_real();
	i->generation = 1;
	i->spec = *spec;
	*spec = (struct spec){ 0 };
	table_add(t, i);
	*ret = i;
	return 0;
}

int instance_restore(struct instances *t, const struct instance *from, struct instance **ret,
		     struct err *e)
{
	struct instance *i = malloc(sizeof(*i));

	if (i == NULL)
		return err_nomem(e);
	*i = *from;
	i->next = i->prev = i->next_id = i->next_name = NULL;
	t->n_live += (i->state & INST_LIVE) != 0;
	table_add(t, i);
	*ret = i;
	return 0;
}

void instance_free(struct instances *t, struct instance *i)
{
	const struct err gone = { .code = ERR_NOTFOUND, .msg = "the instance was removed" };

	assert((i->state & INST_LIVE) == 0 && i->live == NULL);
	instance_tell(i, (enum inst_state)(INST_LIVE | INST_CREATED | INST_EXITED), &gone);
	table_remove(t, i);
	free_one(i);
}

/* ---- finding ------------------------------------------------------------ */

struct instance *instance_named(struct instances *t, const char *tenant, const char *name)
{
	struct instance *i = t->by_name[hash(tenant, name)];

	while (i != NULL && (strcmp(i->name, name) != 0 || strcmp(i->tenant, tenant) != 0))
		i = i->next_name;
	return i;
}

static struct instance *by_id(struct instances *t, const char *tenant, const char *id)
{
	struct instance *i = t->by_id[hash(id, "")];

	while (i != NULL && (strcmp(i->id, id) != 0 || strcmp(i->tenant, tenant) != 0))
		i = i->next_id;
	return i;
}

static struct instance *by_prefix(struct instances *t, const char *tenant, const char *ref,
				  unsigned *n)
{
	size_t len = strlen(ref);
	struct instance *found = NULL;

	*n = 0;
	if (len < REF_PREFIX || len >= ID_TEXT - 1 || !hex_ok(ref))
		return NULL;
	for (struct instance *i = t->first; i != NULL; i = i->next)
		if (strncmp(i->id, ref, len) == 0 && strcmp(i->tenant, tenant) == 0) {
			found = i;
			++*n;
		}
	return found;
}

int instance_find(struct instances *t, const char *tenant, const char *ref, struct instance **ret,
		  struct err *e)
{
	CLEANUP(free_p) char *shown = NULL;
	struct instance *i = by_id(t, tenant, ref);
	unsigned n = 0;

	if (i == NULL)
		i = instance_named(t, tenant, ref);
	if (i == NULL)
		i = by_prefix(t, tenant, ref, &n);
	if (n > 1)
		return err_set(e, ERR_USAGE, "%u instances have an id that begins with %s", n, ref);
	if (i == NULL) {
		shown = text_escape(ref, strlen(ref));
		(void)err_set(e, ERR_NOTFOUND, "there is no instance \"%.100s\"",
			      shown != NULL ? shown : "");
		return err_hint(e, "wasmctl ps -a lists them");
	}
	*ret = i;
	return 0;
}

struct instance *instance_first(struct instances *t)
{
	return t->first;
}

size_t instances_count(const struct instances *t)
{
	return t->n;
}

size_t instances_live(const struct instances *t)
{
	return t->n_live;
}
