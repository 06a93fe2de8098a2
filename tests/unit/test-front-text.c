/* The front's small rooms: routes, texts, request bodies, logs, states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/front/instance.h"
#include "daemon/front/json.h"
#include "daemon/front/logs.h"
#include "daemon/front/passed.h"
#include "daemon/front/restart.h"
#include "daemon/front/route.h"

#include <fcntl.h>
#include <sys/socket.h>

void front_log(const char *fmt, ...)
{
}

static const struct route *match(const char *method, const char *url, char *ref, char *allow)
{
	return route_match(method, url, ref, 64, allow, 64);
}

static void routes(void **state)
{
	char ref[64], allow[64];
	const struct route *r = match("GET", "/v1/instances/job1", ref, allow);

	assert_non_null(r);
	assert_string_equal(ref, "job1");
	assert_ptr_equal(r->serve, serve_instance_show);
	r = match("POST", "/v1/instances/ab/start", ref, allow);
	assert_non_null(r);
	assert_ptr_equal(r->serve, serve_instance_start);
	assert_null(match("PUT", "/v1/instances/job1", ref, allow));
	assert_string_equal(allow, "GET, DELETE");
	assert_null(match("GET", "/v1/nothing", ref, allow));
	assert_string_equal(allow, "");
	assert_null(match("GET", "/v1/instances/", ref, allow));
	assert_null(match("GET", "/v1/instances/a/b", ref, allow));
	assert_null(match("GET", "/v1/infox", ref, allow));
	assert_null(match("GET", "", ref, allow));
}

static void long_refs(void **state)
{
	char url[200] = "/v1/instances/", ref[64], allow[64];

	memset(url + strlen(url), 'a', 63);
	assert_non_null(match("GET", url, ref, allow));
	assert_int_equal(strlen(ref), 63);
	memset(url + strlen(url), 'a', 1);
	assert_null(match("GET", url, ref, allow));
}

static void queries(void **state)
{
	char ref[64], allow[64];
	const struct route *r = match("POST", "/v1/run", ref, allow);

	assert_true(route_takes(r, "module"));
	assert_true(route_takes(r, "policy"));
	assert_false(route_takes(r, "mod"));
	assert_false(route_takes(r, ""));
	assert_false(route_takes(r, "module arg"));
}

static void names(void **state)
{
	char longest[LIM_NAME + 1];

	assert_true(name_ok("job1"));
	assert_true(name_ok("0.a-b_c"));
	assert_false(name_ok(""));
	assert_false(name_ok(".hidden"));
	assert_false(name_ok("-x"));
	assert_false(name_ok("a/b"));
	assert_false(name_ok("a b"));
	memset(longest, 'a', sizeof(longest));
	longest[LIM_NAME - 1] = '\0';
	assert_true(name_ok(longest));
	longest[LIM_NAME - 1] = 'a';
	longest[LIM_NAME] = '\0';
	assert_false(name_ok(longest));
}

static void digests(void **state)
{
	uint8_t d[DIGEST_BYTES], back[DIGEST_BYTES];
	char text[DIGEST_TEXT];

	assert_int_equal(digest_of("abc", 3, d), 0);
	digest_text(d, text);
	assert_string_equal(
		text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_true(digest_parse(text, back));
	assert_memory_equal(d, back, sizeof(d));
	text[70] = '\0';
	assert_false(digest_parse(text, back));
	assert_false(digest_parse("sha256:zz", back));
}

static void escapes(void **state)
{
	static const struct {
		const char *in, *out;
		size_t len;
	} rows[] = {
		{ "plain", "plain", 5 },
		{ "a\nb", "a\\x0ab", 3 },
		{ "\x1b[31m", "\\x1b[31m", 5 },
		{ "\xff\xfe", "\\xff\\xfe", 2 },
		{ "a\\b", "a\\\\b", 3 },
		{ "\0x", "\\x00x", 2 },
		{ "\xc3\xa4", "\xc3\xa4", 2 },
		{ "\xc2\x85", "\\xc2\\x85", 2 },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", 3 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *s = text_escape(rows[i].in, rows[i].len);

		assert_string_equal(s, rows[i].out);
		assert_true(utf8_ok(s, strlen(s)));
		free(s);
	}
}

static void bytes_in_json(void **state)
{
	json_t *o = json_object();

	json_put_bytes(o, "path", "/in/a", 5);
	json_put_bytes(o, "odd", "\xff", 1);
	assert_string_equal(json_string_value(json_object_get(o, "path")), "/in/a");
	assert_null(json_object_get(o, "path_base64"));
	assert_string_equal(json_string_value(json_object_get(o, "odd")), "\\xff");
	assert_string_equal(json_string_value(json_object_get(o, "odd_base64")), "/w==");
	json_decref(o);
}

static int read_body(const char *text, struct create_request *r, struct err *e)
{
	*e = (struct err){ 0 };
	return json_create_read(text, strlen(text), r, e);
}

static void bodies(void **state)
{
	struct create_request r = { 0 };
	struct err e;

	assert_int_equal(
		read_body("{\"module\":\"wc\",\"args\":[\"a\"],\"env\":{\"K\":\"v\"}}", &r, &e), 0);
	assert_string_equal(r.module, "wc");
	assert_string_equal(r.name, "");
	assert_null(r.policy);
	assert_string_equal(r.args[0], "a");
	assert_string_equal(r.env[0], "K=v");
	create_request_done(&r);
}

static void bad_bodies(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "", "empty" },
		{ "[]", "object" },
		{ "{\"module\":1}", "$.module" },
		{ "{}", "$.module is missing" },
		{ "{\"module\":\"a\",\"module\":\"b\"}", "duplicate" },
		{ "{\"module\":\"a\",\"args\":\"x\"}", "$.args" },
		{ "{\"module\":\"a\",\"args\":[1]}", "$.args[0]" },
		{ "{\"module\":\"a\",\"env\":[]}", "$.env" },
		{ "{\"module\":\"a\",\"env\":{\"A=B\":\"c\"}}", "A=B" },
		{ "{\"module\":\"a\",\"stdin\":\"x\"}", "$.stdin" },
		{ "{\"module\":\"a\"", "line 1" },
		{ "{\"module\":\"a\\u0000b\"}", "line 1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct create_request r = { 0 };
		struct err e;

		assert_int_equal(read_body(rows[i].text, &r, &e), ERR_USAGE);
		if (strstr(e.msg, rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].text, e.msg);
	}
}

static void unknown_fields(void **state)
{
	struct create_request r = { 0 };
	struct err e;

	assert_int_equal(read_body("{\"module\":\"a\",\"arg\":[]}", &r, &e), ERR_USAGE);
	assert_non_null(strstr(e.msg, "\"arg\""));
	assert_non_null(strstr(e.hint, "\"args\""));
}

static void logs(void **state)
{
	char dir[] = "/tmp/wasmd-test-XXXXXX", path[128], buf[64];
	struct log_query q = { .stream = 1, .tail = -1 };
	struct log_reader *r = NULL;
	struct log *l = NULL;
	struct err e = { 0 };

	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/logs", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(log_open(dir, "t", "id", &l, &e), 0);
	log_put(l, 1, "one ", 4);
	log_put(l, 2, "two ", 4);
	log_put(l, 1, "three", 5);
	(void)log_close(l);
	assert_int_equal(log_reader_open(dir, "t", "id", &q, &r, &e), 0);
	assert_int_equal(log_read(r, buf, sizeof(buf)), 9);
	assert_memory_equal(buf, "one three", 9);
	assert_int_equal(log_read(r, buf, sizeof(buf)), 0);
	r = log_reader_close(r);
	q.stream = 0;
	assert_int_equal(log_reader_open(dir, "t", "id", &q, &r, &e), 0);
	assert_int_equal(log_read(r, buf, sizeof(buf)), 13);
	assert_memory_equal(buf, "one two three", 13);
	(void)log_reader_close(r);
	log_remove(dir, "t", "id");
	assert_int_equal(log_reader_open(dir, "t", "id", &q, &r, &e), 0);
	assert_int_equal(log_read(r, buf, sizeof(buf)), 0);
	(void)log_reader_close(r);
	(void)snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

static void full_log(void **state)
{
	char dir[] = "/tmp/wasmd-test-XXXXXX", path[128];
	static char block[1 << 20];
	struct log *l = NULL;
	struct err e = { 0 };
	struct stat st;

	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/logs", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(log_open(dir, "t", "id", &l, &e), 0);
	for (int i = 0; i < 20; i++)
		log_put(l, 1, block, sizeof(block));
	(void)log_close(l);
	(void)snprintf(path, sizeof(path), "%s/logs/t/id.log", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= (off_t)LIM_LOG_BYTES + 64);
	(void)snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

static void gathers(void **state)
{
	static char block[1 << 20];
	struct gather *g = NULL;
	struct err e = { 0 };

	assert_int_equal(gather_new(&g, &e), 0);
	for (int i = 0; i < 16; i++)
		gather_put(g, 1 + i % 2, block, sizeof(block));
	assert_false(g->truncated);
	gather_put(g, 2, block, 1);
	assert_true(g->truncated);
	assert_int_equal(g->len[0] + g->len[1], LIM_RUN_OUTPUT);
	(void)gather_free(g);
}

static void states(void **state)
{
	assert_true(instance_may(INST_CREATED, INST_STARTING));
	assert_false(instance_may(INST_CREATED, INST_RUNNING));
	assert_false(instance_may(INST_CREATED, INST_EXITED));
	assert_true(instance_may(INST_STARTING, INST_EXITED));
	assert_true(instance_may(INST_RUNNING, INST_STOPPING));
	assert_false(instance_may(INST_STOPPING, INST_RUNNING));
	assert_true(instance_may(INST_RUNNING, INST_PAUSED));
	assert_false(instance_may(INST_STARTING, INST_PAUSED));
	for (unsigned s = 1; s <= 32; s <<= 1)
		assert_int_equal(instance_may(INST_EXITED, (enum inst_state)s), s == INST_STARTING);
	assert_int_equal(inst_state_of("running"), INST_RUNNING);
	assert_int_equal(inst_state_of("nonsense"), INST_EXITED);
}

static void times(void **state)
{
	static const char *const bad[] = { "",
					   "5",
					   "m",
					   "5x",
					   "10m5",
					   "-5s",
					   "2026-11-22",
					   "2026-11-22T10:00:00",
					   "2026-11-22T10:00:00.5",
					   "2026-11-22T10:00:00+1",
					   "999999999999d",
					   "100000000d",
					   "100000d6752d" };
	char text[TIME_TEXT];
	int64_t ns = 0;

	assert_true(time_parse("2026-11-22T10:00:00.25+02:00", &ns));
	time_text(ns, text);
	assert_string_equal(text, "2026-11-22T08:00:00.250Z");
	assert_true(time_parse("2026-11-22T10:00:00Z", &ns));
	assert_int_equal(ns, 1795341600ll * 1000000000);
	assert_true(time_parse("1h30m", &ns));
	assert_true(now_real() - ns - 5400ll * 1000000000 < 60000000000);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(time_parse(bad[i], &ns));
}

static void restarts(void **state)
{
	static const char *const good[] = { "no", "always", "on-failure", "on-failure:7" };
	static const char *const bad[] = { "", "on-failure:", "on-failure:0", "on-failure:07x" };
	char text[RESTART_TEXT];
	struct restart r;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(restart_parse(good[i], &r));
		restart_text(&r, text);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(restart_parse(bad[i], &r));
}

static int fired, denied;

static void on_fire(struct watch *w, struct instance *i, const struct err *e)
{
	fired++;
}

static void on_denied(struct watch *w, const struct denial *d)
{
	denied++;
}

static struct instance *make(struct front *f, const char *name)
{
	const struct config_tenant t = { .name = (char *)(uintptr_t)"alice", .index = 3 };
	struct spec s = { .module_name = strdup("wc"), .policy_name = strdup("") };
	struct instance *i = NULL;
	struct err e = { 0 };

	s.args = strv_copy(NULL);
	s.env = strv_copy(NULL);
	assert_int_equal(instance_new(f->instances, &t, name, &s, &i, &e), 0);
	return i;
}

static void watches(void **state)
{
	struct watch w = { .states = INST_EXITED, .fire = on_fire, .denied = on_denied };
	struct front f = { 0 };
	struct err e = { 0 };
	struct instance *i;

	assert_int_equal(instances_new(&f, &e), 0);
	i = make(&f, "job1");
	instance_watch(i, &w);
	instance_enter(f.instances, i, INST_STARTING, NULL);
	assert_int_equal(instances_live(f.instances), 1);
	assert_int_equal(fired, 0);
	for (unsigned n = 0; n < 2 * INST_DENIALS; n++) {
		char path[32];
		const struct denial d = { .call = (char *)(uintptr_t)"path_open",
					  .path = path,
					  .fd = -1,
					  .err = 13,
					  .count = 1 };

		(void)snprintf(path, sizeof(path), "/%u", n / 2);
		instance_denied(i, &d);
	}
	assert_int_equal(denied, INST_DENIALS); /* each told once */
	assert_int_equal(i->out->denials[0].count, 2);
	instance_enter(f.instances, i, INST_EXITED, NULL);
	assert_int_equal(fired, 1);
	assert_null(w.on);
	assert_int_equal(instances_live(f.instances), 0);
	f.instances = instances_free(f.instances);
}

