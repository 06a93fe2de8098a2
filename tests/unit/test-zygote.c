/*
 * The real zygote and its workers, driven as the front would: what starts,
 * what is refused, how each limit ends an instance. Prints how long the steps
 * of a start take.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/rig.h"
#include "wasmd/api.h"
#include "wasmd/gate.h"

static struct rig rig;
static char dir[] = "/tmp/wasmd-zygote-XXXXXX";
static const char *zygote_path, *guest_path;
static char *module;
static size_t module_len;
static int channel = -1;
static int mounts[2] = { -1, -1 };

static const char policy[] =
	"{\"name\": \"t\", \"args\": true,\n"
	" \"limits\": {\"memory\": \"64MiB\"},\n"
	" \"mounts\": [{\"host\": \"/tmp\", \"guest\": \"/ro\", \"access\": \"ro\"},\n"
	"              {\"host\": \"/tmp\", \"guest\": \"/rw\", \"access\": \"rw\"}],\n"
	" \"rules\": [{\"id\": \"no-secrets\", \"on\": [\"fs.read\"], \"path\": \"/ro/secret\",\n"
	"             \"then\": \"deny\"}],\n"
	" \"default\": \"granted\"}";

static const char fuel_policy[] =
	"{\"name\": \"f\", \"args\": true, \"limits\": {\"fuel\": 1000000},\n"
	" \"mounts\": [{\"host\": \"/tmp\", \"guest\": \"/ro\", \"access\": \"ro\"},\n"
	"              {\"host\": \"/tmp\", \"guest\": \"/rw\", \"access\": \"rw\"}],\n"
	" \"rules\": [], \"default\": \"granted\"}";

static const char *path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void make_file(const char *name, const char *text)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT, 0644);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

static bool load_guest(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	module_len = (size_t)st.st_size;
	module = malloc(module_len);
	return module != NULL && read(fd, module, module_len) == st.st_size;
}

/* Waits for the zygote's first word; 0 or the code it refused with. */
static int first_word(int ch, struct ipc_msg *m)
{
	if (ipc_recv(ch, IPC_FRONT, IPC_ZYGOTE, m) != 1)
		return -1000;
	return m->type == IPC_zyg_ready ? 0 : m->body.zyg_bad.code;
}

static int setup(void **state)
{
	int zygote = open(zygote_path, O_PATH | O_CLOEXEC);

	(void)state;
	if (zygote < 0 || !load_guest(guest_path) || !rig_open(&rig, zygote) ||
	    mkdtemp(dir) == NULL)
		return -1;
	(void)chmod(dir, 0755);
	make_file("probe", "");
	assert_int_equal(mkdir(path_of("ro"), 0755), 0);
	assert_int_equal(mkdir(path_of("rw"), 0755), 0);
	if (rig.p.privileged)
		assert_int_equal(chown(path_of("rw"), RIG_UID_A, RIG_UID_A), 0);
	make_file("ro/file", "text\n");
	make_file("ro/secret", "secret\n");
	return 0;
}

