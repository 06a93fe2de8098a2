/* What wasmctl prints and what its flags mean: text made harmless, tables
 * aligned, flags that become exactly the policy they stand for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ctl/ctl.h"
#include "wasmd/policy.h"

static void test_escape(void **state)
{
	static const struct {
		const char *in, *line, *lines;
	} rows[] = {
		{ "plain", "plain", "plain" },
		{ "a\nb\tc", "a\\x0ab\\x09c", "a\nb\tc" },
		{ "\x1b[31mred\r", "\\x1b[31mred\\x0d", "\\x1b[31mred\\x0d" },
		{ "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8d", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8d",
		  "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8d" },
		{ "a\xe2\x80\xae"
		  "b",
		  "a\\u{202e}b", "a\\u{202e}b" },
		{ "\xe2\x81\xa6", "\\u{2066}", "\\u{2066}" },
		{ "\xc2\x9b"
		  "31m",
		  "\\u{9b}31m", "\\u{9b}31m" },
		{ "\x7f", "\\x7f", "\\x7f" },
		{ "\xff\xc0\x80", "\\xff\\xc0\\x80", "\\xff\\xc0\\x80" },
		{ "\xed\xa0\x80", "\\u{d800}", "\\u{d800}" },
		{ "\xe2\x80", "\\xe2\\x80", "\\xe2\\x80" },
		{ "\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80", "\\xf5\\x80\\x80\\x80" },
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf", "\\xe0\\x80\\xaf" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *line = text_escape(rows[i].in, TEXT_LINE);
		char *lines = text_escape(rows[i].in, TEXT_LINES);

		assert_string_equal(line, rows[i].line);
		assert_string_equal(lines, rows[i].lines);
		free(line);
		free(lines);
	}
}

/* Whatever the bytes, no control byte and no escape comes out. */
static void test_every_pair(void **state)
{
	(void)state;
	for (unsigned v = 0; v < 65536; v++) {
		char in[3] = { (char)(v >> 8 | (v < 256)), (char)v, 0 };
		char *out = text_escape(in, TEXT_LINE);

		for (const char *p = out; *p != '\0'; p++)
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
		free(out);
	}
}

static void test_cut(void **state)
{
	(void)state;
	assert_int_equal(text_cut("abc", 3), 0);
	assert_int_equal(text_cut("a\xe2", 2), 1);
	assert_int_equal(text_cut("a\xe2\x80", 3), 2);
	assert_int_equal(text_cut("a\xe2\x80\xae", 4), 0);
	assert_int_equal(text_cut("\xf0\x9f\x8c", 3), 3);
	assert_int_equal(text_cut("\x80\x80\x80\x80", 4), 0);
	assert_int_equal(text_cut("\xff", 1), 0);
	assert_int_equal(text_cut("", 0), 0);
}

static void test_table(void **state)
{
	static const char *const heads[] = { "ID", "NAME", "END" };
	struct err e = { 0 };
	struct table *t;
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	(void)state;
	assert_int_equal(table_new(heads, ARRAY_LEN(heads), &t, &e), 0);
	table_add(t, "1");
	table_add(t, "\x1b]0;x\a");
	table_add(t, NULL);
	table_add(t, "12345");
	table_add(t, "m\xc3\xbcll");
	table_add(t, "");
	assert_int_equal(table_print(t, f, &e), 0);
	(void)fclose(f);
	assert_string_equal(out, "ID     NAME          END\n"
				 "1      \\x1b]0;x\\x07  -\n"
				 "12345  m\xc3\xbcll          -\n");
	free(out);
	table_free(t);
}

static void test_numbers(void **state)
{
	char s[32];

	(void)state;
	age_text(-5, s, sizeof(s));
	assert_string_equal(s, "0 s");
	age_text(119, s, sizeof(s));
	assert_string_equal(s, "119 s");
	age_text(7199, s, sizeof(s));
	assert_string_equal(s, "119 min");
	age_text(90000, s, sizeof(s));
	assert_string_equal(s, "25 h");
	age_text(864000, s, sizeof(s));
	assert_string_equal(s, "10 d");
	bytes_text(1023, s, sizeof(s));
	assert_string_equal(s, "1023 B");
	bytes_text(1536, s, sizeof(s));
	assert_string_equal(s, "1.5 KiB");
	bytes_text(64u << 20, s, sizeof(s));
	assert_string_equal(s, "64 MiB");
	nanos_text(1500000000, s, sizeof(s));
	assert_string_equal(s, "1.5 s");
	nanos_text(2000, s, sizeof(s));
	assert_string_equal(s, "2 us");
}

