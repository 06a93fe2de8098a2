/* Objects to JSON: see json.h. Reading is in json_read.c. */
#include "daemon/front/json.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "daemon/front/live.h"
#include "daemon/front/restart.h"

json_t *json_text(const char *s)
{
	CLEANUP(free_p) char *clean = NULL;

	if (s == NULL)
		return json_null();
	if (utf8_ok(s, strlen(s)))
		return json_string_nocheck(s);
	clean = text_escape(s, strlen(s));
	return clean != NULL ? json_string_nocheck(clean) : json_null();
}

void json_put_bytes(json_t *o, const char *key, const void *bytes, size_t len)
{
	CLEANUP(free_p) char *shown = text_escape(bytes, len);
	CLEANUP(free_p) char *raw = NULL;
	char name[64];

	json_put(o, key, shown != NULL ? json_string_nocheck(shown) : json_null());
	if (shown != NULL && strlen(shown) == len && memcmp(shown, bytes, len) == 0)
		return;
	raw = text_base64(bytes, len);
	(void)snprintf(name, sizeof(name), "%s_base64", key);
	json_put(o, name, raw != NULL ? json_string_nocheck(raw) : json_null());
}

json_t *json_digest(const uint8_t *digest)
{
	char text[DIGEST_TEXT];

	digest_text(digest, text);
	return json_string_nocheck(text);
}

json_t *json_time(int64_t ns)
{
	char text[TIME_TEXT];

	if (ns == 0)
		return json_null();
	time_text(ns, text);
	return json_string_nocheck(text);
}

static json_t *json_list(char *const *list)
{
	json_t *a = json_array();

	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		json_array_append_new(a, json_text(list[i]));
	return a;
}

json_t *json_error(const struct err *e)
{
	json_t *o = json_object(), *wrap = json_object();

	json_put(o, "code", json_text(err_info(e->code).wire));
	json_put(o, "message", json_text(e->msg));
	if (e->hint[0] != '\0')
		json_put(o, "hint", json_text(e->hint));
	json_put(wrap, "error", o);
	return wrap;
}

static int add_name(void *arg, const char *name)
{
	return json_array_append_new(arg, json_text(name));
}

json_t *json_module(struct front *f, const char *tenant, const struct store_module *m)
{
	json_t *o = json_object(), *names = json_array();
	struct err e = { 0 };

	if (store_name_each(f->store, tenant, m->digest, add_name, names, &e) < 0)
		front_log("names of a module: %s", e.msg);
	json_put(o, "digest", json_digest(m->digest));
	json_put(o, "names", names);
	json_put(o, "size", json_integer(m->size));
	json_put(o, "tenant", json_text(tenant));
	json_put(o, "created", json_time(m->created));
	json_put(o, "functions", json_integer(m->functions));
	json_put(o, "imports", json_integer(m->imports));
	json_put(o, "exports", json_integer(m->exports));
	json_put(o, "memory_pages", json_integer(m->memory_pages));
	json_put(o, "memory_max_pages", json_integer(m->memory_max_pages));
	json_put(o, "command", json_boolean(m->command));
	return o;
}

json_t *json_denial(const struct denial *d)
{
	const char *name = d->err > 0 ? strerrorname_np(d->err) : NULL;
	json_t *o = json_object();

	json_put(o, "call", json_text(d->call));
	json_put(o, "path", json_text(d->path));
	json_put(o, "fd", d->fd >= 0 ? json_integer(d->fd) : json_null());
	json_put(o, "rule", json_text(d->rule));
	json_put(o, "line", d->line != 0 ? json_integer(d->line) : json_null());
	json_put(o, "errno", json_text(name));
	json_put(o, "count", json_integer((json_int_t)d->count));
	json_put(o, "complain", json_boolean(d->complain));
	json_put(o, "allow", json_text(d->allow));
	return o;
}

/* Every field of struct usage, once: written and read from here. */
#define USAGE(F)   \
	F(fuel)    \
	F(cpu_ns)  \
	F(wall_ns) \
	F(memory_peak) F(rss) F(host_calls) F(denied) F(bytes_read) F(bytes_written) F(start_ns)

static json_t *json_usage(const struct usage *u)
{
	json_t *o = json_object();

#define F(name) json_put(o, #name, json_integer((json_int_t)(u->name & INT64_MAX)));
	USAGE(F)
#undef F
	return o;
}

json_t *json_exit(const struct instance *i)
{
	struct cause_info info = cause_info(i->out->cause);
	json_t *o;

	if (i->state != INST_EXITED)
		return json_null();
	o = json_object();
	json_put(o, "cause", json_text(info.wire));
	json_put(o, "status",
		 json_integer(info.status < 0 ? (json_int_t)i->out->status : info.status));
	json_put(o, "message", json_text(i->out->message != NULL ? i->out->message : info.text));
	return o;
}

static json_t *json_denials(const struct outcome *out)
{
	json_t *a = json_array();

	for (size_t n = 0; n < out->n_denials; n++)
		json_array_append_new(a, json_denial(&out->denials[n]));
	return a;
}