static int teardown(void **state)
{
	char cmd[64];

	(void)state;
	rig_close(&rig);
	free(module);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void test_ready(void **state)
{
	struct err e = { 0 };
	struct ipc_msg m;
	uint64_t before = priv_now(), mounted;
	pid_t pid;

	(void)state;
	mounts[0] = rig_mount(&rig, rig.tenant_a, path_of("ro"), false, &e);
	mounted = priv_now();
	mounts[1] = rig_mount(&rig, rig.tenant_a, path_of("rw"), true, &e);
	print_message("first mount %lu us, second %lu us\n", (mounted - before) / 1000,
		      (priv_now() - mounted) / 1000);
	before = priv_now();
	channel = rig_zygote(&rig, rig.tenant_a, module, module_len, &pid, &e);
	if (channel < 0)
		fail_msg("%s", e.msg);
	mounted = priv_now();
	if (first_word(channel, &m) != 0)
		fail_msg("%s", m.type == IPC_zyg_bad ? m.body.zyg_bad.msg : "no word");
	print_message("zygote spawned in %lu us, ready after %lu us more (its own load %lu us)\n",
		      (mounted - before) / 1000, (priv_now() - mounted) / 1000,
		      m.body.zyg_ready.load_ns / 1000);
	assert_int_equal(m.body.zyg_ready.version, IPC_VERSION);
	assert_int_equal(m.body.zyg_ready.has_start, 1);
	assert_true(m.body.zyg_ready.n_funcs > 5 && m.body.zyg_ready.memory_pages > 0);
}

/* Runs the guest's @talent; the report, copied. */
static struct slot_report run(const char *talent, const char *text, uint64_t wall, uint64_t cpu,
			      char *out, size_t size, struct rig_instance *i)
{
	const char *args[] = { "guest", talent, NULL };
	static uint64_t seq;
	struct rig_start s = { .policy = text,
			       .args = args,
			       .mounts = mounts,
			       .n_mounts = 2,
			       .seq = ++seq,
			       .wall_ns = wall,
			       .cpu_ns = cpu };
	struct slot_report r;

	assert_true(rig_start(channel, &s, i));
	assert_true(rig_wait(channel, i, out, size));
	r = slot_ctl(i->slot)->report;
	rig_forget(i);
	assert_int_equal(i->end.seq, seq);
	return r;
}

static void test_hello(void **state)
{
	struct rig_instance i;
	char out[256];
	struct slot_report r = run("hello", policy, 0, 0, out, sizeof(out), &i);

	(void)state;
	assert_string_equal(r.message, "");
	assert_int_equal(r.done, 1);
	assert_int_equal(r.cause, CAUSE_EXITED);
	assert_int_equal(r.status, 7);
	assert_string_equal(out, "hello from the guest\n");
	assert_int_equal(i.end.wait_status, 0);
	assert_true(i.end.rss_bytes > 0 && i.end.wall_ns > 0 && r.host_calls > 0);
}

static void test_files(void **state)
{
	struct rig_instance i;
	struct stat st;
	char out[256];
	struct slot_report r = run("files", policy, 0, 0, out, sizeof(out), &i);

	(void)state;
	assert_string_equal(r.message, "");
	assert_int_equal(r.status, 0);
	assert_string_equal(out, "read text\n");
	assert_int_equal(stat(path_of("rw/copy"), &st), 0);
	assert_int_equal(st.st_uid, rig.p.privileged ? RIG_UID_A : getuid());
	assert_int_equal(st.st_size, 5);
}

static void test_denied(void **state)
{
	const char *args[] = { "guest", "denied", NULL };
	struct rig_start s = { .policy = policy,
			       .args = args,
			       .mounts = mounts,
			       .n_mounts = 2,
			       .seq = 1000,
			       .generation = 5 };
	struct rig_instance i;
	struct ring ring;
	struct slot_audit a;
	char out[256], buf[4096];
	uint32_t type;
	uint64_t len;

	(void)state;
	assert_true(rig_start(channel, &s, &i));
	assert_true(rig_wait(channel, &i, out, sizeof(out)));
	assert_string_equal(slot_ctl(i.slot)->report.message, "");
	assert_int_equal(i.end.wait_status, 0);
	assert_string_equal(out, "secret: Permission denied\n");
	assert_int_equal(slot_ctl(i.slot)->report.denied, 1);
	ring = slot_audit(i.slot);
	assert_int_equal(ring_get(&ring, buf, sizeof(buf), &type, &len), 1);
	assert_int_equal(type, SLOT_AUDIT_CALL);
	memcpy(&a, buf, sizeof(a));
	assert_int_equal(a.op, GATE_OP_path_open);
	assert_int_equal(a.verdict, -EACCES);
	assert_int_equal(a.rule, 0);
	assert_int_equal(a.generation, 5);
	assert_int_equal(a.path_len[0], 10);
	assert_memory_equal(buf + sizeof(a), "/ro/secret", 10);
	rig_forget(&i);
}

static void test_flood(void **state)
{
	static char out[(1 << 20) + 16];
	struct rig_instance i;
	struct slot_report r = run("flood", policy, 0, 0, out, sizeof(out), &i);

	(void)state;
	assert_int_equal(r.status, 0);
	assert_int_equal(strlen(out), 1 << 20);
	assert_int_equal(strspn(out, "x"), 1 << 20);
}

static void test_wall(void **state)
{
	struct rig_instance i;

	(void)state;
	(void)run("spin", policy, 200000000, 0, NULL, 0, &i);
	assert_int_equal(i.end.cause, CAUSE_WALL);
	assert_true(WIFSIGNALED(i.end.wait_status) && WTERMSIG(i.end.wait_status) == SIGKILL);
	assert_in_range(i.end.wall_ns, 200000000, 60000000000); /* a busy machine is late */
}

static void test_cpu(void **state)
{
	struct rig_instance i;

	(void)state;
	(void)run("spin", policy, 60000000000, 100000000, NULL, 0, &i);
	assert_int_equal(i.end.cause, CAUSE_CPU);
	assert_in_range(i.end.cpu_ns, 95000000, 20000000000);
}

static void test_fuel(void **state)
{
	struct rig_instance i;
	struct slot_report r = run("spin", fuel_policy, 0, 0, NULL, 0, &i);

	(void)state;
	assert_int_equal(r.cause, CAUSE_FUEL);
	assert_in_range(r.fuel_used, 900000, 1000000);
	assert_int_equal(i.end.cause, CAUSE_NONE);
}

static void spin_and(uint32_t how, uint32_t cause, bool stop, struct rig_instance *i)
{
	const char *args[] = { "guest", "spin", NULL };
	struct rig_start s = {
		.policy = policy, .args = args, .mounts = mounts, .n_mounts = 2, .seq = 2000
	};
	struct msg_zyg_kill kill = { .seq = 2000, .how = how, .cause = cause };

	assert_true(rig_start(channel, &s, i));
	(void)usleep(30000);
	if (stop)
		atomic_store(&slot_ctl(i->slot)->stop, 1);
	assert_int_equal(ipc_send(channel, IPC_zyg_kill, &kill, NULL, 0), 0);
	assert_true(rig_wait(channel, i, NULL, 0));
}

static void test_kill(void **state)
{
	struct rig_instance i;

	(void)state;
	spin_and(ZYG_KILL, CAUSE_CLIENT, false, &i);
	assert_int_equal(i.end.cause, CAUSE_CLIENT);
	rig_forget(&i);
}

static void test_stop(void **state)
{
	struct rig_instance i;

	(void)state;
	spin_and(ZYG_WAKE, 0, true, &i);
	assert_int_equal(i.end.wait_status, 0);
	assert_int_equal(slot_ctl(i.slot)->report.cause, CAUSE_STOPPED);
	rig_forget(&i);
}

static void refused(const void *bytes, size_t len, int code)
{
	struct err e = { 0 };
	struct ipc_msg m;
	pid_t pid;
	int ch = rig_zygote(&rig, rig.tenant_a, bytes, len, &pid, &e);

	assert_true(ch >= 0);
	assert_int_equal(first_word(ch, &m), code);
	print_message("  %s\n", m.body.zyg_bad.msg);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	priv_reaped(&rig.p, pid);
	(void)close(ch);
}

static void test_refused(void **state)
{
	static const char foreign[] = "\0asm\1\0\0\0"
				      "\1\4\1\x60\0\0"
				      "\2\x9\1\3env\1f\0\0";

	(void)state;
	refused("", 0, ERR_MALFORMED);
	refused("hello", 5, ERR_MALFORMED);
	refused("\177ELF\2\1\1", 7, ERR_MALFORMED);
	refused(module, module_len / 2, ERR_MALFORMED);
	refused(foreign, sizeof(foreign) - 1, ERR_UNLINKABLE);
}

/* More policies in turn than a zygote knows: each instance has its own. */
static void test_policies_in_turn(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 21; n++) {
		unsigned limit = 3 + n % 7;
		struct rig_instance i;
		char text[512], out[256];
		struct slot_report r;

		(void)snprintf(text, sizeof(text),
			       "{\"name\": \"t\", \"args\": true, \"limits\": {\"output\": %u},"
			       " \"mounts\": [{\"host\": \"/tmp\", \"guest\": \"/ro\"},"
			       " {\"host\": \"/tmp\", \"guest\": \"/rw\", \"access\": \"rw\"}],"
			       " \"rules\": [], \"default\": \"granted\"}",
			       limit);
		r = run("hello", text, 0, 0, out, sizeof(out), &i);
		assert_int_equal(r.cause, CAUSE_OUTPUT);
		assert_int_equal(strlen(out), limit);
		assert_memory_equal(out, "hello from the guest", limit);
	}
}

