/*
 * JSON text -> struct policy. This file has the frame: bounds before
 * jansson sees the text, the generic object reader, the sentences. The
 * readers of single keys are in the parse_*.c beside it.
 */
#include "policy/parse.h"

#include <stdarg.h>

#include "policy/schema.def"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

#define MOST_KEYS 32u /* of one object of schema.def */

/* ---- sentences ----------------------------------------------------------- */

/* Bytes of the UTF-8 character that begins at @p, or 0: it is none. */
static size_t utf8_len(const unsigned char *p)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if ((p[0] >= 0x80 && p[0] < 0xc2) || p[0] >= 0xf5)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* What the document said may stand in a sentence; control characters and
 * characters that were cut may not. */
static void clean(char *msg)
{
	unsigned char *p = (unsigned char *)msg;

	while (*p != '\0') {
		size_t n = utf8_len(p);

		if (n == 0 || *p < 0x20 || *p == 0x7f) {
			*p = '?';
			n = 1;
		}
		p += n;
	}
}

static int bad_at(struct parse *x, const struct at *at, bool key, const char *why)
{
	struct scan_pos pos = scan_find(x->text, x->len, at, key);
	char path[120];

	scan_path(at, path, sizeof(path));
	(void)err_set(x->e, ERR_POLICY, "line %u, column %u, %s: %s", pos.line, pos.column, path,
		      why);
	clean(x->e->msg);
	return x->e->code;
}

int parse_bad(struct parse *x, const struct at *at, const char *fmt, ...)
{
	char why[240];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return bad_at(x, at, false, why);
}

/* A value in a few words: short values as they stand, others by their type. */
static void describe(const json_t *v, char *buf, size_t size)
{
	static const char *const types[] = { "an object", "an array", "a string", "an integer",
					     "a number",  "true",     "false",	  "null" };

	if (json_is_string(v) && json_string_length(v) <= 48)
		(void)snprintf(buf, size, "\"%s\"", json_string_value(v));
	else if (json_is_integer(v))
		(void)snprintf(buf, size, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		(void)snprintf(buf, size, "%g", json_real_value(v));
	else
		(void)snprintf(buf, size, "%s", types[json_typeof(v)]);
}

int parse_found(struct parse *x, const json_t *v, const struct at *at, const char *want)
{
	char found[64];

	describe(v, found, sizeof(found));
	return parse_bad(x, at, "found %s, expected %s", found, want);
}

int parse_found_name(struct parse *x, const json_t *v, const struct at *at, const char *want,
		     const char *const *names, size_t n)
{
	const char *near = json_is_string(v) ? policy_nearest(json_string_value(v), names, n)
					     : NULL;
	char found[64];

	if (near == NULL)
		return parse_found(x, v, at, want);
	describe(v, found, sizeof(found));
	return parse_bad(x, at, "found %s, expected %s: did you mean \"%s\"?", found, want, near);
}

/* ---- the generic object -------------------------------------------------- */

static int unknown_key(struct parse *x, const struct at *at, const struct key_row *rows, size_t n)
{
	const char *names[MOST_KEYS] = { 0 }, *near;
	char why[240], key[49];

	for (size_t i = 0; i < n; i++)
		names[i] = rows[i].name;
	near = policy_nearest(at->key, names, n);
	(void)snprintf(key, sizeof(key), "%s", at->key);
	if (near != NULL)
		(void)snprintf(why, sizeof(why), "unknown key \"%s\": did you mean \"%s\"?", key,
			       near);
	else
		(void)snprintf(why, sizeof(why), "unknown key \"%s\", expected one of: ", key);
	for (size_t i = 0, at_n = strlen(why); near == NULL && i < n && at_n < sizeof(why); i++)
		at_n += (size_t)snprintf(why + at_n, sizeof(why) - at_n, "%s%s", i == 0 ? "" : ", ",
					 names[i]);
	return bad_at(x, at, true, why);
}

static unsigned type_bit(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return OBJ;
	case JSON_ARRAY:
		return ARR;
	case JSON_STRING:
		return STR;
	case JSON_INTEGER:
	case JSON_REAL:
		return NUM;
	case JSON_TRUE:
	case JSON_FALSE:
		return BOOL;
	default:
		return 0;
	}
}

static int parse_member(struct parse *x, const json_t *v, const struct at *at,
			const struct key_row *rows, size_t n, void *dst)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].name, at->key) != 0)
			continue;
		if (rows[i].fn == NULL)
			return bad_at(x, at, true,
				      "this key is known, but not supported by this version");
		if (!(type_bit(v) & rows[i].types))
			return parse_found(x, v, at, rows[i].want);
		if (json_is_string(v) && json_string_length(v) > LIM_POLICY_STRING)
			return parse_bad(x, at, "a string of %zu bytes, at most %u",
					 json_string_length(v), LIM_POLICY_STRING);
		return rows[i].fn(x, v, at, &rows[i], dst);
	}
	return unknown_key(x, at, rows, n);
}

int parse_object(struct parse *x, const json_t *v, const struct at *at, const struct key_row *rows,
		 size_t n, void *dst)
{
	const char *key;
	json_t *member;

	/* jansson's macro iterates without changing, its type cannot say so. */
	json_object_foreach((json_t *)(uintptr_t)v, key, member)
	{
		struct at in = { .up = at, .key = key };

		if (parse_member(x, member, &in, rows, n, dst) < 0)
			return x->e->code;
	}
	return 0;
}

