/*
 * The lowered filter, installed for real in a child: what is allowed works,
 * everything else ends it by SIGSYS. The child makes raw system calls only.
 */
#include "test-policy.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum attempt {
	NOTHING,
	MAP_PLAIN,
	MAP_EXEC,
	PROTECT_EXEC,
	OPEN,
	SOCKET,
	FORK,
	CLONE3,
	RANDOM,
	X32,
	I386,
};

static void attempt(enum attempt what)
{
	long page = 4096;

	switch (what) {
	case NOTHING:
		break;
	case MAP_PLAIN:
		if (syscall(SYS_mmap, NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		    -1)
			syscall(SYS_exit_group, 1);
		break;
	case MAP_EXEC:
		(void)syscall(SYS_mmap, NULL, page, PROT_READ | PROT_EXEC,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	case PROTECT_EXEC:
		(void)syscall(SYS_mprotect, &page, page, PROT_EXEC);
		break;
	case OPEN:
		(void)syscall(SYS_openat, -100, "/etc/passwd", 0);
		break;
	case SOCKET:
		(void)syscall(SYS_socket, 1, 1, 0);
		break;
	case FORK:
		(void)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		break;
	case CLONE3:
		if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
			syscall(SYS_exit_group, 1);
		break;
	case RANDOM:
		(void)syscall(SYS_getrandom, &page, 0, 0);
		break;
	case X32:
		(void)syscall(0x40000000 | SYS_exit_group, 0);
		break;
	case I386:
#ifdef __x86_64__
		__asm__ volatile("int $0x80" : : "a"(20) : "memory");
#else
		(void)syscall(SYS_socket, 1, 1, 0);
#endif
		break;
	}
	syscall(SYS_exit_group, 0);
}

static bool install(const struct sock_fprog *f)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, f) == 0;
}

/* Does @what end a worker of the policy @text? */
static bool kills(const char *text, enum attempt what)
{
	struct policy *p = test_parse(text);
	void *image;
	size_t len;
	struct policy_judge *j = test_judge(p, &image, &len);
	struct sock_fprog f = policy_judge_seccomp(j);
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (!install(&f))
			_exit(2);
		attempt(what);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)policy_judge_free(j);
	(void)policy_free(p);
	free(image);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return true;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void test_filter(void **state)
{
	assert_false(kills("{}", NOTHING));
	assert_false(kills("{}", MAP_PLAIN));
	assert_true(kills("{}", MAP_EXEC));
	assert_true(kills("{}", PROTECT_EXEC));
	assert_true(kills("{}", OPEN));
	assert_true(kills("{}", SOCKET));
	assert_true(kills("{}", FORK));
	assert_false(kills("{}", CLONE3));
	assert_true(kills("{}", X32));
	assert_true(kills("{}", I386));
}

/* What a policy refuses whole is not in its filter either. */
static void test_refused(void **state)
{
	assert_false(kills("{}", RANDOM));
	assert_true(kills("{ \"default\": \"deny\" }", RANDOM));
	assert_false(kills("{ \"default\": \"deny\", \"mode\": \"complain\" }", RANDOM));
	assert_true(kills("{ \"rules\": [ { \"on\": \"random\", \"then\": \"deny\" } ] }", RANDOM));
	assert_false(kills("{ \"default\": \"deny\", \"rules\": ["
			   "{ \"on\": \"random_get\", \"then\": \"allow\" } ] }",
			   RANDOM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("policy-seccomp", tests, NULL, NULL);
}