static void test_fuel(void **state)
{
	static const struct {
		const char *text;
		json_int_t v; /* -1: refused */
	} rows[] = {
		{ "5e9", 5000000000 },
		{ "5000000000", 5000000000 },
		{ "1.5e3", 1500 },
		{ "2.50e1", 25 },
		{ "0", 0 },
		{ "0e999", 0 },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", -1 },
		{ "1e18", 1000000000000000000 },
		{ "1e19", -1 },
		{ "1e99999999999999999999", -1 },
		{ "", -1 },
		{ "e9", -1 },
		{ "5e", -1 },
		{ "1.5", -1 },
		{ "1.55e1", -1 },
		{ "-1", -1 },
		{ "5e9x", -1 },
		{ "1..2e9", -1 },
		{ "99999999999999999999", -1 },
		{ ".", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = { 0 };
		json_int_t v = -1;

		if (policy_count("--fuel", rows[i].text, &v, &e) != 0)
			assert_int_equal(e.code, ERR_USAGE);
		if (v != rows[i].v)
			fail_msg("%s became %lld", rows[i].text, (long long)v);
	}
}

static struct policy *policy_of(const struct policy_flags *f)
{
	struct err e = { 0 };
	struct policy *p;
	char *text;

	if (policy_from_flags(f, &text, &e) != 0)
		fail_msg("%s", e.msg);
	assert_int_equal(policy_parse(text, strlen(text), &p, &e), 0);
	free(text);
	return p;
}

static void test_flags(void **state)
{
	const char *mounts[] = { "/srv/in:/in", "/srv/out:/out:rw" }, *envs[] = { "A=B=C", "LANG" };
	struct policy_flags f = { .mounts = { mounts, 2, 2 },
				  .envs = { envs, 2, 2 },
				  .fuel = "5e9",
				  .wall = "10s",
				  .memory = "64MiB",
				  .cpu = "2s",
				  .stack = "512KiB",
				  .disk = "10MiB",
				  .output = "1MiB",
				  .fds = "16",
				  .host_calls = "1e6",
				  .clock_resolution = "1ms",
				  .no_random = true };
	struct policy *p = policy_of(&f);

	(void)state;
	assert_true(p->args && !p->random && !p->default_deny && !p->complain);
	assert_int_equal(p->limits.fuel, 5000000000);
	assert_int_equal(p->limits.wall_ns, 10000000000);
	assert_int_equal(p->limits.cpu_ns, 2000000000);
	assert_int_equal(p->limits.memory, 64 << 20);
	assert_int_equal(p->limits.stack, 512 << 10);
	assert_int_equal(p->limits.disk, 10 << 20);
	assert_int_equal(p->limits.output, 1 << 20);
	assert_int_equal(p->limits.fds, 16);
	assert_int_equal(p->limits.host_calls, 1000000);
	assert_int_equal(p->clock_resolution, 1000000);
	assert_int_equal(p->n_mounts, 2);
	assert_string_equal(p->mounts[0].host, "/srv/in");
	assert_string_equal(p->mounts[0].guest, "/in");
	assert_false(p->mounts[0].write);
	assert_string_equal(p->mounts[1].guest, "/out");
	assert_true(p->mounts[1].write);
	assert_string_equal(p->env_set[0], "A=B=C");
	assert_null(p->env_set[1]);
	assert_string_equal(p->env_pass[0], "LANG");
	assert_null(p->env_pass[1]);
	policy_free(p);
}

/* What no flag says is as the built-in policy has it. */
static void test_defaults(void **state)
{
	struct policy_flags none = { 0 }, wall = { .wall = "123s" };
	struct policy *a = policy_of(&none), *b = policy_of(&wall);

	(void)state;
	assert_int_equal(a->n_mounts, 0);
	assert_int_equal(b->n_mounts, 0);
	assert_int_equal(b->limits.wall_ns, 123000000000);
	b->limits.wall_ns = a->limits.wall_ns;
	assert_memory_equal(&a->limits, &b->limits, sizeof(a->limits));
	policy_free(a);
	policy_free(b);
}

static void test_bad_flags(void **state)
{
	static const struct {
		const char *mount, *env, *memory, *names;
	} rows[] = {
		{ "nothing", NULL, NULL, "-v" },      { ":/in", NULL, NULL, "-v" },
		{ "/a:in", NULL, NULL, "-v" },	      { "/a:/in:rx", NULL, NULL, "-v" },
		{ "/a:/in:ro:", NULL, NULL, "-v" },   { "./not/there:/in", NULL, NULL, "-v" },
		{ "/a:/in/../..", NULL, NULL, "-v" }, { "/a\xff:/in", NULL, NULL, "-v" },
		{ NULL, "=x", NULL, "-e" },	      { NULL, "", NULL, "-e" },
		{ NULL, "A=\xff", NULL, "-e" },	      { NULL, NULL, "64XB", "--memory" },
		{ NULL, NULL, "\xff", "--memory" },   { NULL, NULL, "1B", "--memory" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *mount = rows[i].mount, *env = rows[i].env;
		struct policy_flags f = { .mounts = { &mount, mount != NULL, 1 },
					  .envs = { &env, env != NULL, 1 },
					  .memory = rows[i].memory };
		struct err e = { 0 };
		char *text = NULL;

		if (policy_from_flags(&f, &text, &e) == 0)
			fail_msg("row %zu was taken: %s", i, text);
		if (strncmp(e.msg, rows[i].names, strlen(rows[i].names)) != 0)
			fail_msg("row %zu: %s", i, e.msg);
	}
}

static void test_env(void **state)
{
	static const char text[] = "{\"env\": {\"pass\": [\"WASMD_T1\", \"WASMD_T2\"]}}";
	const char *envs[] = { "WASMD_T1" }, *others[] = { "WASMD_T3" };
	struct policy_flags f = { .envs = { envs, 1, 1 } }, g = { .envs = { others, 1, 1 } };
	struct err e = { 0 };
	json_t *env;

	(void)state;
	assert_int_equal(setenv("WASMD_T1", "one", 1), 0);
	assert_int_equal(setenv("WASMD_T3", "three", 1), 0);
	(void)unsetenv("WASMD_T2");
	assert_int_equal(policy_env(&f, text, sizeof(text) - 1, &env, &e), 0);
	assert_int_equal(json_object_size(env), 1);
	assert_string_equal(json_string_value(json_object_get(env, "WASMD_T1")), "one");
	json_decref(env);
	assert_int_equal(policy_env(&g, text, sizeof(text) - 1, &env, &e), ERR_USAGE);
}

static void test_place(void **state)
{
	struct err e = { 0 }, f = { 0 };

	(void)state;
	err_set(&e, ERR_POLICY, "line 14, column 9, $.rules[0].then: found \"dney\"");
	policy_place("p.json", &e);
	assert_string_equal(e.msg, "p.json:14:9: $.rules[0].then: found \"dney\"");
	err_set(&f, ERR_POLICY, "it is empty");
	policy_place("p.json", &f);
	assert_string_equal(f.msg, "p.json: it is empty");
}

struct opts {
	bool a, b;
	const char *text;
	struct opt_list list;
};

static const struct opt rows[] = {
	{ 'a', OPT_FLAG, "all", NULL, "", offsetof(struct opts, a) },
	{ 'b', OPT_FLAG, "both", NULL, "", offsetof(struct opts, b) },
	{ 't', OPT_TEXT, "text", "T", "", offsetof(struct opts, text) },
	{ 'l', OPT_LIST, "list", "L", "", offsetof(struct opts, list) },
	OPT_END,
};

static int parse(struct opts *o, bool stop, char **argv, char ***rest, int *n)
{
	struct opt_set set = { rows, o };
	struct err e = { 0 };
	int argc = 0;

	while (argv[argc] != NULL)
		argc++;
	return opt_parse(&set, 1, stop, argc, argv, rest, n, &e);
}

#define WORDS(...) ((char *[]){ (char[]){ "verb" }, __VA_ARGS__, NULL })
#define W(s)      \
	(char[])  \
	{         \
		s \
	}

static void test_options(void **state)
{
	struct opts o = { 0 }, p = { 0 }, q = { 0 };
	char **rest;
	int n;

	(void)state;
	assert_int_equal(parse(&o, false,
			       WORDS(W("x"), W("-abtone"), W("--list=1"), W("y"), W("--list"),
				     W("2"), W("-"), W("--"), W("-z")),
			       &rest, &n),
			 0);
	assert_true(o.a && o.b && strcmp(o.text, "one") == 0);
	assert_true(o.list.len == 2 && strcmp(o.list.at[1], "2") == 0);
	assert_int_equal(n, 4);
	assert_string_equal(rest[1], "y");
	assert_string_equal(rest[2], "-");
	assert_string_equal(rest[3], "-z");
	free(o.list.at);
	assert_int_equal(parse(&p, true, WORDS(W("-a"), W("mod"), W("--"), W("-b")), &rest, &n), 0);
	assert_true(p.a && !p.b && n == 3);
	assert_string_equal(rest[1], "--");
	assert_int_equal(parse(&q, false, WORDS(W("--nope")), &rest, &n), ERR_USAGE);
	assert_int_equal(parse(&q, false, WORDS(W("-n")), &rest, &n), ERR_USAGE);
	assert_int_equal(parse(&q, false, WORDS(W("--all=1")), &rest, &n), ERR_USAGE);
	assert_int_equal(parse(&q, false, WORDS(W("--text")), &rest, &n), ERR_USAGE);
	assert_int_equal(parse(&q, false, WORDS(W("-t")), &rest, &n), ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),	  cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_cut),	  cmocka_unit_test(test_table),
		cmocka_unit_test(test_numbers),	  cmocka_unit_test(test_fuel),
		cmocka_unit_test(test_flags),	  cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_bad_flags), cmocka_unit_test(test_env),
		cmocka_unit_test(test_place),	  cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
