/*
 * The document's reader as a library: bounds, defaults, lines, suggestions,
 * explanations. Its sentences are in tests/policy/deny.
 */
#include "test-policy.h"

#include "policy/scan.h"

static void test_defaults(void **state)
{
	struct policy *p = test_parse("{}");

	assert_string_equal(p->name, "unnamed");
	assert_int_equal(p->require, 15);
	assert_false(p->args || p->random || p->complain || p->default_deny);
	assert_null(p->env_pass[0]);
	assert_null(p->env_set[0]);
	assert_int_equal(p->n_mounts + p->n_rules, 0);
	assert_int_equal(p->limits.memory | p->limits.fuel | p->limits.wall_ns, 0);
	assert_null(policy_free(p));
	assert_null(policy_free(NULL));
}

static void test_minimal(void **state)
{
	struct policy *p = test_parse(policy_minimal());

	assert_string_equal(p->name, "minimal");
	assert_true(p->args && p->random);
	assert_int_equal(p->n_mounts, 0);
	assert_int_not_equal(p->limits.memory, 0);
	assert_int_not_equal(p->limits.fuel, 0);
	assert_int_not_equal(p->limits.wall_ns, 0);
	(void)policy_free(p);
}

static void test_values(void **state)
{
	struct policy *p = test_parse(
		"{ \"limits\": { \"memory\": \"64MiB\", \"fuel\": 5e9, \"cpu\": \"100ms\",\n"
		"  \"wall\": \"2m\", \"output\": \"3kB\", \"disk\": 7 },\n"
		"  \"env\": { \"pass\": [\"A\"], \"set\": { \"B\": \"c=d\" } },\n"
		"  \"rules\": [\n"
		"    { \"on\": \"fd_read\", \"then\": \"deny\" },\n\n"
		"    { \"on\": [\"fs.read\", \"fd_seek\"], \"fd\": \"stderr\",\n"
		"      \"then\": { \"errno\": \"nospc\" } } ],\n"
		"  \"default\": \"deny\" }");

	assert_int_equal(p->limits.memory, 64 << 20);
	assert_int_equal(p->limits.fuel, 5000000000);
	assert_int_equal(p->limits.cpu_ns, 100000000);
	assert_int_equal(p->limits.wall_ns, 120000000000);
	assert_int_equal(p->limits.output, 3000);
	assert_int_equal(p->limits.disk, 7);
	assert_string_equal(p->env_pass[0], "A");
	assert_string_equal(p->env_set[0], "B=c=d");
	assert_string_equal(p->rules[0].id, "rule-1");
	assert_int_equal(p->rules[0].line, 5);
	assert_int_equal(p->rules[0].fd, -1);
	assert_int_equal(p->rules[0].deny_errno, EACCES);
	assert_int_equal(p->rules[1].line, 7);
	assert_int_equal(p->rules[1].fd, 2);
	assert_int_equal(p->rules[1].deny_errno, ENOSPC);
	assert_int_equal(p->rules[1].sets, GATE_FS_READ);
	assert_true(p->rules[1].ops == 1ull << GATE_OP_fd_seek);
	assert_int_equal(p->default_line, 9);
	(void)policy_free(p);
}

static void refuse(const char *text, size_t len, int code, const char *sentence)
{
	struct policy *p = NULL;
	struct err e = { 0 };

	assert_int_equal(policy_parse(text, len, &p, &e), code);
	assert_null(p);
	if (strstr(e.msg, sentence) == NULL)
		fail_msg("found \"%s\", expected \"%s\"", e.msg, sentence);
}

