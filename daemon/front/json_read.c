/* Request bodies: see json.h. */
#include <string.h>

#include "daemon/front/json.h"
#include "daemon/front/restart.h"
#include "wasmd/policy.h"

static const char *const create_fields[] = { "module", "name",	"args",	   "env",
					     "policy", "stdin", "restart", "reactor" };

static int unknown_field(const char *key, struct err *e)
{
	const char *near = policy_nearest(key, create_fields, ARRAY_LEN(create_fields));
	CLEANUP(free_p) char *shown = text_escape(key, strlen(key));

	(void)err_set(e, ERR_USAGE, "unknown field \"%.80s\"", shown != NULL ? shown : "");
	return near != NULL ? err_hint(e, "did you mean \"%s\"?", near)
			    : err_hint(e, "fields are module, name, args, env, policy, stdin, "
					  "restart, reactor");
}

static int check_fields(json_t *doc, struct err *e)
{
	const char *key;
	json_t *value;

	json_object_foreach(doc, key, value)
	{
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(create_fields); i++)
			known |= strcmp(key, create_fields[i]) == 0;
		if (!known)
			return unknown_field(key, e);
	}
	return 0;
}

/* The string at @key, or @otherwise when there is none. */
static const char *read_text(const json_t *doc, const char *key, const char *otherwise,
			     struct err *e)
{
	const json_t *v = json_object_get(doc, key);

	if (v == NULL)
		return otherwise;
	if (!json_is_string(v))
		(void)err_set(e, ERR_USAGE, "$.%s: expected a string", key);
	return json_is_string(v) ? json_string_value(v) : otherwise;
}

static char **read_args(const json_t *doc, struct err *e)
{
	const json_t *a = json_object_get(doc, "args");
	size_t n = json_array_size(a);
	char **v;

	if (a != NULL && !json_is_array(a))
		(void)err_set(e, ERR_USAGE, "$.args: expected an array of strings");
	if (n > LIM_TASK_STRINGS)
		(void)err_set(e, ERR_LIMIT, "$.args has %zu strings, at most %u", n,
			      LIM_TASK_STRINGS);
	v = e->code == 0 ? calloc(n + 1, sizeof(*v)) : NULL;
	for (size_t i = 0; v != NULL && i < n; i++) {
		const json_t *s = json_array_get(a, i);

		if (!json_is_string(s)) {
			(void)err_set(e, ERR_USAGE, "$.args[%zu]: expected a string", i);
			return strv_free(v);
		}
		v[i] = strdup(json_string_value(s));
		if (v[i] == NULL)
			return strv_free(v);
	}
	return v;
}

static char *variable(const char *name, const json_t *value, struct err *e)
{
	CLEANUP(free_p) char *shown = text_escape(name, strlen(name));
	char *s = NULL;

	if (name[0] == '\0' || strchr(name, '=') != NULL)
		(void)err_set(e, ERR_USAGE, "$.env: \"%.80s\" is not a variable's name",
			      shown != NULL ? shown : "");
	else if (!json_is_string(value))
		(void)err_set(e, ERR_USAGE, "$.env.%.80s: expected a string",
			      shown != NULL ? shown : "");
	else if (asprintf(&s, "%s=%s", name, json_string_value(value)) < 0)
		s = NULL;
	return s;
}

static char **read_env(json_t *doc, struct err *e)
{
	json_t *o = json_object_get(doc, "env"), *value;
	size_t n = json_object_size(o), i = 0;
	const char *key;
	char **v;

	if (o != NULL && !json_is_object(o))
		(void)err_set(e, ERR_USAGE, "$.env: expected an object of strings");
	if (n > LIM_TASK_STRINGS)
		(void)err_set(e, ERR_LIMIT, "$.env has %zu variables, at most %u", n,
			      LIM_TASK_STRINGS);
	v = e->code == 0 ? calloc(n + 1, sizeof(*v)) : NULL;
	if (v == NULL)
		return NULL;
	json_object_foreach(o, key, value)
	{
		v[i] = variable(key, value, e);
		if (v[i++] == NULL)
			return strv_free(v);
	}
	return v;
}

/* How it is started and what becomes of it then. */
static void read_manner(struct create_request *r, struct err *e)
{
	const char *in = read_text(r->doc, "stdin", "null", e);
	const char *restart = read_text(r->doc, "restart", "no", e);
	const json_t *reactor = json_object_get(r->doc, "reactor");

	r->stdin_open = strcmp(in, "open") == 0;
	r->reactor = json_is_true(reactor);
	if (!r->stdin_open && strcmp(in, "null") != 0)
		(void)err_set(e, ERR_USAGE, "$.stdin: expected \"null\" or \"open\"");
	if (!restart_parse(restart, &r->restart))
		(void)err_set(e, ERR_USAGE,
			      "$.restart: expected \"no\", \"on-failure\", \"on-failure:N\" with N "
			      "of 1 and more, or \"always\"");
	if (reactor != NULL && !json_is_boolean(reactor))
		(void)err_set(e, ERR_USAGE, "$.reactor: expected true or false");
}

static int read_fields(struct create_request *r, struct err *e)
{

	if (check_fields(r->doc, e) < 0)
		return e->code;
	r->module = read_text(r->doc, "module", NULL, e);
	r->name = read_text(r->doc, "name", "", e);
	r->policy = read_text(r->doc, "policy", NULL, e);
	read_manner(r, e);
	if (e->code == 0 && r->module == NULL)
		return err_set(e, ERR_USAGE, "$.module is missing: which module shall run?");
	if (e->code == 0)
		r->args = read_args(r->doc, e);
	if (e->code == 0 && r->args != NULL)
		r->env = read_env(r->doc, e);
	return e->code == 0 && (r->args == NULL || r->env == NULL) ? err_nomem(e) : e->code;
}

json_t *json_body_read(const char *text, size_t len, struct err *e)
{
	json_error_t where;
	json_t *doc = NULL;

	if (len == 0)
		(void)err_set(e, ERR_USAGE, "the body is empty: expected a JSON object");
	else
		doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	if (doc == NULL && len > 0) {
		CLEANUP(free_p) char *shown = text_escape(where.text, strlen(where.text));

		(void)err_set(e, ERR_USAGE, "line %d, column %d: %s", where.line, where.column,
			      shown != NULL ? shown : "not JSON");
	}
	if (doc != NULL && !json_is_object(doc)) {
		(void)err_set(e, ERR_USAGE, "the body must be a JSON object");
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

int json_create_read(const char *text, size_t len, struct create_request *ret, struct err *e)
{
	struct create_request r = { .doc = json_body_read(text, len, e) };

	if (r.doc == NULL)
		return e->code;
	if (read_fields(&r, e) < 0) {
		create_request_done(&r);
		return e->code;
	}
	*ret = r;
	return 0;
}

void create_request_done(struct create_request *r)
{
	r->args = strv_free(r->args);
	r->env = strv_free(r->env);
	json_decref(r->doc);
	r->doc = NULL;
}