static json_t *json_policy(const struct instance *i)
{
	json_t *o = json_object();

	json_put(o, "name", json_text(i->spec.policy_name));
	json_put(o, "digest", json_digest(i->spec.policy));
	json_put(o, "generation", json_integer((json_int_t)i->generation));
	return o;
}

static json_t *json_restart(const struct instance *i)
{
	char text[RESTART_TEXT];

	restart_text(&i->spec.restart, text);
	return json_string_nocheck(text);
}

static bool is_blocked(const struct instance *i)
{
	return i->live != NULL && slot_blocked(&i->live->slot);
}

json_t *json_instance(const struct instance *i)
{
	json_t *o = json_object();

	json_put(o, "id", json_text(i->id));
	json_put(o, "name", i->name[0] != '\0' ? json_text(i->name) : json_null());
	json_put(o, "tenant", json_text(i->tenant));
	json_put(o, "state", json_text(inst_state_text(i->state)));
	json_put(o, "module", json_digest(i->spec.module));
	json_put(o, "module_name",
		 i->spec.module_name[0] != '\0' ? json_text(i->spec.module_name) : json_null());
	json_put(o, "args", json_list(i->spec.args));
	json_put(o, "created", json_time(i->created));
	json_put(o, "started", json_time(i->out->started));
	json_put(o, "finished", json_time(i->out->finished));
	json_put(o, "pid", i->pid != 0 ? json_integer(i->pid) : json_null());
	json_put(o, "policy", json_policy(i));
	json_put(o, "secret_names", json_list(i->spec.secret_names));
	json_put(o, "exit", json_exit(i));
	json_put(o, "usage", json_usage(&i->out->usage));
	json_put(o, "denials", json_denials(i->out));
	json_put(o, "restart", json_restart(i));
	json_put(o, "restarts_at", json_time(restart_due(i)));
	json_put(o, "starts", json_integer((json_int_t)i->starts));
	json_put(o, "outdated",
		 json_boolean(i->live != NULL && i->live->zyg != NULL && i->live->zyg->outdated));
	json_put(o, "blocked", json_boolean(is_blocked(i)));
	return o;
}

static char *dump(json_t *o)
{
	char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text;
}

const char *json_instance_text(struct instance *i)
{
	bool blocked = is_blocked(i);

	if (i->shown == NULL || i->shown_blocked != blocked) {
		instance_changed(i);
		i->shown = dump(json_instance(i));
		i->shown_blocked = blocked;
	}
#ifdef WASMD_FAULTS /* the kept text is what would be said now */
	CLEANUP(free_p) char *fresh = dump(json_instance(i));

	assert(i->live != NULL || i->shown == NULL || fresh == NULL ||
	       strcmp(i->shown, fresh) == 0);
#endif
	return i->shown;
}

void json_put_output(json_t *o, const struct gather *g)
{
	static const char *const plain[] = { "stdout", "stderr" };
	static const char *const coded[] = { "stdout_base64", "stderr_base64" };

	for (int s = 0; s < 2; s++) {
		const char *bytes = g->bytes[s] != NULL ? g->bytes[s] : "";
		CLEANUP(free_p) char *b64 = NULL;

		if (utf8_ok(bytes, g->len[s])) {
			json_put(o, plain[s], json_stringn_nocheck(bytes, g->len[s]));
			continue;
		}
		b64 = text_base64(bytes, g->len[s]);
		json_put(o, coded[s], json_text(b64));
	}
	json_put(o, "truncated", json_boolean(g->truncated));
}

/* ---- what the store keeps ----------------------------------------------- */

char *json_spec_write(const struct instance *i)
{
	json_t *o = json_object();

	json_put(o, "module", json_digest(i->spec.module));
	json_put(o, "module_name", json_text(i->spec.module_name));
	json_put(o, "args", json_list(i->spec.args));
	json_put(o, "env", json_list(i->spec.env));
	json_put(o, "policy", json_digest(i->spec.policy));
	json_put(o, "policy_name", json_text(i->spec.policy_name));
	json_put(o, "secret_names", json_list(i->spec.secret_names));
	json_put(o, "generation", json_integer((json_int_t)i->generation));
	json_put(o, "starts", json_integer((json_int_t)i->starts));
	json_put(o, "restart", json_restart(i));
	json_put(o, "stdin_open", json_boolean(i->spec.stdin_open));
	json_put(o, "reactor", json_boolean(i->spec.reactor));
	return dump(o);
}

char *json_outcome_write(const struct instance *i)
{
	json_t *o = json_object();

	json_put(o, "started", json_integer(i->out->started));
	json_put(o, "finished", json_integer(i->out->finished));
	json_put(o, "cause", json_text(cause_info(i->out->cause).wire));
	json_put(o, "status", json_integer(i->out->status));
	json_put(o, "message", json_text(i->out->message));
	json_put(o, "usage", json_usage(&i->out->usage));
	json_put(o, "denials", json_denials(i->out));
	return dump(o);
}