/* Each bound: at the limit it passes, one above it is refused by name. */
static void test_bounds(void **state)
{
	char *text = calloc(1, LIM_POLICY_BYTES + 2);
	struct policy *p;

	refuse("", 0, ERR_POLICY, "line 1, column 1");
	refuse("{\"name\": \"a\0b\"}", 15, ERR_POLICY, "line 1");
	refuse("{\"name\": \"\xff\"}", 12, ERR_POLICY, "line 1");
	memset(text, ' ', LIM_POLICY_BYTES + 1);
	memcpy(text, "{}", 2);
	text[LIM_POLICY_BYTES - 1] = '\n';
	refuse(text, LIM_POLICY_BYTES + 1, ERR_LIMIT,
	       "line 2, column 1: the policy has 1048577 bytes, at most 1048576");
	text[LIM_POLICY_BYTES] = '\0';
	(void)policy_free(test_parse(text));
	for (unsigned n = LIM_POLICY_RULES; n <= LIM_POLICY_RULES + 1; n++) {
		size_t at = (size_t)sprintf(text, "{\"rules\":[");

		for (unsigned i = 0; i < n; i++)
			at += (size_t)sprintf(text + at, "%s{\"on\":\"net\",\"then\":\"deny\"}",
					      i != 0 ? "," : "");
		(void)sprintf(text + at, "]}");
		if (n > LIM_POLICY_RULES) {
			refuse(text, strlen(text), ERR_POLICY, "1001 rules, at most 1000");
			continue;
		}
		p = test_parse(text);
		assert_int_equal(p->n_rules, n);
		(void)policy_free(p);
	}
	free(text);
}

/* A document cut at every byte is refused, never misread. */
static void test_cut(void **state)
{
	static const char text[] = "{ \"name\": \"a\\u00e4b\", \"limits\": { \"fds\": 8 },\n"
				   "  \"mounts\": [ { \"host\": \"/a\", \"guest\": \"/b\" } ] }";

	for (size_t n = 0; n < sizeof(text) - 1; n++)
		refuse(text, n, ERR_POLICY, "line ");
}

static void test_scan(void **state)
{
	static const char text[] =
		"{\n  \"a\\\"\\u0062\": [1, {\"x\": \"}]\"},\n 3],\n  \"b\": 4 }";
	const struct at root = { 0 }, a = { .up = &root, .key = "a\"b" },
			two = { .up = &a, .index = 2 }, b = { .up = &root, .key = "b" },
			none = { .up = &b, .key = "c" };
	struct scan_pos pos = scan_find(text, sizeof(text) - 1, &two, false);
	char path[32];
	size_t over = 0;

	assert_int_equal(pos.line, 3);
	assert_int_equal(pos.column, 2);
	pos = scan_find(text, sizeof(text) - 1, &b, true);
	assert_int_equal(pos.line * 100 + pos.column, 403);
	pos = scan_find(text, sizeof(text) - 1, &b, false);
	assert_int_equal(pos.line * 100 + pos.column, 408);
	scan_path(&two, path, sizeof(path));
	assert_string_equal(path, "$.a\"b[2]");
	scan_path(&two, path, 5);
	assert_string_equal(path, "$.a\"");
	assert_int_equal(scan_depth(text, sizeof(text) - 1, 1, &over), 3);
	assert_int_equal(over, 17);
	for (size_t n = 0; n < sizeof(text); n++)
		(void)scan_find(text, n, &none, false); /* stays within its bounds */
}

static void test_nearest(void **state)
{
	static const char *const names[] = { "deny", "allow", "kill" };

	assert_string_equal(policy_nearest("dney", names, 3), "deny");
	assert_string_equal(policy_nearest("alow", names, 3), "allow");
	assert_string_equal(policy_nearest("kill", names, 3), "kill");
	assert_null(policy_nearest("sockets", names, 3));
	assert_null(policy_nearest("", names, 0));
}

static void explain(const struct policy *p, uint32_t rule, const char *call, const char *path,
		    const char *want)
{
	char buf[512], cut[8];

	policy_explain(p, rule, call, path, buf, sizeof(buf));
	assert_string_equal(buf, want);
	policy_explain(p, rule, call, path, cut, sizeof(cut));
	assert_memory_equal(cut, want, sizeof(cut) - 1);
}

