/*
 * Readers of plain values: names, words, booleans, sizes, durations, counts;
 * and of the small objects made of nothing else.
 */
#include <ctype.h>
#include <string.h>

#include "policy/parse.h"
#include "policy/schema.def"
#include "wasmd/limits.h"

struct unit {
	const char *text;
	uint64_t worth;
};

static const struct unit size_units[] = {
	{ "B", 1 },
	{ "KiB", 1ull << 10 },
	{ "MiB", 1ull << 20 },
	{ "GiB", 1ull << 30 },
	{ "TiB", 1ull << 40 },
	{ "kB", 1000 },
	{ "MB", 1000000 },
	{ "GB", 1000000000 },
};

static const struct unit time_units[] = {
	{ "ns", 1 },	     { "us", 1000 },	      { "ms", 1000000 },
	{ "s", 1000000000 }, { "m", 60000000000ull }, { "h", 3600000000000ull },
};

static void *field_of(void *dst, const struct key_row *row)
{
	return (char *)dst + row->field;
}

bool parse_is_name(const char *s)
{
	size_t n = strlen(s);

	for (const char *p = s; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL)
			return false;
	return n > 0 && n <= LIM_NAME;
}

READER(name)
{
	const char **field = field_of(dst, row);

	if (!parse_is_name(json_string_value(v)))
		return parse_found(x, v, at, row->want);
	*field = parse_keep(x, json_string_value(v));
	return *field != NULL ? 0 : x->e->code;
}

READER(bool)
{
	bool *field = field_of(dst, row);

	*field = json_is_true(v);
	return 0;
}

READER(mode)
{
	static const char *const words[] = { "enforce", "complain" };
	bool *complain = field_of(dst, row);
	int word = parse_word(x, v, at, row, words, ARRAY_LEN(words));

	if (word < 0)
		return word;
	*complain = word == 1;
	return 0;
}

READER(default)
{
	static const char *const words[] = { "granted", "deny" };
	struct policy *p = dst;
	int word = parse_word(x, v, at, row, words, ARRAY_LEN(words));

	if (word < 0)
		return word;
	p->default_deny = word == 1;
	p->default_line = scan_find(x->text, x->len, at, true).line;
	return 0;
}

/* ---- numbers ------------------------------------------------------------- */

/* A JSON number that is a count; 5e9 is one. */
static bool count_of(const json_t *v, uint64_t *ret)
{
	double d;

	if (json_is_integer(v)) {
		*ret = (uint64_t)json_integer_value(v);
		return json_integer_value(v) >= 0;
	}
	d = json_is_real(v) ? json_real_value(v) : -1;
	if (!(d >= 0 && d <= 9007199254740992.0))
		return false;
	*ret = (uint64_t)d;
	return (double)*ret == d;
}

/* "64MiB" -> 67108864. Digits, then one of @units; no signs, no spaces. */
static bool quantity_of(const char *s, const struct unit *units, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	if (!isdigit((unsigned char)*s))
		return false;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (unsigned)(*s - '0'), &v))
			return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, units[i].text) == 0)
			return !__builtin_mul_overflow(v, units[i].worth, ret);
	return false;
}

static int store(struct parse *x, const json_t *v, const struct at *at, const struct key_row *row,
		 void *dst, bool ok, uint64_t n)
{
	uint64_t *field = field_of(dst, row);

	if (!ok || n < row->least || n > row->most)
		return parse_found(x, v, at, row->want);
	*field = n;
	return 0;
}

READER(count)
{
	uint64_t n = 0;
	bool ok = count_of(v, &n);

	return store(x, v, at, row, dst, ok, n);
}

READER(size)
{
	uint64_t n = 0;
	bool ok = json_is_string(v)
			  ? quantity_of(json_string_value(v), size_units, ARRAY_LEN(size_units), &n)
			  : count_of(v, &n);

	return store(x, v, at, row, dst, ok, n);
}

READER(duration)
{
	uint64_t n = 0;
	bool ok = quantity_of(json_string_value(v), time_units, ARRAY_LEN(time_units), &n);

	return store(x, v, at, row, dst, ok, n);
}

READER(fuel)
{
	uint64_t *field = field_of(dst, row);

	if (!json_is_string(v))
		return parse_count(x, v, at, row, dst);
	if (strcmp(json_string_value(v), "unmetered") != 0)
		return parse_found(x, v, at, row->want);
	*field = UINT64_MAX;
	return 0;
}

/* ---- objects of plain values --------------------------------------------- */

READER(limits)
{
	static const struct key_row rows[] = { POLICY_KEYS_LIMITS(KEY_ROW, LATER_ROW) };
	struct policy *p = dst;

	return parse_object(x, v, at, rows, ARRAY_LEN(rows), &p->limits);
}

READER(clock)
{
	static const struct key_row rows[] = { POLICY_KEYS_CLOCK(KEY_ROW, LATER_ROW) };

	return parse_object(x, v, at, rows, ARRAY_LEN(rows), dst);
}

READER(isolation)
{
	static const struct key_row rows[] = { POLICY_KEYS_ISOLATION(KEY_ROW, LATER_ROW) };

	return parse_object(x, v, at, rows, ARRAY_LEN(rows), dst);
}

READER(require)
{
#define F(id, text, bit) text,
	static const char *const names[] = { POLICY_FENCES(F) };
#undef F
#define F(id, text, bit) bit,
	static const uint32_t bits[] = { POLICY_FENCES(F) };
#undef F
	static const struct key_row want = {
		.want = "\"seccomp\", \"landlock\", \"namespaces\", \"rlimits\" or \"cgroup\""
	};
	struct policy *p = dst;

	p->require = 0;
	for (size_t i = 0; i < json_array_size(v); i++) {
		struct at in = { .up = at, .index = i };
		int n = parse_word(x, json_array_get(v, i), &in, &want, names, ARRAY_LEN(names));

		if (n < 0)
			return n;
		p->require |= bits[n];
	}
	return 0;
}