/* ---- and back ----------------------------------------------------------- */

static const char *get_text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static char *dup_text(const json_t *o, const char *key)
{
	const char *s = get_text(o, key);

	return s != NULL ? strdup(s) : NULL;
}

static int64_t get_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static char **get_list(const json_t *o, const char *key)
{
	const json_t *a = json_object_get(o, key);
	char **v = calloc(json_array_size(a) + 1, sizeof(*v));

	for (size_t i = 0; v != NULL && i < json_array_size(a); i++) {
		const char *s = json_string_value(json_array_get(a, i));

		v[i] = strdup(s != NULL ? s : "");
		if (v[i] == NULL)
			return strv_free(v);
	}
	return v;
}

static int errno_of(const char *name)
{
	for (int n = 1; name != NULL && n < 134; n++) {
		const char *is = strerrorname_np(n);

		if (is != NULL && strcmp(is, name) == 0)
			return n;
	}
	return 0;
}

static void read_denials(const json_t *a, struct outcome *out)
{
	for (size_t i = 0; i < json_array_size(a) && i < INST_DENIALS; i++) {
		const json_t *d = json_array_get(a, i), *fd = json_object_get(d, "fd");

		out->denials[out->n_denials++] = (struct denial){
			.call = dup_text(d, "call"),
			.path = dup_text(d, "path"),
			.rule = dup_text(d, "rule"),
			.allow = dup_text(d, "allow"),
			.fd = json_is_integer(fd) ? json_integer_value(fd) : -1,
			.line = (uint32_t)get_int(d, "line"),
			.err = errno_of(get_text(d, "errno")),
			.complain = json_is_true(json_object_get(d, "complain")),
			.count = (uint64_t)get_int(d, "count"),
		};
	}
}

static enum cause cause_of(const char *wire)
{
	for (unsigned c = 0; wire != NULL && c < CAUSE_COUNT; c++)
		if (strcmp(cause_info((enum cause)c).wire, wire) == 0)
			return (enum cause)c;
	return CAUSE_NONE;
}

static void read_outcome(const json_t *o, struct outcome *out)
{
	const json_t *u = json_object_get(o, "usage");

	out->started = get_int(o, "started");
	out->finished = get_int(o, "finished");
	out->cause = cause_of(get_text(o, "cause"));
	out->status = (uint32_t)get_int(o, "status");
	out->message = dup_text(o, "message");
#define F(name) out->usage.name = (uint64_t)get_int(u, #name);
	USAGE(F)
#undef F
	read_denials(json_object_get(o, "denials"), out);
}

/* Records of older daemons have none of these. */
static void read_manner(const json_t *o, struct spec *s)
{
	const char *restart = get_text(o, "restart");

	if (restart == NULL || !restart_parse(restart, &s->restart))
		s->restart.mode = RESTART_NO;
	s->stdin_open = json_is_true(json_object_get(o, "stdin_open"));
	s->reactor = json_is_true(json_object_get(o, "reactor"));
}

static int read_spec(const json_t *o, struct spec *s, struct err *e)
{
	const char *module = get_text(o, "module"), *policy = get_text(o, "policy");

	if (module == NULL || policy == NULL || !digest_parse(module, s->module) ||
	    !digest_parse(policy, s->policy))
		return err_set(e, ERR_IO, "its digests are damaged");
	s->module_name = dup_text(o, "module_name");
	s->policy_name = dup_text(o, "policy_name");
	s->args = get_list(o, "args");
	s->env = get_list(o, "env");
	s->secret_names = get_list(o, "secret_names");
	read_manner(o, s);
	if (s->module_name == NULL)
		s->module_name = strdup("");
	return s->module_name == NULL || s->args == NULL || s->env == NULL ||
			       s->secret_names == NULL
		       ? err_nomem(e)
		       : 0;
}

int json_instance_read(const struct store_instance *row, struct instance *ret, struct err *e)
{
	json_t *spec = json_loads(row->spec, JSON_REJECT_DUPLICATES, NULL);
	json_t *outcome = json_loads(row->outcome, JSON_REJECT_DUPLICATES, NULL);

	*ret = (struct instance){ .state = inst_state_of(row->state), .created = row->created };
	(void)snprintf(ret->id, sizeof(ret->id), "%s", row->id);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", row->name);
	(void)snprintf(ret->tenant, sizeof(ret->tenant), "%s", row->tenant);
	ret->out = calloc(1, sizeof(*ret->out));
	if (spec == NULL || outcome == NULL || ret->out == NULL)
		(void)err_set(e, ERR_IO, "its JSON is damaged");
	else if (read_spec(spec, &ret->spec, e) == 0) {
		ret->generation = (uint64_t)get_int(spec, "generation");
		ret->starts = (uint64_t)get_int(spec, "starts");
		read_outcome(outcome, ret->out);
	}
	if (e->code != 0) {
		spec_done(&ret->spec);
		ret->out = outcome_free(ret->out);
	}
	json_decref(spec);
	json_decref(outcome);
	return e->code;
}
