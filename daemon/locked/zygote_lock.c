/*
 * How a zygote confines itself, before it reads its module.
 */
#include <sys/resource.h>

#include "daemon/locked/confine.h"
#include "daemon/locked/zygote.h"
#include "wasmd/limits.h"

#define ZYGOTE_FDS (LIM_GUEST_FDS + 256u) /* what a worker may be granted, and to spare */

/* The zygote's own domain: nothing that instances are granted later. */
int zygote_lock(uint32_t degraded, struct err *e)
{
	static const int keep[] = { 0, 1, 2, ZYGOTE_CHANNEL_FD, ZYGOTE_MODULE_FD };
	static const struct confine_limit limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NOFILE, ZYGOTE_FDS },
	};
	const struct landlock_domain domain = {
		.fs = LL_FS_EXECUTE | LL_FS_MAKE_CHAR | LL_FS_MAKE_BLOCK | LL_FS_IOCTL_DEV,
		.net = LL_NET_TCP,
		.scoped = LL_SCOPES,
	};
	struct confine c = {
		.role = ROLE_ZYGOTE,
		.keep = keep,
		.n_keep = ARRAY_LEN(keep),
		.limits = limits,
		.n_limits = ARRAY_LEN(limits),
		.empty_root = true,
		.drop_caps = true,
		.domain = &domain,
		.degraded = degraded,
	};

	if (confine_filter(ZYGOTE_FILTER_FD, &c.filter, e) < 0)
		return e->code;
	return confine(&c, e);
}
