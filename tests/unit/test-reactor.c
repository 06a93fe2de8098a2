/*
 * Calls of a reactor through the real zygote and worker: values, refusals,
 * traps, and how such an instance ends.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/rig.h"
#include "wasmd/api.h"
#include "wasmd/vm.h"

static struct rig rig;
static const char *zygote_path, *guest_path;
static int zygote = -1; /* its channel */
static int calls[2];	/* ours, the worker's */
static struct rig_instance inst;
static uint64_t seq;

static int setup(void **state)
{
	static char module[65536];
	int exe = open(zygote_path, O_PATH | O_CLOEXEC), fd = open(guest_path, O_RDONLY);
	ssize_t len = fd >= 0 ? read(fd, module, sizeof(module)) : -1;
	struct err e = { 0 };
	struct ipc_msg m;
	pid_t pid;

	(void)state;
	if (exe < 0 || len <= 0 || !rig_open(&rig, exe))
		return -1;
	(void)close(fd);
	zygote = rig_zygote(&rig, rig.tenant_a, module, (size_t)len, &pid, &e);
	if (zygote < 0 || ipc_recv(zygote, IPC_FRONT, IPC_ZYGOTE, &m) != 1)
		return -1;
	assert_int_equal(m.type, IPC_zyg_ready);
	assert_int_equal(m.body.zyg_ready.has_initialize, 1);
	assert_int_equal(m.body.zyg_ready.has_start, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static void begin(const char *policy)
{
	struct rig_start s = { .policy = policy, .seq = ++seq, .reactor = true };

	assert_int_equal(ipc_pair(calls, false), 0);
	s.calls = calls[1];
	assert_true(rig_start(zygote, &s, &inst));
	(void)close(calls[1]);
}

static struct slot_report end(void)
{
	struct slot_report r;

	assert_true(rig_wait(zygote, &inst, NULL, 0));
	assert_int_equal(inst.end.seq, seq);
	r = slot_ctl(inst.slot)->report;
	rig_forget(&inst);
	return r;
}

static struct msg_call_done call(const char *name, uint32_t n, const uint64_t *args, uint8_t type)
{
	static uint64_t id;
	struct msg_call ask = { .id = ++id, .n_args = n };
	struct ipc_msg m;

	(void)snprintf(ask.name, sizeof(ask.name), "%s", name);
	for (uint32_t i = 0; i < n && i < CALL_VALUES; i++) {
		ask.args[i] = args[i];
		ask.types[i] = type;
	}
	assert_int_equal(ipc_send(calls[0], IPC_call, &ask, NULL, 0), 0);
	assert_int_equal(ipc_recv(calls[0], IPC_FRONT, IPC_WORKER, &m), 1);
	assert_int_equal(m.type, IPC_call_done);
	assert_int_equal(m.body.call_done.id, id);
	return m.body.call_done;
}

static void refused(const char *name, uint32_t n, uint8_t type, const char *why)
{
	static const uint64_t args[CALL_VALUES] = { 1, 2 };
	struct msg_call_done d = call(name, n, args, type);

	assert_int_equal(d.trap, CALL_REFUSED);
	assert_string_equal(d.message, why);
}

static const char policy[] = "{\"name\": \"r\", \"rules\": [], \"default\": \"granted\"}";

static void test_values(void **state)
{
	const uint64_t two[] = { 0xffffffff00000002u, 40 };
	uint64_t mixed[] = { 5, 0, 0 };
	const float f = 1.5f;
	const double g = 2.25;
	struct msg_call_done d;
	struct slot_report r;
	float rf;
	double rg;

	(void)state;
	begin(policy);
	d = call("ready", 0, NULL, 0);
	assert_int_equal(d.results[0], 42);
	d = call("add", 2, two, VM_I32);
	assert_int_equal(d.trap, 0);
	assert_int_equal(d.n_results, 1);
	assert_int_equal(d.types[0], VM_I32);
	assert_int_equal(d.results[0], 42);
	memcpy(&mixed[1], &f, sizeof(f));
	memcpy(&mixed[2], &g, sizeof(g));
	d = call("wide", 3, mixed, 0);
	assert_int_equal(d.n_results, 3);
	assert_int_equal((int64_t)d.results[0], -5);
	memcpy(&rf, &d.results[1], sizeof(rf));
	memcpy(&rg, &d.results[2], sizeof(rg));
	assert_true(rf == -1.5f && rg == 4.5);
	assert_int_equal(call("nothing", 0, NULL, 0).n_results, 0);
	assert_int_equal(call("ready", 0, NULL, 0).results[0], 43); /* it keeps its state */
	(void)close(calls[0]);
	r = end();
	assert_string_equal(r.message, "");
	assert_int_equal(r.cause, CAUSE_EXITED);
	assert_int_equal(r.status, 0);
}

static void test_refusals(void **state)
{
	struct msg_call_done d;

	(void)state;
	begin(policy);
	refused("nope", 0, 0, "the module exports no \"nope\"");
	refused("memory", 0, 0, "the export \"memory\" is no function");
	refused("add", 1, 0, "\"add\" takes 2 arguments, not 1");
	refused("add", 2, VM_F64, "argument 1 of \"add\" is i32, not f64");
	refused("ref", 1, 0, "\"ref\" takes or returns what is no number, or more than 16 of them");
	d = call("trap", 0, NULL, 0);
	assert_int_equal(d.trap, VM_TRAP_UNREACHABLE);
	assert_non_null(strstr(d.message, "unreachable"));
	assert_int_equal(call("ready", 0, NULL, 0).results[0], 42); /* a trap ends its call only */
	(void)close(calls[0]);
	assert_int_equal(end().cause, CAUSE_EXITED);
}

/* Off the table: the worker hangs up. */
static void test_nonsense(void **state)
{
	struct msg_call ask = { .n_args = CALL_VALUES + 1 };

	(void)state;
	begin(policy);
	assert_int_equal(ipc_send(calls[0], IPC_call, &ask, NULL, 0), 0);
	assert_int_equal(end().cause, CAUSE_EXITED);
	(void)close(calls[0]);
	begin(policy);
	assert_int_equal(write(calls[0], "x", 1), 1);
	assert_int_equal(end().cause, CAUSE_EXITED);
	(void)close(calls[0]);
}

static void test_exit(void **state)
{
	const uint64_t status = 3;
	struct slot_report r;

	(void)state;
	begin(policy);
	assert_int_equal(call("leave", 1, &status, VM_I32).trap, VM_TRAP_EXIT);
	r = end();
	assert_int_equal(r.cause, CAUSE_EXITED);
	assert_int_equal(r.status, 3);
	(void)close(calls[0]);
}

static void test_fuel(void **state)
{
	(void)state;
	begin("{\"name\": \"f\", \"limits\": {\"fuel\": 1000000}, \"rules\": [],"
	      " \"default\": \"granted\"}");
	assert_int_equal(call("spin", 0, NULL, 0).trap, VM_TRAP_FUEL);
	assert_int_equal(end().cause, CAUSE_FUEL);
	(void)close(calls[0]);
}

static void order(uint32_t how)
{
	struct msg_zyg_kill kill = { .seq = seq, .how = how, .cause = CAUSE_KILLED };

	assert_int_equal(ipc_send(zygote, IPC_zyg_kill, &kill, NULL, 0), 0);
}

static void test_stop_while_waiting(void **state)
{
	(void)state;
	begin(policy);
	assert_int_equal(call("nothing", 0, NULL, 0).trap, 0);
	atomic_store(&slot_ctl(inst.slot)->stop, 1);
	order(ZYG_WAKE);
	assert_int_equal(end().cause, CAUSE_STOPPED);
	(void)close(calls[0]);
}

/* Whether a child of the zygote is stopped, as the kernel sees it. */
static bool one_is_stopped(void)
{
	char path[64], state = '?';
	FILE *f, *stat;
	bool found = false;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", rig.p.zygotes[0].pid,
		       rig.p.zygotes[0].pid);
	f = fopen(path, "r");
	while (f != NULL && !found && fscanf(f, "%d", &pid) == 1) {
		(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		stat = fopen(path, "r");
		found = stat != NULL && fscanf(stat, "%*d %*s %c", &state) == 1 && state == 'T';
		if (stat != NULL)
			(void)fclose(stat);
	}
	if (f != NULL)
		(void)fclose(f);
	return found;
}

static void until_stopped(void)
{
	for (int i = 0; i < 6000 && !one_is_stopped(); i++)
		(void)usleep(10000);
	assert_true(one_is_stopped());
}

/* Paused, it does not answer; resumed, it does. */
static void test_pause(void **state)
{
	struct msg_call ask = { .id = 7, .name = "nothing" };
	struct pollfd at = { .events = POLLIN };
	struct ipc_msg m;

	(void)state;
	begin(policy);
	assert_int_equal(call("nothing", 0, NULL, 0).trap, 0);
	order(ZYG_PAUSE);
	until_stopped();
	at.fd = calls[0];
	assert_int_equal(ipc_send(calls[0], IPC_call, &ask, NULL, 0), 0);
	assert_int_equal(poll(&at, 1, 100), 0);
	order(ZYG_RESUME);
	assert_int_equal(poll(&at, 1, 60000), 1);
	assert_int_equal(ipc_recv(calls[0], IPC_FRONT, IPC_WORKER, &m), 1);
	assert_int_equal(m.body.call_done.id, 7);
	order(ZYG_PAUSE);
	order(ZYG_KILL); /* a paused one can be killed */
	(void)end();
	assert_int_equal(WTERMSIG(inst.end.wait_status), SIGKILL);
	assert_int_equal(inst.end.cause, CAUSE_KILLED);
	(void)close(calls[0]);
}

/* Wall time goes on while it is paused. */
static void test_wall_while_paused(void **state)
{
	struct rig_start s = { .policy = policy, .reactor = true, .wall_ns = 200000000 };

	(void)state;
	s.seq = ++seq;
	assert_int_equal(ipc_pair(calls, false), 0);
	s.calls = calls[1];
	assert_true(rig_start(zygote, &s, &inst));
	(void)close(calls[1]);
	order(ZYG_PAUSE);
	(void)end();
	assert_int_equal(inst.end.cause, CAUSE_WALL);
	(void)close(calls[0]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),	 cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_nonsense), cmocka_unit_test(test_exit),
		cmocka_unit_test(test_fuel),	 cmocka_unit_test(test_stop_while_waiting),
		cmocka_unit_test(test_pause),	 cmocka_unit_test(test_wall_while_paused),
	};

	if (argc < 3)
		return 2;
	zygote_path = argv[1];
	guest_path = argv[2];
	return cmocka_run_group_tests(tests, setup, teardown);
}
