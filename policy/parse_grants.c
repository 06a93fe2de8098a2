/*
 * Readers of what is granted: environment variables and mounts.
 */
#include "policy/parse.h"
#include "policy/schema.def"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

/* ---- environment ---------------------------------------------------------- */

READER(env)
{
	static const struct key_row rows[] = { POLICY_KEYS_ENV(KEY_ROW, LATER_ROW) };

	return parse_object(x, v, at, rows, ARRAY_LEN(rows), dst);
}

static bool is_variable(const char *s)
{
	return *s != '\0' && strchr(s, '=') == NULL && strlen(s) <= LIM_POLICY_STRING;
}

static int check_env_count(struct parse *x, const struct at *at, size_t n)
{
	if (n <= LIM_POLICY_ENV)
		return 0;
	return parse_bad(x, at, "%zu variables, at most %u", n, LIM_POLICY_ENV);
}

READER(env_pass)
{
	if (check_env_count(x, at, json_array_size(v)) < 0)
		return x->e->code;
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *name = json_array_get(v, i);
		struct at in = { .up = at, .index = i };
		const char **slot;

		if (!json_is_string(name) || !is_variable(json_string_value(name)))
			return parse_found(x, name, &in, "the name of a variable, without \"=\"");
		slot = VEC_PUSH(&x->own->pass);
		if (slot == NULL)
			return err_nomem(x->e);
		*slot = parse_keep(x, json_string_value(name));
		if (*slot == NULL)
			return x->e->code;
	}
	return 0;
}

static int env_assign(struct parse *x, const char *name, const char *value)
{
	char pair[2 * LIM_POLICY_STRING + 2];
	const char **slot = VEC_PUSH(&x->own->set);

	if (slot == NULL)
		return err_nomem(x->e);
	(void)snprintf(pair, sizeof(pair), "%s=%s", name, value);
	*slot = parse_keep(x, pair);
	return *slot != NULL ? 0 : x->e->code;
}

READER(env_set)
{
	const char *name;
	json_t *value;

	if (check_env_count(x, at, json_object_size(v)) < 0)
		return x->e->code;
	json_object_foreach((json_t *)(uintptr_t)v, name, value)
	{
		struct at in = { .up = at, .key = name };

		if (!is_variable(name))
			return parse_bad(x, &in, "found \"%.40s\", expected the name of a variable",
					 name);
		if (!json_is_string(value) || json_string_length(value) > LIM_POLICY_STRING)
			return parse_found(x, value, &in, "a string of at most 4096 bytes");
		if (env_assign(x, name, json_string_value(value)) < 0)
			return x->e->code;
	}
	return 0;
}

/* ---- mounts ---------------------------------------------------------------- */

/* Is a component of @path exactly @name? */
static bool has_component(const char *path, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = path; (p = strchr(p, '/')) != NULL; p++)
		if (strncmp(p + 1, name, n) == 0 && (p[n + 1] == '/' || p[n + 1] == '\0'))
			return true;
	return false;
}

static bool is_normal(const char *path)
{
	size_t n = strlen(path);

	if (strcmp(path, "/") == 0)
		return true;
	return path[0] == '/' && path[n - 1] != '/' && strstr(path, "//") == NULL &&
	       !has_component(path, ".") && !has_component(path, "..");
}

static int keep_path(struct parse *x, const json_t *v, const struct at *at,
		     const struct key_row *row, void *dst, bool ok)
{
	const char **field = (const char **)(void *)((char *)dst + row->field);

	/* PATH_MAX of Linux counts the NUL. */
	if (!ok || json_string_length(v) >= LIM_PATH_BYTES)
		return parse_found(x, v, at, row->want);
	*field = parse_keep(x, json_string_value(v));
	return *field != NULL ? 0 : x->e->code;
}

READER(host)
{
	const char *s = json_string_value(v);

	return keep_path(x, v, at, row, dst, s[0] == '/' && !has_component(s, ".."));
}

READER(guest)
{
	return keep_path(x, v, at, row, dst, is_normal(json_string_value(v)));
}

READER(access)
{
	static const char *const words[] = { "ro", "rw" };
	struct policy_mount *m = dst;
	int word = parse_word(x, v, at, row, words, ARRAY_LEN(words));

	if (word < 0)
		return word;
	m->write = word == 1;
	return 0;
}

/* Is @a the same as @b, or above it? */
static bool covers(const char *a, const char *b)
{
	size_t n = strlen(a);

	if (strcmp(a, "/") == 0)
		return true;
	return strncmp(a, b, n) == 0 && (b[n] == '/' || b[n] == '\0');
}

static int check_overlap(struct parse *x, const struct at *at, const struct policy_mount *m)
{
	for (size_t i = 0; i < x->own->mounts.len; i++) {
		const struct policy_mount *o = &x->own->mounts.at[i];

		if (o != m && (covers(o->guest, m->guest) || covers(m->guest, o->guest)))
			return parse_bad(x, at,
					 "the guest path \"%.64s\" overlaps \"%.64s\" of line %u: "
					 "give each mount a place of its own",
					 m->guest, o->guest, o->line);
	}
	return 0;
}

static int check_mount(struct parse *x, const struct at *at, const struct policy_mount *m)
{
	if (m->host == NULL && m->tmpfs == 0)
		return parse_bad(x, at,
				 "the mount has no \"host\": say which directory it is, or with "
				 "\"tmpfs\" the size of an empty one");
	if (m->host != NULL && m->tmpfs != 0)
		return parse_bad(x, at, "the mount has both \"host\" and \"tmpfs\": leave one out");
	if (m->guest == NULL)
		return parse_bad(x, at, "the mount has no \"guest\": say where the guest sees it");
	return check_overlap(x, at, m);
}

static int parse_mount(struct parse *x, const json_t *v, const struct at *at, uint32_t line)
{
	static const struct key_row rows[] = { POLICY_KEYS_MOUNT(KEY_ROW, LATER_ROW) };
	struct policy_mount m = { .line = line }, *slot;

	if (!json_is_object(v))
		return parse_found(x, v, at, "an object with \"host\" or \"tmpfs\", and \"guest\"");
	if (parse_object(x, v, at, rows, ARRAY_LEN(rows), &m) < 0)
		return x->e->code;
	if (check_mount(x, at, &m) < 0)
		return x->e->code;
	if (m.tmpfs != 0 && json_object_get(v, "access") == NULL)
		m.write = true; /* one that is only read would stay empty */
	slot = VEC_PUSH(&x->own->mounts);
	if (slot == NULL)
		return err_nomem(x->e);
	*slot = m;
	return 0;
}

READER(mounts)
{
	size_t n = json_array_size(v);
	uint32_t lines[LIM_PREOPENS] = { 0 };

	if (n > LIM_PREOPENS)
		return parse_bad(x, at, "%zu mounts, at most %u", n, LIM_PREOPENS);
	scan_lines(x->text, x->len, at, lines, n);
	for (size_t i = 0; i < n; i++) {
		struct at in = { .up = at, .index = i };

		if (parse_mount(x, json_array_get(v, i), &in, lines[i]) < 0)
			return x->e->code;
	}
	return 0;
}
