/*
 * The canonical form of a policy's text: keys in the order of schema.def, two
 * blanks to a level, a value on one line where it fits. What it says stays
 * the same, word for word; only numbers written as 5e9 are written out.
 */
#include <jansson.h>

#include "policy/schema.def"
#include "wasmd/fault.h"
#include "wasmd/limits.h"
#include "wasmd/policy.h"

#define COLUMNS 96u

struct shape {
	const char *const *keys; /* in their order; others follow as they stood */
	size_t n;
};

#define KEY_NAME(name, ...) #name,
#define LATER_NAME(name)    #name,
#define SHAPE(id, KEYS)                                                        \
	static const char *const id##_keys[] = { KEYS(KEY_NAME, LATER_NAME) }; \
	static const struct shape id##_shape = { id##_keys, ARRAY_LEN(id##_keys) };

SHAPE(top, POLICY_KEYS_TOP)
SHAPE(isolation, POLICY_KEYS_ISOLATION)
SHAPE(limits, POLICY_KEYS_LIMITS)
SHAPE(env, POLICY_KEYS_ENV)
SHAPE(clock, POLICY_KEYS_CLOCK)
SHAPE(mount, POLICY_KEYS_MOUNT)
SHAPE(rule, POLICY_KEYS_RULE)
SHAPE(then, POLICY_KEYS_THEN)
static const struct shape any_shape = { NULL, 0 };

/* What stands under @key of an object of shape @s, or in an array there. */
static const struct shape *shape_below(const struct shape *s, const char *key)
{
	static const struct {
		const struct shape *in;
		const char *key;
		const struct shape *is;
	} rows[] = {
		{ &top_shape, "isolation", &isolation_shape },
		{ &top_shape, "limits", &limits_shape },
		{ &top_shape, "env", &env_shape },
		{ &top_shape, "clock", &clock_shape },
		{ &top_shape, "mounts", &mount_shape },
		{ &top_shape, "rules", &rule_shape },
		{ &rule_shape, "then", &then_shape },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].in == s && strcmp(rows[i].key, key) == 0)
			return rows[i].is;
	return &any_shape;
}

struct format {
	FILE *out;
	bool failed;
};

/* Values are printed twice: flat, to see whether they fit, and as they go out. */
static void put(struct format *f, const json_t *v, const struct shape *s, size_t indent,
		size_t column, bool flat);

static void put_scalar(struct format *f, const json_t *v)
{
	CLEANUP(free_p) char *text = NULL;

	if (json_is_real(v)) {
		(void)fprintf(f->out, "%.0f", json_real_value(v)); /* the parser took it: whole */
		return;
	}
	text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	f->failed |= text == NULL;
	(void)fputs(text != NULL ? text : "", f->out);
}

static char *flat_text(struct format *f, const json_t *v, const struct shape *s)
{
	char *text = NULL;
	size_t size;
	struct format g = { .out = open_memstream(&text, &size) };

	if (g.out != NULL)
		put(&g, v, s, 0, 0, true);
	if (g.out == NULL || fclose(g.out) != 0 || g.failed) {
		f->failed = true;
		free(text);
		return NULL;
	}
	return text;
}

/* Does it fit behind @column, a comma included? */
static bool fits(struct format *f, const json_t *v, const struct shape *s, size_t column)
{
	CLEANUP(free_p) char *text = flat_text(f, v, s);

	return text == NULL || column + strlen(text) < COLUMNS;
}

static void line(struct format *f, size_t indent, bool flat)
{
	if (flat)
		(void)fputc(' ', f->out);
	else
		(void)fprintf(f->out, "\n%*s", (int)indent, "");
}

static void put_key(struct format *f, const char *key, const json_t *v, const struct shape *s,
		    size_t indent, bool flat)
{
	json_t *name = json_string(key);
	char *text = name != NULL ? json_dumps(name, JSON_ENCODE_ANY) : NULL;

	f->failed |= text == NULL;
	(void)fprintf(f->out, "%s: ", text != NULL ? text : "");
	put(f, v, shape_below(s, key), indent, indent + (text != NULL ? strlen(text) : 0) + 2,
	    flat);
	free(text);
	json_decref(name);
}

static bool in_shape(const struct shape *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->keys[i], key) == 0)
			return true;
	return false;
}

static void put_object(struct format *f, const json_t *v, const struct shape *s, size_t indent,
		       bool flat)
{
	size_t n = 0;
	const char *key;
	json_t *member;

	(void)fputc('{', f->out);
	for (size_t i = 0; i < s->n; i++) {
		member = json_object_get(v, s->keys[i]);
		if (member == NULL)
			continue;
		(void)fputs(n++ > 0 ? "," : "", f->out);
		line(f, indent + 2, flat);
		put_key(f, s->keys[i], member, s, indent + 2, flat);
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, member)
	{
		if (in_shape(s, key))
			continue;
		(void)fputs(n++ > 0 ? "," : "", f->out);
		line(f, indent + 2, flat);
		put_key(f, key, member, s, indent + 2, flat);
	}
	if (n > 0)
		line(f, indent, flat);
	(void)fputc('}', f->out);
}

static void put_array(struct format *f, const json_t *v, const struct shape *s, size_t indent,
		      bool flat)
{
	(void)fputc('[', f->out);
	for (size_t i = 0; i < json_array_size(v); i++) {
		(void)fputs(i > 0 ? "," : "", f->out);
		if (!flat)
			line(f, indent + 2, false);
		else if (i > 0)
			(void)fputc(' ', f->out);
		put(f, json_array_get(v, i), s, indent + 2, indent + 2, flat);
	}
	if (!flat && json_array_size(v) > 0)
		line(f, indent, false);
	(void)fputc(']', f->out);
}

/* The document, its mounts and its rules have a line for each of theirs. */
static bool always_broken(const json_t *v, const struct shape *s)
{
	return s == &top_shape || (json_is_array(v) && json_array_size(v) > 0 &&
				   (s == &mount_shape || s == &rule_shape));
}

static void put(struct format *f, const json_t *v, const struct shape *s, size_t indent,
		size_t column, bool flat)
{
	if (!flat)
		flat = !always_broken(v, s) && fits(f, v, s, column);
	if (json_is_object(v))
		put_object(f, v, s, indent, flat);
	else if (json_is_array(v))
		put_array(f, v, s, indent, flat);
	else
		put_scalar(f, v);
}

int policy_format(const char *text, size_t len, char **ret, struct err *e)
{
	struct policy *p = NULL;
	struct format f = { 0 };
	json_t *v;
	size_t size;
	char *out = NULL;

	if (policy_parse(text, len, &p, e) != 0)
		return e->code;
	(void)policy_free(p);
	v = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	f.out = v != NULL ? open_memstream(&out, &size) : NULL;
	if (f.out != NULL) {
		put(&f, v, &top_shape, 0, 0, false);
		(void)fputc('\n', f.out);
	}
	json_decref(v);
	if (f.out == NULL || fclose(f.out) != 0 || f.failed) {
		free(out);
		return err_nomem(e);
	}
	*ret = out;
	return 0;
}
