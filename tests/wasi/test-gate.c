/*
 * What the gate is asked, and that nothing happens when it refuses.
 */
#include "calls.h"

/* A descriptor that the call would work on: 0 a listener, 2 a connection, 3 a
 * directory, 5 a file. */
static uint64_t descriptor_for(const char *name)
{
	if (strcmp(name, "sock_accept") == 0)
		return 0;
	if (strncmp(name, "sock_", 5) == 0)
		return 2;
	if (strncmp(name, "path_", 5) == 0 || strstr(name, "dir") != NULL ||
	    strstr(name, "prestat") != NULL)
		return 3;
	return 5;
}

/* Arguments that would make each call do its work, by signature. */
static void plausible(struct ctx *t, const char *name, const char *sig, uint64_t args[16])
{
	bool moves = strncmp(name, "sock_", 5) == 0 || strncmp(name, "fd_p", 4) == 0 ||
		     strcmp(name, "fd_read") == 0 || strcmp(name, "fd_write") == 0;
	unsigned n = 0, p = 0;

	memset(args, 0, 16 * sizeof(*args));
	for (; *sig != '\0'; sig++) {
		if (*sig == '!')
			continue;
		if (*sig == 'd')
			args[n++] = descriptor_for(name);
		else if (*sig == 'p' || *sig == 's') {
			args[n++] = p++ == 0 ? A_PATH : A_PATH2;
			args[n++] = 5;
		} else if (*sig == 'f')
			args[n++] = 1;
		else
			args[n++] = *sig == 'l' ? 0 : A_BUF;
	}
	if (moves && strstr(name, "prestat") == NULL) {
		args[1] = A_IOV;
		args[2] = 1;
	}
	if (strncmp(name, "clock", 5) == 0)
		args[0] = 1;
	if (strcmp(name, "path_open") == 0)
		args[4] = args[7] = 0;
	put_str(t, A_PATH, "a.txt");
	put_str(t, A_PATH2, "b.new");
	put_iov(t, A_BUF, 4);
}

static void call_each_denied(struct ctx *t, const char *module)
{
	uint64_t args[16], before = wasi_usage(t->w).syscalls, judged = 0;

	for (unsigned i = 0; i < N_CALLS; i++) {
		unsigned asked = t->seen.asked;
		uint32_t e;

		if (module[5] == 'u' && strcmp(table[i].name, "sock_accept") == 0)
			continue;
		plausible(t, table[i].name, table[i].sig, args);
		e = fake_call(t->w, t->c, module, table[i].name, args, &t->trap);
		assert_int_equal(t->trap, VM_TRAP_NONE);
		if (t->seen.asked != asked + 1)
			fail_msg("%s: asked %u times", table[i].name, t->seen.asked - asked);
		if (e != WE_PERM && table[i].sig[0] != '!')
			fail_msg("%s: %s", table[i].name, wasi_errno_name((uint16_t)e));
		judged |= 1ull << t->seen.req.op;
		if (wasi_usage(t->w).syscalls != before)
			fail_msg("%s made a system call", table[i].name);
	}
	assert_int_equal(__builtin_popcountll(judged), GATE_OP_COUNT - (module[5] == 'u'));
}

static void deny_all_makes_no_system_call(void **state)
{
	struct ctx *t = *state;
	int s[2], l = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof(a.sun_family)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	t->cfg.stdio[0].fd = l;
	t->cfg.stdio[2].fd = s[0];
	reconfigure(t);
	assert_int_equal(open_at(t, 3, "a.txt", 0, R_ALL), WE_OK);
	t->seen.verdict = -EPERM;
	t->gate.refused = ~0ull;
	call_each_denied(t, P1);
	call_each_denied(t, OLD);
	(void)close(l);
	(void)close(s[0]);
	(void)close(s[1]);
}

static void verdicts_reach_the_guest(void **state)
{
	struct ctx *t = *state;

	t->seen.verdict = GATE_KILL;
	(void)W(t, "sched_yield", 0);
	assert_int_equal(t->trap, VM_TRAP_KILLED);
	t->seen.verdict = -EDQUOT;
	assert_int_equal(W(t, "sched_yield", 0), WE_DQUOT);
	assert_int_equal(t->seen.req.tenant, 7);
	assert_int_equal(t->seen.req.instance, 9);
	assert_int_equal(t->seen.req.obj[0].sets, GATE_PROC);
	assert_true(t->seen.req.obj[0].fd == GATE_NO_FD);
}

static void imports_have_names(void **state)
{
	struct ctx *t = *state;
	struct vm_import imp = { .module = P1,
				 .name = "fd_raed",
				 .module_len = sizeof(P1) - 1,
				 .name_len = 7,
				 .type.kind = VM_FUNC };
	struct err e = { 0 };
	struct vm_extern x;

	assert_int_equal(wasi_resolve(t->w, &imp, &x, &e), ERR_UNLINKABLE);
	assert_non_null(strstr(e.msg, "fd_raed"));
	assert_non_null(strstr(e.hint, "fd_read"));
	imp.module = "env";
	imp.module_len = 3;
	e = (struct err){ 0 };
	assert_int_equal(wasi_resolve(t->w, &imp, &x, &e), ERR_UNLINKABLE);
	assert_non_null(strstr(e.msg, "env.fd_raed"));
	assert_int_equal(N_CALLS, GATE_OP_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(deny_all_makes_no_system_call),
		T(verdicts_reach_the_guest),
		T(imports_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
