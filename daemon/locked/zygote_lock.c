/*
 * How a zygote confines itself, before it reads its module.
 */
#include <sys/resource.h>

#include "daemon/locked/confine.h"
#include "daemon/locked/zygote.h"
#include "wasmd/limits.h"

/* What a worker may be granted, what is kept for a later front, and to spare. */
#define ZYGOTE_FDS (LIM_GUEST_FDS + 3u * LIM_ZYGOTE_LIVES + 256u)

/* No Landlock domain of the zygote's own: Landlock denies a rename from one
 * directory to another in every layer that does not grant it, even in one that
 * handles no file right at all (ABI 7: EXDEV), and a layer made here could
 * grant it for no mount that is yet to come. Each worker enters its own. */
int zygote_lock(uint32_t degraded, struct err *e)
{
	static const int keep[] = { 0, 1, 2, ZYGOTE_CHANNEL_FD, ZYGOTE_MODULE_FD, ZYGOTE_HOME_FD };
	static const struct confine_limit limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NOFILE, ZYGOTE_FDS },
	};
	struct confine c = {
		.role = ROLE_ZYGOTE,
		.keep = keep,
		.n_keep = ARRAY_LEN(keep),
		.limits = limits,
		.n_limits = ARRAY_LEN(limits),
		.empty_root = true,
		.drop_caps = true,
		.degraded = degraded,
	};

	if (confine_filter(ZYGOTE_FILTER_FD, &c.filter, e) < 0)
		return e->code;
	return confine(&c, e);
}
