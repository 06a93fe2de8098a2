/*
 * The one ordered descent from what a process may do to what its role needs.
 * Every locked role passes through confine(); a field left zero skips its
 * step for a role that passed it before (a worker is born in its zygote's
 * namespaces, root and identity).
 */
#ifndef DAEMON_LOCKED_CONFINE_H
#define DAEMON_LOCKED_CONFINE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/locked/landlock.h"
#include "daemon/roles.h"
#include "wasmd/cleanup.h"
#include "wasmd/err.h"

struct confine_limit {
	int resource;	/* RLIMIT_* */
	uint64_t value; /* soft and hard; a soft-only limit stays the caller's business */
};

struct confine_identity {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t n_groups;
	bool keep_groups; /* an ordinary user cannot change theirs */
};

struct confine {
	enum role role;
	const int *keep; /* ascending; all else is closed, and *nothing* else may be open */
	size_t n_keep;
	const struct confine_limit *limits;
	size_t n_limits;
	bool empty_root;		       /* needs CAP_SYS_ADMIN in its user namespace */
	const struct confine_identity *become; /* or stay who we are */
	bool drop_caps;
	const struct landlock_domain *domain;
	struct sock_fprog filter; /* len 0: none */
	uint32_t degraded;	  /* enum policy_fence bits that may fail */
	uint64_t *step_ns;	  /* by enum slot_step, when each was done; or NULL */
};

/* Goes all the way or fails with ERR_ISOLATION naming step and remedy; after a
 * failure the caller can only leave. */
MUST_CHECK int confine(const struct confine *c, struct err *e);

/* The filter in @fd (of filter_memfd), mapped for good. ERR_PEER. */
MUST_CHECK int confine_filter(int fd, struct sock_fprog *ret, struct err *e);

#endif
