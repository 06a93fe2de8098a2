/*
 * How priv starts a zygote: `wasmd-zygote DEGRADED CPU_S WALL_S MIB` with these
 * descriptors and no others, in fresh namespaces, as the tenant's private uid.
 * The last three bound the loading of its module (struct config_compile).
 */
#ifndef DAEMON_LOCKED_ZYGOTE_H
#define DAEMON_LOCKED_ZYGOTE_H

#include <stdint.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

enum {
	ZYGOTE_CHANNEL_FD = 3, /* 0, 1, 2 are /dev/null */
	ZYGOTE_MODULE_FD,
	ZYGOTE_FILTER_FD,
	ZYGOTE_HOME_FD, /* bound, in a directory of priv's alone: where a later daemon calls */
	ZYGOTE_N_FDS,
};

/* The whole descent, from a fresh exec. ERR_ISOLATION. */
MUST_CHECK int zygote_lock(uint32_t degraded, struct err *e);

#endif