/* An opener that hangs (on somebody's file system, say) is ended and told of. */
static void test_opener_deadline(void **state)
{
	struct msg_priv_mount ask = { .req = 77, .host = "/tmp" };
	struct priv_job *job = &rig.p.jobs[0];
	struct ipc_msg m;
	int status;

	(void)state;
	(void)snprintf(ask.tenant, sizeof(ask.tenant), "%s", rig.tenant_a);
	assert_int_equal(ipc_send(rig.front, IPC_priv_mount, &ask, &rig.client, 1), 0);
	assert_int_equal(priv_serve(&rig.p), 0);
	assert_true(job->pid != 0);
	pid_t pid = job->pid;
	assert_in_range(priv_deadlines(&rig.p, job->deadline - 1000000000), 1, 1001);
	assert_true(job->pid != 0); /* it is not due yet */
	assert_int_equal(priv_deadlines(&rig.p, job->deadline), -1);
	assert_int_equal(ipc_recv(rig.front, IPC_FRONT, IPC_PRIV, &m), 1);
	assert_int_equal(m.type, IPC_priv_failed);
	assert_int_equal(m.body.priv_failed.req, 77);
	assert_int_equal(m.body.priv_failed.code, ERR_TIMEOUT);
	assert_string_equal(m.body.priv_failed.msg, "opening /tmp took longer than 2 s");
	assert_true(waitpid(pid, &status, 0) == pid || errno == ECHILD);
}

