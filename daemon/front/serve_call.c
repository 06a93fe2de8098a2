/* POST .../call: HTTP and JSON around call.h. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "daemon/front/call.h"
#include "daemon/front/command.h"
#include "daemon/front/http.h"
#include "daemon/front/json.h"

#define HTTP_TRAP     422
#define INTEGER_EXACT (1ll << 53) /* beyond it, JSON's readers round */

struct calling {
	struct request *r;
	struct call_wait wait;
};

/* ---- values ------------------------------------------------------------- */

/* enum vm_type, as struct msg_call_done has it. */
enum { TYPE_F64 = 0x7c, TYPE_F32, TYPE_I64, TYPE_I32 };

static const char *type_text(uint8_t type)
{
	static const char *const names[] = { "f64", "f32", "i64", "i32" };

	return type >= TYPE_F64 && type <= TYPE_I32 ? names[type - TYPE_F64] : "unknown";
}

static json_t *real_json(double v)
{
	if (isnan(v))
		return json_string("nan");
	if (isinf(v))
		return json_string(v < 0 ? "-inf" : "inf");
	return json_real(v);
}

static json_t *value_json(uint8_t type, uint64_t bits)
{
	int64_t whole = type == TYPE_I32 ? (int32_t)(uint32_t)bits : (int64_t)bits;
	uint32_t low = (uint32_t)bits;
	char text[32];
	double d;
	float f;

	if (type == TYPE_F64) {
		memcpy(&d, &bits, sizeof(d));
		return real_json(d);
	}
	if (type == TYPE_F32) {
		memcpy(&f, &low, sizeof(f));
		return real_json((double)f);
	}
	if (whole <= INTEGER_EXACT && whole >= -INTEGER_EXACT)
		return json_integer(whole);
	(void)snprintf(text, sizeof(text), "%lld", (long long)whole);
	return json_string_nocheck(text);
}

static void put_real(double v, uint8_t *type, uint64_t *bits)
{
	*type = CALL_REAL;
	memcpy(bits, &v, sizeof(v));
}

/* "0x10", "-5", "18446744073709551615", "nan". */
static bool text_value(const char *text, uint8_t *type, uint64_t *bits)
{
	char *end = NULL;
	double d;

	errno = 0;
	*type = CALL_INT;
	*bits = text[0] == '-' ? (uint64_t)strtoll(text, &end, 0) : strtoull(text, &end, 0);
	if (text[0] != '\0' && *end == '\0' && errno == 0)
		return true;
	d = strtod(text, &end);
	put_real(d, type, bits);
	return text[0] != '\0' && *end == '\0';
}

static bool read_value(const json_t *v, uint8_t *type, uint64_t *bits)
{
	if (json_is_string(v))
		return text_value(json_string_value(v), type, bits);
	if (json_is_real(v))
		put_real(json_real_value(v), type, bits);
	*bits = json_is_integer(v) ? (uint64_t)json_integer_value(v) : *bits;
	*type = json_is_integer(v) ? CALL_INT : *type;
	return json_is_number(v);
}

/* ---- the body ----------------------------------------------------------- */

static int read_args(const json_t *a, struct msg_call *m, struct err *e)
{
	if (a != NULL && !json_is_array(a))
		return err_set(e, ERR_USAGE, "$.args: expected an array of numbers");
	if (json_array_size(a) > CALL_VALUES)
		return err_set(e, ERR_LIMIT, "$.args has %zu values, at most %u",
			       json_array_size(a), CALL_VALUES);
	m->n_args = (uint32_t)json_array_size(a);
	for (uint32_t i = 0; i < m->n_args; i++)
		if (!read_value(json_array_get(a, i), &m->types[i], &m->args[i]))
			return err_set(e, ERR_USAGE,
				       "$.args[%u]: expected a number, or one as a string", i);
	return 0;
}

static int read_fields(const json_t *doc, struct msg_call *m, struct err *e)
{
	const char *name = json_string_value(json_object_get(doc, "export"));
	size_t known = (name != NULL) + (json_object_get(doc, "args") != NULL);

	if (name == NULL)
		return err_set(e, ERR_USAGE, "$.export is missing: which export shall be called?");
	if (json_object_size(doc) != known) {
		(void)err_set(e, ERR_USAGE, "the body has an unknown field");
		return err_hint(e, "fields are export, args");
	}
	if (strlen(name) >= sizeof(m->name))
		return err_set(e, ERR_LIMIT, "$.export is longer than %zu bytes",
			       sizeof(m->name) - 1);
	(void)snprintf(m->name, sizeof(m->name), "%s", name);
	return read_args(json_object_get(doc, "args"), m, e);
}

static int read_body(const struct request *r, struct msg_call *m, struct err *e)
{
	json_t *doc = json_body_read(r->body, r->body_len, e);

	if (doc != NULL)
		(void)read_fields(doc, m, e);
	json_decref(doc);
	return e->code;
}

/* ---- the answer --------------------------------------------------------- */

static void answer_results(struct request *r, const struct msg_call_done *m)
{
	json_t *o = json_object(), *results = json_array(), *types = json_array();

	for (uint32_t i = 0; i < m->n_results; i++) {
		json_array_append_new(results, value_json(m->types[i], m->results[i]));
		json_array_append_new(types, json_string(type_text(m->types[i])));
	}
	json_put(o, "results", results);
	json_put(o, "types", types);
	answer_json(r, 200, o);
}

static void on_done(struct call_wait *w, const struct msg_call_done *m, const struct err *e)
{
	struct calling *c = (struct calling *)(void *)((char *)w - offsetof(struct calling, wait));
	struct request *r = c->r;
	struct err why = { 0 };

	free(c);
	r->arg = NULL;
	r->gone = NULL;
	if (e != NULL) {
		answer_error(r, e);
	} else if (m->trap == 0) {
		answer_results(r, m);
	} else {
		CLEANUP(free_p) char *shown = text_escape(m->message, strlen(m->message));

		(void)err_set(&why, m->trap == CALL_REFUSED ? ERR_USAGE : ERR_TRAP, "%.300s",
			      shown != NULL ? shown : "");
		answer_json(r, why.code == ERR_TRAP ? HTTP_TRAP : 400, json_error(&why));
	}
}

static void on_gone(struct request *r)
{
	struct calling *c = r->arg;

	r->arg = NULL;
	call_drop(&c->wait);
	free(c);
}

void serve_instance_call(struct request *r)
{
	struct calling *c = calloc(1, sizeof(*c));
	struct msg_call m = { 0 };
	struct instance *i = NULL;
	struct err e = { 0 };

	if (c == NULL)
		(void)err_nomem(&e);
	else
		*c = (struct calling){ .r = r, .wait = { .done = on_done } };
	if (e.code == 0 && cmd_find(r->front, &r->who, r->ref, &i, &e) == 0 &&
	    read_body(r, &m, &e) == 0 && call_send(i, &m, &c->wait, &e) == 0) {
		r->arg = c;
		r->gone = on_gone;
		return;
	}
	free(c);
	answer_error(r, &e);
}