const char *parse_keep(struct parse *x, const char *s)
{
	size_t n = strlen(s) + 1;
	char **slot = VEC_PUSH(&x->own->strings);

	if (slot == NULL || (*slot = mem_new(1, n)) == NULL) {
		(void)err_nomem(x->e);
		return NULL;
	}
	memcpy(*slot, s, n);
	return *slot;
}

int parse_word(struct parse *x, const json_t *v, const struct at *at, const struct key_row *row,
	       const char *const *names, size_t n)
{
	for (size_t i = 0; json_is_string(v) && i < n; i++)
		if (strcmp(json_string_value(v), names[i]) == 0)
			return (int)i;
	return parse_found_name(x, v, at, row->want, names, n);
}

/* ---- the document -------------------------------------------------------- */

static const struct key_row top_rows[] = { POLICY_KEYS_TOP(KEY_ROW, LATER_ROW) };
_Static_assert(ARRAY_LEN(top_rows) <= MOST_KEYS, "unknown_key() lists them all");

static int json_failed(struct parse *x, const json_error_t *je)
{
	struct scan_pos pos;
	char path[120];
	bool duplicate;

	if (json_error_code(je) == json_error_out_of_memory)
		return err_nomem(x->e);
	duplicate = json_error_code(je) == json_error_duplicate_key;
	pos = scan_stop(x->text, x->len, je->position > 0 ? (size_t)je->position : 0, path,
			sizeof(path));
	if (!duplicate) {
		pos.line = je->line > 0 ? (uint32_t)je->line : 1;
		pos.column = je->column > 0 ? (uint32_t)je->column : 1;
	}
	(void)err_set(x->e, ERR_POLICY, "line %u, column %u, %s: %s", pos.line, pos.column, path,
		      duplicate ? "this key stands here twice" : je->text);
	clean(x->e->msg);
	return x->e->code;
}

/* "line 3, column 9: the policy nests 17 deep, at most 16": where it was passed. */
static int past_bound(const char *text, size_t at, const char *what, unsigned most, struct err *e)
{
	struct scan_pos pos = scan_place(text, at);

	return err_set(e, ERR_LIMIT, "line %u, column %u: the policy %s, at most %u", pos.line,
		       pos.column, what, most);
}

static int check_bounds(const char *text, size_t len, struct err *e)
{
	size_t depth, over = 0;
	char what[48];

	if (len > LIM_POLICY_BYTES) {
		(void)snprintf(what, sizeof(what), "has %zu bytes", len);
		return past_bound(text, LIM_POLICY_BYTES, what, LIM_POLICY_BYTES, e);
	}
	depth = scan_depth(text, len, LIM_POLICY_DEPTH, &over);
	if (depth > LIM_POLICY_DEPTH) {
		(void)snprintf(what, sizeof(what), "nests %zu deep", depth);
		return past_bound(text, over, what, LIM_POLICY_DEPTH, e);
	}
	return 0;
}

static void owned_done(struct owned *o)
{
	for (size_t i = 0; i < o->strings.len; i++)
		free(o->strings.at[i]);
	VEC_DONE(&o->strings);
	VEC_DONE(&o->mounts);
	VEC_DONE(&o->rules);
	VEC_DONE(&o->pass);
	VEC_DONE(&o->set);
	VEC_DONE(&o->secret);
	VEC_DONE(&o->only);
	free(o);
}

struct policy *policy_free(struct policy *p)
{
	if (p != NULL)
		owned_done((struct owned *)p);
	return NULL;
}

static int defaults(struct parse *x)
{
	struct policy *p = &x->own->p;

	p->require = POLICY_FENCE_SECCOMP | POLICY_FENCE_LANDLOCK | POLICY_FENCE_NAMESPACES |
		     POLICY_FENCE_RLIMITS;
	p->name = parse_keep(x, "unnamed");
	return p->name != NULL ? 0 : x->e->code;
}

/* Publishes the vectors; the lists of names end in NULL. */
static int publish(struct parse *x)
{
	struct owned *o = x->own;
	size_t only = 0;

	if (VEC_PUSH(&o->pass) == NULL || VEC_PUSH(&o->set) == NULL || VEC_PUSH(&o->secret) == NULL)
		return err_nomem(x->e);
	o->p.env_pass = o->pass.at;
	o->p.env_set = o->set.at;
	o->p.env_secret = o->secret.at;
	for (size_t i = 0; i < o->mounts.len; only += o->mounts.at[i++].n_only)
		o->mounts.at[i].only = o->only.at != NULL ? o->only.at + only : NULL;
	o->p.mounts = o->mounts.at;
	o->p.n_mounts = o->mounts.len;
	o->p.rules = o->rules.at;
	o->p.n_rules = o->rules.len;
	return 0;
}

static int parse_root(struct parse *x, const json_t *root)
{
	const struct at at = { 0 };

	if (!json_is_object(root))
		return parse_found(x, root, &at, "an object");
	if (defaults(x) < 0 ||
	    parse_object(x, root, &at, top_rows, ARRAY_LEN(top_rows), &x->own->p) < 0)
		return x->e->code;
	return publish(x);
}

int policy_parse(const char *text, size_t len, struct policy **ret, struct err *e)
{
	struct parse x = { .text = text, .len = len, .e = e };
	json_error_t je;
	json_t *root;

	if (check_bounds(text, len, e) < 0)
		return e->code;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	if (root == NULL)
		return json_failed(&x, &je);
	x.own = mem_new(1, sizeof(*x.own));
	if (x.own == NULL)
		(void)err_nomem(e);
	else if (parse_root(&x, root) < 0)
		owned_done(x.own);
	json_decref(root);
	if (e->code != 0)
		return e->code;
	*ret = &x.own->p;
	return 0;
}
