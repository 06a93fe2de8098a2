/* The store and the audit file: what is put comes back after reopening. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "daemon/front/audit.h"
#include "daemon/front/instance.h"
#include "daemon/front/live.h"
#include "daemon/front/store.h"
#include "wasmd/gate.h"

static char dir[64], file[96];

void front_log(const char *fmt, ...)
{
}

static int set_up(void **state)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/wasmd-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(file, sizeof(file), "%s/db", dir);
	return 0;
}

static int tear_down(void **state)
{
	char cmd[96];

	(void)snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}

static struct store *reopen(struct store *s)
{
	struct err e = { 0 };

	(void)store_close(s);
	assert_int_equal(store_open(file, &s, &e), 0);
	return s;
}

static int count_row(void *arg, const struct store_module *m)
{
	++*(int *)arg;
	return 0;
}

static void modules(void **state)
{
	struct store_module m = { .size = 10, .created = 5, .functions = 3, .command = true }, got;
	struct store *s = reopen(NULL);
	uint8_t digest[DIGEST_BYTES];
	struct err e = { 0 };
	int n = 0;

	memset(m.digest, 0xab, sizeof(m.digest));
	assert_int_equal(store_module_put(s, "alice", &m, &e), 0);
	assert_int_equal(store_name_put(s, "alice", "wc", m.digest, &e), 0);
	s = reopen(s);
	assert_int_equal(store_module_get(s, "alice", m.digest, &got, &e), 0);
	assert_int_equal(got.size, 10);
	assert_true(got.command);
	assert_int_equal(store_module_get(s, "bob", m.digest, &got, &e), ERR_NOTFOUND);
	assert_int_equal(e.code, 0);
	assert_true(store_name_get(s, "alice", "wc", digest));
	assert_false(store_name_get(s, "bob", "wc", digest));
	assert_int_equal(store_module_prefix(s, "alice", "ababab", digest), 1);
	assert_int_equal(store_module_prefix(s, "alice", "ababac", digest), 0);
	m.digest[31] = 0;
	assert_int_equal(store_module_put(s, "alice", &m, &e), 0);
	assert_int_equal(store_module_prefix(s, "alice", "ababab", digest), 2);
	assert_int_equal(store_module_each(s, "alice", count_row, &n, &e), 0);
	assert_int_equal(n, 2);
	m.digest[31] = 0xab;
	assert_int_equal(store_module_drop(s, "alice", m.digest, &e), 0);
	assert_false(store_name_get(s, "alice", "wc", digest));
	assert_false(store_module_wanted(s, m.digest));
	(void)store_close(s);
}

static int check_row(void *arg, const struct store_instance *i)
{
	assert_string_equal(i->id, "0123");
	assert_string_equal(i->state, "exited");
	assert_string_equal(i->spec, "{}");
	++*(int *)arg;
	return 0;
}

static void instances(void **state)
{
	struct store_instance i = { .tenant = "alice",
				    .id = "0123",
				    .name = "",
				    .state = "created",
				    .spec = "{}",
				    .outcome = "{}",
				    .created = 9 };
	struct store *s = reopen(NULL);
	struct err e = { 0 };
	int n = 0;

	assert_int_equal(store_instance_put(s, &i, &e), 0);
	i.state = "exited";
	assert_int_equal(store_instance_put(s, &i, &e), 0);
	s = reopen(s);
	assert_int_equal(store_instance_each(s, check_row, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(store_instance_drop(s, "bob", "0123", &e), 0);
	assert_int_equal(store_instance_each(s, check_row, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_int_equal(store_instance_drop(s, "alice", "0123", &e), 0);
	assert_int_equal(store_instance_each(s, check_row, &n, &e), 0);
	assert_int_equal(n, 2);
	(void)store_close(s);
}

static void policies(void **state)
{
	struct store *s = reopen(NULL);
	uint8_t digest[DIGEST_BYTES] = { 1 };
	struct err e = { 0 };
	char *text;

	assert_int_equal(store_policy_put(s, "alice", digest, "{}", &e), 0);
	assert_int_equal(store_policy_put(s, "alice", digest, "{}", &e), 0);
	assert_null(store_policy_get(s, "bob", digest));
	text = store_policy_get(s, "alice", digest);
	assert_string_equal(text, "{}");
	free(text);
	(void)store_close(s);
}

static void newer_schema(void **state)
{
	struct store *s = store_close(reopen(NULL));
	struct err e = { 0 };
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	assert_int_equal(store_open(file, &s, &e), ERR_STATE);
	assert_non_null(strstr(e.msg, "99"));
	assert_null(s);
}

static void not_a_store(void **state)
{
	struct store *s = NULL;
	struct err e = { 0 };
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		(void)fputs("this is no database\n", f);
	(void)fclose(f);
	assert_int_equal(store_open(file, &s, &e), ERR_IO);
	assert_null(s);
}

/* ---- audit -------------------------------------------------------------- */