static void test_explain(void **state)
{
	struct policy *p =
		test_parse("{ \"rules\": [\n"
			   "  { \"id\": \"no-secrets\", \"on\": \"fs.read\",\n"
			   "    \"path\": \"/in/**\", \"then\": \"deny\" },\n"
			   "  { \"id\": \"allow-x\", \"on\": \"net\", \"then\": \"allow\" } ],\n"
			   "  \"default\": \"deny\" }");
	struct policy *q = test_parse("{ \"default\": \"deny\" }"), *r = test_parse("{}");

	explain(p, 0, "path_open", "/in/secret.txt",
		"put {\"id\": \"allow-secret\", \"on\": \"path_open\", \"path\": "
		"\"/in/secret.txt\", \"then\": \"allow\"} before rule \"no-secrets\" (line 2)");
	explain(p, 0, "path_open", "/in/x*\"\n",
		"put {\"id\": \"allow-x---\", \"on\": \"path_open\", \"path\": "
		"\"/in/x\\\\*\\\"\\u000a\", \"then\": \"allow\"} before rule \"no-secrets\" (line "
		"2)");
	explain(p, POLICY_NO_RULE, "path_open", "/in/x.y",
		"add {\"id\": \"allow-x-2\", \"on\": \"path_open\", \"path\": \"/in/x.y\", "
		"\"then\": \"allow\"} to \"rules\", for the default is \"deny\" (line 5)");
	explain(q, POLICY_NO_RULE, "fd_write", NULL,
		"add \"rules\": [{\"id\": \"allow-fd_write\", \"on\": \"fd_write\", "
		"\"then\": \"allow\"}], for the default is \"deny\" (line 1)");
	explain(r, POLICY_NO_RULE, "random_get", NULL,
		"no rule of the policy denies it: a grant or a limit does");
	(void)policy_free(p);
	(void)policy_free(q);
	(void)policy_free(r);
}

/* What explain suggests does let the call through. */
static void test_explain_works(void **state)
{
	static const char rule[] =
		"{\"id\": \"n\", \"on\": \"*\", \"path\": \"/**\", \"then\": \"deny\"}";
	static const char *const paths[] = { "/in/secret.txt", "/a*b", "/x{y}[z]", "/q\\r", "/\"" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		char text[1024], said[512], *json;
		struct policy *p;
		struct policy_judge *j;
		void *image;
		size_t len;
		struct gate_req q = { .op = GATE_OP_path_open,
				      .obj[0] = { .class = GATE_CLASS_FILE,
						  .path = paths[i],
						  .path_len = (uint32_t)strlen(paths[i]),
						  .sets = GATE_FS_READ } };

		(void)snprintf(text, sizeof(text), "{\"rules\": [%s]}", rule);
		p = test_parse(text);
		policy_explain(p, 0, "path_open", paths[i], said, sizeof(said));
		json = said + strlen("put ");
		*strstr(json, " before rule") = '\0';
		(void)policy_free(p);
		(void)snprintf(text, sizeof(text), "{\"rules\": [%s, %s]}", json, rule);
		p = test_parse(text);
		j = test_judge(p, &image, &len);
		assert_int_equal(policy_judge(j, &q).value, 0);
		q.obj[0].path = "/in/other.txt";
		q.obj[0].path_len = 13;
		assert_int_equal(policy_judge(j, &q).value, -EACCES);
		(void)policy_judge_free(j);
		(void)policy_free(p);
		free(image);
	}
}

/* ---- the policy reference ------------------------------------------------------ */

static char *read_docs(const char *path)
{
	char *text = calloc(1, 1 << 17);
	FILE *f = path != NULL ? fopen(path, "re") : NULL;

	if (f == NULL)
		fail_msg("POLICY_MD names no file");
	assert_non_null(text);
	assert_in_range(fread(text, 1, (1 << 17) - 1, f), 1000, (1 << 17) - 2);
	(void)fclose(f);
	return text;
}

/* Every example of docs/policy.md is a policy that compiles. */
static void test_docs(void **state)
{
	static const char fence[] = "```json\n";
	char *text = read_docs(getenv("POLICY_MD"));
	unsigned n = 0;

	for (char *p = text; (p = strstr(p, fence)) != NULL; n++) {
		char *end = strstr(p += sizeof(fence) - 1, "\n```");
		struct policy *doc;
		struct policy_judge *j;
		void *image;
		size_t len;

		assert_non_null(end);
		*end = '\0';
		doc = test_parse(p);
		j = test_judge(doc, &image, &len);
		(void)policy_judge_free(j);
		(void)policy_free(doc);
		free(image);
		p = end + 1;
	}
	assert_true(n >= 5);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_values),	      cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_cut),	      cmocka_unit_test(test_scan),
		cmocka_unit_test(test_nearest),	      cmocka_unit_test(test_explain),
		cmocka_unit_test(test_explain_works), cmocka_unit_test(test_docs),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
