/*
 * Images: what goes in comes out; damaged ones are refused or harmless; every
 * allocation may fail.
 */
#include "test-policy.h"
#include "wasmd/fault.h"

static const char text[] =
	"{ \"name\": \"t\", \"random\": true, \"clock\": { \"resolution\": \"1ms\" },\n"
	"  \"limits\": { \"memory\": \"64MiB\", \"fuel\": 5e9, \"cpu\": \"2s\" },\n"
	"  \"env\": { \"pass\": [\"LANG\"], \"set\": { \"MODE\": \"prod\" },\n"
	"           \"secret\": { \"KEY\": \"thumb-key\" } },\n"
	"  \"mounts\": [ { \"host\": \"/srv\", \"guest\": \"/in\", \"access\": \"ro\",\n"
	"                \"only\": [\"**/*.[pj]*\", \"x/y\"] },\n"
	"              { \"host\": \"/tmp\", \"guest\": \"/out\", \"access\": \"rw\" } ],\n"
	"  \"rules\": [ { \"id\": \"git\", \"on\": \"fs.write\", \"path\": "
	"\"/out/**/.git{,/**}\",\n"
	"               \"then\": \"deny\" },\n"
	"             { \"on\": \"fd_write\", \"fd\": \"stdout\", \"then\": { \"errno\": \"nospc\" "
	"} },\n"
	"             { \"on\": [\"net\", \"sock_recv\"], \"then\": \"kill\" } ] }\n";

static void test_round_trip(void **state)
{
	struct policy *p = test_parse(text);
	void *image;
	size_t len;
	struct policy_judge *j = test_judge(p, &image, &len);
	struct policy_image_mount in = policy_judge_mount(j, 0), out = policy_judge_mount(j, 1);

	assert_int_equal(policy_judge_n_mounts(j), 2);
	assert_string_equal(in.guest, "/in");
	assert_false(in.write);
	assert_int_equal(in.landlock, 1 << 2 | 1 << 3); /* read a file, read a directory */
	assert_string_equal(out.guest, "/out");
	assert_true(out.write);
	assert_int_equal(out.landlock & (1 | 1 << 6 | 1 << 11 | 1 << 15), 0);
	assert_int_equal(out.landlock & in.landlock, in.landlock);
	assert_int_equal(policy_judge_landlock_handled(j), 0xffff);
	assert_int_equal(policy_judge_limits(j)->memory, 64 << 20);
	assert_int_equal(policy_judge_limits(j)->fuel, 5000000000);
	assert_int_equal(policy_judge_limits(j)->cpu_ns, 2000000000);
	assert_int_equal(policy_judge_limits(j)->wall_ns, 0);
	assert_int_equal(policy_judge_clock_resolution(j), 1000000);
	assert_true(policy_judge_random(j));
	assert_true(policy_judge_paths(j));
	assert_int_equal(policy_judge_require(j), 15);
	assert_int_equal(policy_judge_refused(j),
			 1ull << GATE_OP_sock_accept | 1ull << GATE_OP_sock_recv |
				 1ull << GATE_OP_sock_send | 1ull << GATE_OP_sock_shutdown);
	assert_true(policy_judge_seccomp(j).len > 10);
	(void)policy_judge_free(j);
	(void)policy_free(p);
	free(image);
}

static void test_visible(void **state)
{
	static const struct {
		const char *rel;
		size_t mount;
		bool file, dir;
	} rows[] = {
		{ "a.png", 0, true, true },	 { "a.txt", 0, false, true },
		{ "d/e/a.jpeg", 0, true, true }, { "x/y", 0, true, true },
		{ "x/z", 0, false, true },	 { "", 0, false, true },
		{ "a.txt", 1, true, true },	 { "", 1, true, true },
		{ "a.png", 2, false, false },
	};
	struct policy *p = test_parse(text);
	void *image;
	size_t len;
	struct policy_judge *j = test_judge(p, &image, &len);

	assert_true(policy_judge_only(j));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].rel);

		if (policy_judge_visible(j, rows[i].mount, rows[i].rel, n, false) != rows[i].file ||
		    policy_judge_visible(j, rows[i].mount, rows[i].rel, n, true) != rows[i].dir)
			fail_msg("row %zu, \"%s\"", i, rows[i].rel);
	}
	assert_string_equal(p->env_secret[0], "KEY=thumb-key");
	assert_null(p->env_secret[1]);
	(void)policy_judge_free(j);
	(void)policy_free(p);
	free(image);
}

/* Loads and, if that works, judges a call for each operation. */
static void try_image(const uint8_t *image, size_t len)
{
	struct gate_req q = { .obj[0] = { .class = GATE_CLASS_FILE,
					  .path = "/out/.git/x",
					  .path_len = 11,
					  .sets = GATE_FS_WRITE } };
	struct policy_judge *j = NULL;
	struct err e = { 0 };

	if (policy_load(image, len, &j, &e) < 0) {
		assert_int_not_equal(e.msg[0], '\0');
		return;
	}
	q.obj[1] = q.obj[0];
	for (q.op = 0; q.op <= GATE_OP_COUNT; q.op++) {
		struct policy_verdict v = policy_judge(j, &q);

		assert_true(v.value <= 0 && v.value >= GATE_KILL);
	}
	for (size_t i = 0; i < policy_judge_n_mounts(j); i++)
		assert_true(strlen(policy_judge_mount(j, i).guest) < len);
	for (size_t i = 0; i <= policy_judge_n_mounts(j); i++)
		(void)policy_judge_visible(j, i, "x/a.png", 7, i & 1);
	(void)policy_judge_free(j);
}