static void finding(void **state)
{
	struct front f = { 0 };
	struct err e = { 0 };
	struct instance *i, *found = NULL;
	char prefix[ID_TEXT];

	assert_int_equal(instances_new(&f, &e), 0);
	i = make(&f, "job1");
	assert_int_equal(instance_find(f.instances, "alice", "job1", &found, &e), 0);
	assert_ptr_equal(found, i);
	assert_int_equal(instance_find(f.instances, "alice", i->id, &found, &e), 0);
	(void)snprintf(prefix, sizeof(prefix), "%.6s", i->id);
	assert_int_equal(instance_find(f.instances, "alice", prefix, &found, &e), 0);
	prefix[5] = '\0';
	assert_int_equal(instance_find(f.instances, "alice", prefix, &found, &e), ERR_NOTFOUND);
	e = (struct err){ 0 };
	assert_int_equal(instance_find(f.instances, "bob", i->id, &found, &e), ERR_NOTFOUND);
	f.instances = instances_free(f.instances);
}

static void records(void **state)
{
	struct front f = { 0 };
	struct err e = { 0 };
	struct instance *i, back;
	struct store_instance row = { .tenant = "alice", .state = "exited", .created = 5 };
	const struct denial d = { .call = (char *)(uintptr_t)"path_open",
				  .path = (char *)(uintptr_t)"/in/secret",
				  .rule = (char *)(uintptr_t)"no-secrets",
				  .allow = (char *)(uintptr_t)"x",
				  .fd = 3,
				  .line = 14,
				  .err = 13,
				  .count = 2 };

	assert_int_equal(instances_new(&f, &e), 0);
	i = make(&f, "job1");
	i->out->cause = CAUSE_TRAP;
	i->out->usage.fuel = 77;
	instance_denied(i, &d);
	row.id = i->id;
	row.name = i->name;
	row.spec = json_spec_write(i);
	row.outcome = json_outcome_write(i);
	assert_int_equal(json_instance_read(&row, &back, &e), 0);
	assert_int_equal(back.out->cause, CAUSE_TRAP);
	assert_int_equal(back.out->usage.fuel, 77);
	assert_int_equal(back.out->denials[0].err, 13);
	assert_int_equal(back.out->denials[0].line, 14);
	assert_string_equal(back.out->denials[0].rule, "no-secrets");
	assert_int_equal(back.generation, 1);
	spec_done(&back.spec);
	(void)outcome_free(back.out);
	free((void *)(uintptr_t)row.spec);
	row.spec = "{";
	assert_int_equal(json_instance_read(&row, &back, &e), ERR_IO);
	free((void *)(uintptr_t)row.outcome);
	f.instances = instances_free(f.instances);
}