/* What a dead front asked for, the next one is not told. */
static void test_openers_end_with_the_front(void **state)
{
	struct msg_priv_mount ask = { .req = 78, .host = "/tmp" };
	int again = dup(rig.p.channel), status;
	struct ipc_msg m;

	(void)state;
	(void)snprintf(ask.tenant, sizeof(ask.tenant), "%s", rig.tenant_a);
	for (uint32_t i = 0; i < PRIV_JOBS; i++) {
		assert_false(priv_full(&rig.p));
		assert_int_equal(ipc_send(rig.front, IPC_priv_mount, &ask, &rig.client, 1), 0);
		assert_int_equal(priv_serve(&rig.p), 0);
	}
	assert_true(priv_full(&rig.p));
	priv_front_gone(&rig.p);
	assert_int_equal(rig.p.channel, -1);
	rig.p.channel = again;
	for (uint32_t i = 0; i < PRIV_JOBS; i++)
		assert_int_equal(rig.p.jobs[i].pid, 0);
	for (uint32_t i = 0; i < PRIV_JOBS; i++)
		assert_true(waitpid(-1, &status, 0) > 0);
	assert_int_equal(fcntl(rig.front, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(ipc_recv(rig.front, IPC_FRONT, IPC_PRIV, &m), 0);
	assert_int_equal(fcntl(rig.front, F_SETFL, 0), 0);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_start_time(void **state)
{
	enum { N = 200 };
	static uint64_t start[N], whole[N];
	const char *args[] = { "guest", "hello", NULL };

	(void)state;
	for (int n = 0; n < N; n++) {
		struct rig_start s = { .policy = policy,
				       .args = args,
				       .mounts = mounts,
				       .n_mounts = 2,
				       .seq = 3000 + (uint64_t)n };
		struct rig_instance i;

		assert_true(rig_start(channel, &s, &i));
		assert_true(rig_wait(channel, &i, NULL, 0));
		start[n] = slot_ctl(i.slot)->report.first_ns - i.sent_ns;
		whole[n] = priv_now() - i.sent_ns;
		rig_forget(&i);
	}
	qsort(start, N, sizeof(*start), by_value);
	qsort(whole, N, sizeof(*whole), by_value);
	print_message("start message to first instruction: p50 %lu us, p99 %lu us; to its end: "
		      "p50 %lu us\n",
		      start[N / 2] / 1000, start[N - 2] / 1000, whole[N / 2] / 1000);
}

/* The zygote and whatever it still runs end with the channel. */
static void test_orphan(void **state)
{
	const char *args[] = { "guest", "spin", NULL };
	struct rig_start s = {
		.policy = policy, .args = args, .mounts = mounts, .n_mounts = 2, .seq = 4000
	};
	struct rig_instance i;
	pid_t pid = rig.p.zygotes[0].pid;

	(void)state;
	assert_true(rig_start(channel, &s, &i));
	(void)usleep(20000);
	(void)close(channel);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	priv_reaped(&rig.p, pid);
	rig_forget(&i);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_wall),
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_fuel),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_opener_deadline),
		cmocka_unit_test(test_openers_end_with_the_front),
		cmocka_unit_test(test_policies_in_turn),
		cmocka_unit_test(test_start_time),
		cmocka_unit_test(test_orphan),
	};

	if (argc < 3)
		return 2;
	zygote_path = argv[1];
	guest_path = argv[2];
	return cmocka_run_group_tests(tests, setup, teardown);
}
