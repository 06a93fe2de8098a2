/*
 * Landlock by its three system calls; knows no policy.
 */
#include "daemon/locked/landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sys/syscall.h>

/* As of ABI 6; the kernel reads as much of it as its ABI knows. */
struct ll_attr {
	uint64_t fs, net, scoped;
};

int landlock_abi(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return v > 0 ? (int)v : 0;
}

/* File rights known to ABI @abi: 13, then refer, truncate, device ioctl. */
static uint64_t fs_known(int abi)
{
	static const uint8_t bits[] = { 13, 14, 15, 15, 16 };
	size_t i = (size_t)abi - 1;

	return (1ull << bits[i < ARRAY_LEN(bits) ? i : ARRAY_LEN(bits) - 1]) - 1;
}

static int add_rules(int ruleset, const struct landlock_domain *d, uint64_t fs, struct err *e)
{
	for (size_t i = 0; i < d->n_rules; i++) {
		struct landlock_path_beneath_attr rule = {
			.allowed_access = d->rules[i].access & fs,
			.parent_fd = d->rules[i].dir,
		};

		if (rule.allowed_access != 0 && syscall(SYS_landlock_add_rule, ruleset,
							LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
			return err_set(e, ERR_ISOLATION, "Landlock refuses rule %zu: %s", i,
				       strerror(errno));
	}
	return 0;
}

int landlock_enter(const struct landlock_domain *d, struct err *e)
{
	int abi = landlock_abi();
	uint64_t fs = abi > 0 ? d->fs & fs_known(abi) : 0;
	struct ll_attr attr = { fs, abi >= 4 ? d->net : 0, abi >= 6 ? d->scoped : 0 };
	size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	CLEANUP(close_p) int ruleset = -1;

	if (abi > 0 && (attr.fs | attr.net | attr.scoped) == 0)
		return 0;
	if (abi == 0) {
		(void)err_set(e, ERR_ISOLATION, "this kernel has no Landlock");
		return err_hint(e, "boot with lsm=landlock,... or start wasmd with "
				   "--allow-degraded landlock");
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return err_set(e, ERR_ISOLATION, "Landlock refuses a domain: %s", strerror(errno));
	if (add_rules(ruleset, d, fs, e) < 0)
		return e->code;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_set(e, ERR_ISOLATION, "entering a Landlock domain: %s", strerror(errno));
	return 0;
}
