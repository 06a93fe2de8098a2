/*
 * What every policy test starts from. Included once per test program.
 */
#ifndef TEST_POLICY_H
#define TEST_POLICY_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wasmd/fault.h"
#include "wasmd/limits.h"
#include "wasmd/policy.h"

/* What a test's worker needs whatever its policy. */
__attribute__((unused)) static const char *const test_base[] = { "exit_group", "mmap", "munmap",
								 "mprotect", NULL };

/* Text -> policy, which must be right. */
__attribute__((unused)) static struct policy *test_parse(const char *text)
{
	struct policy *p = NULL;
	struct err e = { 0 };

	if (policy_parse(text, strlen(text), &p, &e) < 0)
		fail_msg("%s", e.msg);
	return p;
}

/* Policy -> judge; *ret_image is to be freed after it. */
__attribute__((unused)) static struct policy_judge *test_judge(const struct policy *p,
							       void **ret_image, size_t *ret_len)
{
	struct policy_judge *j = NULL;
	struct err e = { 0 };

	if (policy_compile(p, test_base, ret_image, ret_len, &e) < 0 ||
	    policy_load(*ret_image, *ret_len, &j, &e) < 0)
		fail_msg("%s", e.msg);
	return j;
}

#endif
