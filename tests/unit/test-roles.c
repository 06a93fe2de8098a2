/*
 * The table of system calls: sorted, each row once, for somebody, and with a
 * reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/roles.h"
#include "daemon/syscalls.def"
#include "wasmd/cleanup.h"

struct row {
	const char *name, *letters, *why;
};

#define ROW(name, p, f, z, w, o, why) { #name, #p #f #z #w #o, why },
static const struct row rows[] = { WASMD_SYSCALLS(ROW) };
static const struct row sanitized[] = { WASMD_SYSCALLS_SANITIZED(ROW) };

static void check(const struct row *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && strcmp(at[i - 1].name, at[i].name) >= 0)
			fail_msg("%s does not belong after %s", at[i].name, at[i - 1].name);
		if (strlen(at[i].why) < 3)
			fail_msg("%s has no reason", at[i].name);
		if (strcmp(at[i].letters, "_____") == 0)
			fail_msg("%s is nobody's", at[i].name);
		for (size_t c = 0; c < 5; c++)
			if (at[i].letters[c] != '_' && at[i].letters[c] != "PFZWO"[c])
				fail_msg("%s: %s in the wrong column", at[i].name, at[i].letters);
	}
}

static void test_table(void **state)
{
	(void)state;
	check(rows, ARRAY_LEN(rows));
	check(sanitized, ARRAY_LEN(sanitized));
}

static bool may(enum role role, const char *name)
{
	for (const char *const *n = roles_syscalls(role); *n != NULL; n++)
		if (strcmp(*n, name) == 0)
			return true;
	return false;
}

/* What nobody behind a fence may ever make. */
static void test_never(void **state)
{
	static const char *const never[] = {
		"execve",  "execveat", "ptrace",  "mount",   "setns",
		"unshare", "bpf",      "openat2", "connect",
#ifndef WASMD_SANITIZED /* whose reports ask whether they go to a terminal */
		"ioctl",
#endif
	};
	static const enum role locked[] = { ROLE_ZYGOTE, ROLE_WORKER };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		for (size_t r = 0; r < ARRAY_LEN(locked); r++)
			if (may(locked[r], never[i]))
				fail_msg("a %s may %s", role_name(locked[r]), never[i]);
	assert_false(may(ROLE_WORKER, "kill") || may(ROLE_WORKER, "socketpair") ||
		     may(ROLE_WORKER, "clone") || may(ROLE_WORKER, "recvmsg") ||
		     may(ROLE_WORKER, "sendmsg"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