static void check_stream(int fd, bool ok)
{
	struct err e = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(passed_check(fd, 0, &e), ok ? 0 : ERR_USAGE);
	(void)close(fd);
}

static void streams(void **state)
{
	int p[2], s[2], d[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, d), 0);
	check_stream(p[0], true);
	check_stream(p[1], true);
	check_stream(s[0], true);
	check_stream(s[1], true);
	check_stream(d[0], false);
	check_stream(d[1], false);
	check_stream(open("/dev/null", O_RDWR), true);
	check_stream(open("/dev/zero", O_RDWR), false);
	check_stream(open("/tmp", O_RDONLY | O_DIRECTORY), false);
	check_stream(open("/proc/self/exe", O_RDONLY), true);
	check_stream(open("/proc/self/exe", O_PATH), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),	 cmocka_unit_test(long_refs),
		cmocka_unit_test(queries),	 cmocka_unit_test(names),
		cmocka_unit_test(digests),	 cmocka_unit_test(escapes),
		cmocka_unit_test(bytes_in_json), cmocka_unit_test(bodies),
		cmocka_unit_test(bad_bodies),	 cmocka_unit_test(unknown_fields),
		cmocka_unit_test(logs),		 cmocka_unit_test(full_log),
		cmocka_unit_test(gathers),	 cmocka_unit_test(states),
		cmocka_unit_test(times),	 cmocka_unit_test(restarts),
		cmocka_unit_test(watches),	 cmocka_unit_test(finding),
		cmocka_unit_test(records),	 cmocka_unit_test(streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
