/* Requests about modules and about the daemon: HTTP and JSON around commands. */
#include <string.h>

#include "daemon/front/http.h"
#include "daemon/front/json.h"
#include "daemon/front/zygotes.h"
#include "wasmd/policy.h"

/* ---- the daemon --------------------------------------------------------- */

static json_t *json_fences(const struct msg_priv_fences *m)
{
	json_t *o = json_object(), *stand = json_array();

#define F(id, text, bit)             \
	if ((m->stand & (bit)) != 0) \
		json_array_append_new(stand, json_text(text));
	POLICY_FENCES(F)
#undef F
	json_put(o, "stand", stand);
	json_put(o, "missing", json_text(m->missing));
	json_put(o, "landlock_abi", json_integer(m->landlock_abi));
	return o;
}

static json_t *json_features(void)
{
	static const char *const features[] = { "run",	  "stdio-upgrade", "logs",  "audit",
						"pause",  "restart",	   "prune", "events",
						"attach", "call" };
	json_t *a = json_array();

	for (size_t i = 0; i < ARRAY_LEN(features); i++)
		json_array_append_new(a, json_text(features[i]));
	return a;
}

/* What the tenant's modules may cost to load, and have cost. */
static json_t *json_compile(const struct front *f, const struct config_tenant *t)
{
	struct loading l = zygotes_loading(f, t->name);
	json_t *o = json_object(), *limits = json_object();

	json_put(limits, "cpu_ns", json_integer(t->compile.cpu_s * (json_int_t)1000000000));
	json_put(limits, "wall_ns", json_integer(t->compile.wall_s * (json_int_t)1000000000));
	json_put(limits, "memory", json_integer((json_int_t)t->compile.mib << 20));
	json_put(limits, "at_once", json_integer(t->compile.at_once));
	json_put(o, "limits", limits);
	json_put(o, "now", json_integer((json_int_t)l.now));
	json_put(o, "loads", json_integer((json_int_t)l.loads));
	json_put(o, "refused", json_integer((json_int_t)l.refused));
	json_put(o, "cpu_ns", json_integer((json_int_t)(l.cpu_ns & INT64_MAX)));
	return o;
}

void serve_info(struct request *r)
{
	const char *tenant = r->who.tenant->name;
	json_t *o = json_object();
	json_int_t n = 0;

	for (struct instance *i = instance_first(r->front->instances); i != NULL; i = i->next)
		n += (i->state & INST_LIVE) != 0 && strcmp(i->tenant, tenant) == 0;
	json_put(o, "version", json_text(WASMD_VERSION));
	json_put(o, "api", json_integer(WASMD_API_VERSION));
	json_put(o, "build", json_text(WASMD_BUILD));
	json_put(o, "features", json_features());
	json_put(o, "fences", json_fences(&r->front->fences));
	json_put(o, "privileged", json_boolean(r->front->fences.privileged));
	json_put(o, "tenant", json_text(tenant));
	json_put(o, "instances", json_integer(n));
	json_put(o, "modules", json_integer(store_module_count(r->front->store, tenant)));
	json_put(o, "compile", json_compile(r->front, r->who.tenant));
	answer_json(r, 200, o);
}

/* ---- modules ------------------------------------------------------------ */

static void on_loaded(void *arg, const struct store_module *m, const struct err *e)
{
	struct request *r = arg;

	if (e != NULL)
		answer_error(r, e);
	else
		answer_json(r, 201, json_module(r->front, r->who.tenant->name, m));
}

void serve_module_load(struct request *r)
{
	const char *name = request_query(r, "name");
	struct err e = { 0 };

	if (name != NULL && !name_ok(name)) {
		(void)err_set(&e, ERR_USAGE, "?name= is not a name");
		(void)err_hint(&e,
			       "a letter or digit, then letters, digits, \"_\", \".\" and "
			       "\"-\"; at most %u",
			       LIM_NAME - 1);
		answer_error(r, &e);
		return;
	}
	if (upload_finish(r->upload, &r->who, name != NULL ? name : "", on_loaded, r, &e) < 0)
		answer_error(r, &e);
}

struct listing {
	struct request *r;
	json_t *a;
};

static int list_module(void *arg, const struct store_module *m)
{
	struct listing *l = arg;

	return json_array_append_new(l->a, json_module(l->r->front, l->r->who.tenant->name, m));
}

void serve_module_list(struct request *r)
{
	struct listing l = { r, json_array() };
	json_t *o = json_object();
	struct err e = { 0 };
	int n = store_module_each(r->front->store, r->who.tenant->name, list_module, &l, &e);

	json_put(o, "modules", l.a);
	json_put(o, "next", json_null());
	if (n == 0) {
		answer_json(r, 200, o);
		return;
	}
	json_decref(o);
	answer_error(r, &e);
}

void serve_module_show(struct request *r)
{
	struct store_module m;
	struct err e = { 0 };

	if (module_find(r->front, r->who.tenant->name, r->ref, &m, &e) < 0)
		answer_error(r, &e);
	else
		answer_json(r, 200, json_module(r->front, r->who.tenant->name, &m));
}

void serve_module_remove(struct request *r)
{
	const char *tenant = r->who.tenant->name;
	struct store_module m;
	struct err e = { 0 };

	if (module_find(r->front, tenant, r->ref, &m, &e) < 0 ||
	    module_remove(r->front, tenant, m.digest, &e) < 0)
		answer_error(r, &e);
	else
		answer_empty(r, 204);
}