static void test_damaged(void **state)
{
	struct policy *p = test_parse(text);
	CLEANUP(free_p) uint8_t *image = NULL;
	void *made;
	size_t len;
	uint64_t seed = 1;

	(void)policy_judge_free(test_judge(p, &made, &len));
	(void)policy_free(p);
	image = made;
	for (size_t n = 0; n < len; n++) {
		CLEANUP(free_p) uint8_t *cut = malloc(n != 0 ? n : 1);
		struct policy_judge *j = NULL;
		struct err e = { 0 };

		memcpy(cut, image, n);
		assert_int_equal(policy_load(cut, n, &j, &e), ERR_POLICY);
	}
	for (size_t k = 0; k < 4000; k++) {
		size_t bit;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		bit = (size_t)(seed >> 20) % (len * 8);
		image[bit / 8] ^= (uint8_t)(1u << bit % 8);
		try_image(image, len);
		image[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	try_image(image, len);
}

/* The head says what it is: magic, version, length, and no flag that is unknown. */
static void test_head(void **state)
{
	struct policy *p = test_parse(text);
	CLEANUP(free_p) uint8_t *image = NULL;
	void *made;
	size_t len;

	(void)policy_judge_free(test_judge(p, &made, &len));
	(void)policy_free(p);
	image = made;
	for (size_t at = 0; at < 20; at++) {
		struct policy_judge *j = NULL;
		struct err e = { 0 };

		image[at] ^= 0x40;
		assert_int_equal(policy_load(image, len, &j, &e), ERR_POLICY);
		assert_non_null(strstr(e.msg, at < 8	? "WASMDPOL"
					      : at < 12 ? "version"
					      : at < 16 ? "length"
							: "head"));
		image[at] ^= 0x40;
	}
}

static void test_bad_base(void **state)
{
	static const char *const strange[] = { "exit_group", "no_such_call", NULL };
	static const char *const unsafe[] = { "execve", NULL };
	struct policy *p = test_parse("{}");
	struct err e = { 0 }, e2 = { 0 };
	void *image = NULL;
	size_t len;

	assert_int_equal(policy_compile(p, strange, &image, &len, &e), ERR_POLICY);
	assert_string_equal(e.msg, "there is no system call no_such_call");
	assert_int_equal(policy_compile(p, unsafe, &image, &len, &e2), ERR_POLICY);
	assert_string_equal(e2.msg, "no worker may make the system call execve");
	(void)policy_free(p);
}

/* A thousand rules on every operation: too long a program is refused, not cut. */
static void test_too_many_rules(void **state)
{
	struct policy_rule *rules = calloc(LIM_POLICY_RULES, sizeof(*rules));
	struct policy p = { .name = "big", .rules = rules, .n_rules = LIM_POLICY_RULES };
	struct err e = { 0 };
	void *image = NULL;
	size_t len;

	for (size_t i = 0; i < p.n_rules; i++)
		rules[i] = (struct policy_rule){ .id = "r",
						 .ops = 1ull << (i % GATE_OP_COUNT),
						 .sets = 0x7ff,
						 .path = "/a",
						 .fd = 3,
						 .then = POLICY_DENY,
						 .deny_errno = EACCES };
	assert_int_equal(policy_compile(&p, test_base, &image, &len, &e), ERR_LIMIT);
	assert_non_null(strstr(e.msg, "more than 65536 instructions"));
	free(rules);
}

static void test_faults(void **state)
{
#ifdef WASMD_FAULTS
	bool done = false;

	for (unsigned n = 0; !done; n++) {
		struct policy_judge *j = NULL;
		struct policy *p = NULL;
		struct err e = { 0 };
		void *image = NULL;
		size_t len = 0;

		wasmd_fault_after = n;
		done = policy_parse(text, strlen(text), &p, &e) == 0 &&
		       policy_compile(p, test_base, &image, &len, &e) == 0 &&
		       policy_load(image, len, &j, &e) == 0;
		wasmd_fault_after = ~0u;
		assert_int_equal(e.code, done ? 0 : ERR_NOMEM);
		(void)policy_judge_free(j);
		(void)policy_free(p);
		free(image);
		assert_true(n < 10000);
	}
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_visible),
		cmocka_unit_test(test_damaged),	       cmocka_unit_test(test_bad_base),
		cmocka_unit_test(test_head),	       cmocka_unit_test(test_faults),
		cmocka_unit_test(test_too_many_rules),
	};

	return cmocka_run_group_tests_name("policy-image", tests, NULL, NULL);
}