static char *slurp(void)
{
	char *text = calloc(1, 65536);
	int fd = open(file, O_RDONLY);

	assert_true(fd >= 0);
	assert_true(read(fd, text, 65535) >= 0);
	(void)close(fd);
	return text;
}

struct bench {
	struct policy doc;
	struct policy_rule rule;
	struct policy_ref ref;
	struct outcome out;
	struct instance inst;
	struct live live;
};

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->rule.id = "no-secrets";
	b->rule.line = 14;
	b->doc.rules = &b->rule;
	b->doc.n_rules = 1;
	b->ref.doc = &b->doc;
	b->inst.out = &b->out;
	(void)snprintf(b->inst.id, sizeof(b->inst.id), "00ff");
	(void)snprintf(b->inst.tenant, sizeof(b->inst.tenant), "alice");
	b->live.inst = &b->inst;
	b->live.policy = &b->ref;
}

static void bench_done(struct bench *b)
{
	free(b->live.repeat);
	for (size_t i = 0; i < b->out.n_denials; i++) {
		free(b->out.denials[i].call);
		free(b->out.denials[i].path);
		free(b->out.denials[i].rule);
		free(b->out.denials[i].allow);
	}
}

/* A record with @path; returns its length. */
static size_t record(uint8_t *buf, struct slot_audit r, const char *path, size_t len)
{
	r.path_len[0] = (uint32_t)len;
	memcpy(buf, &r, sizeof(r));
	memcpy(buf + sizeof(r), path, len);
	return sizeof(r) + len;
}

static void audit_lines(void **state)
{
	const struct slot_audit r = {
		.op = GATE_OP_path_open, .fd = 3, .verdict = -13, .time_ns = 1000000000
	};
	struct audit *a = NULL;
	struct err e = { 0 };
	uint8_t buf[512];
	struct bench b;
	char *text;

	bench_init(&b);
	assert_int_equal(audit_open(file, &a, &e), 0);
	assert_int_equal(audit_call(a, &b.live, buf, record(buf, r, "/in/\n\xff", 6)), 0);
	a = audit_close(a);
	assert_int_equal(audit_open(file, &a, &e), 0);
	audit_event(a, &b.inst, "kernel", "SIGSYS");
	audit_lost(a, &b.inst, 0);
	audit_lost(a, &b.inst, 7);
	a = audit_close(a);
	text = slurp();
	assert_non_null(strstr(text, "\"path\":\"/in/\\\\x0a\\\\xff\""));
	assert_non_null(strstr(text, "\"path_base64\":\"L2luLwr/\""));
	assert_non_null(strstr(text, "\"rule\":\"no-secrets\""));
	assert_non_null(strstr(text, "\"errno\":\"EACCES\""));
	assert_non_null(strstr(text, "\"tenant\":\"alice\""));
	assert_non_null(strstr(text, "\"seq\":3"));
	assert_null(strstr(text, "\"seq\":4"));
	assert_int_equal(b.out.n_denials, 1);
	assert_int_equal(b.out.denials[0].line, 14);
	free(text);
	bench_done(&b);
}

static void audit_lies(void **state)
{
	struct slot_audit r = { .op = GATE_OP_path_open, .verdict = -13 };
	struct audit *a = NULL;
	struct err e = { 0 };
	uint8_t buf[512];
	struct bench b;
	size_t n;

	bench_init(&b);
	assert_int_equal(audit_open(file, &a, &e), 0);
	n = record(buf, r, "/x", 2);
	assert_int_equal(audit_call(a, &b.live, buf, n - 1), -1);
	assert_int_equal(audit_call(a, &b.live, buf, n + 1), -1);
	assert_int_equal(audit_call(a, &b.live, buf, 8), -1);
	r.op = GATE_OP_COUNT;
	assert_int_equal(audit_call(a, &b.live, buf, record(buf, r, "", 0)), -1);
	r.op = 0;
	r.rule = 1;
	assert_int_equal(audit_call(a, &b.live, buf, record(buf, r, "", 0)), -1);
	r.rule = POLICY_NO_RULE;
	r.verdict = 5;
	assert_int_equal(audit_call(a, &b.live, buf, record(buf, r, "", 0)), -1);
	r.verdict = GATE_KILL - 1;
	assert_int_equal(audit_call(a, &b.live, buf, record(buf, r, "", 0)), -1);
	r.verdict = 0;
	r.path_len[1] = UINT32_MAX;
	assert_int_equal(audit_call(a, &b.live, buf, record(buf, r, "", 0)), -1);
	assert_int_equal(b.out.n_denials, 0);
	(void)audit_close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(modules, set_up, tear_down),
		cmocka_unit_test_setup_teardown(instances, set_up, tear_down),
		cmocka_unit_test_setup_teardown(policies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(newer_schema, set_up, tear_down),
		cmocka_unit_test_setup_teardown(not_a_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(audit_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(audit_lies, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
