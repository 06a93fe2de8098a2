/*
 * How priv starts a zygote: `wasmd-zygote DEGRADED` with these descriptors
 * and no others, in fresh namespaces, as the tenant's private uid.
 */
#ifndef DAEMON_LOCKED_ZYGOTE_H
#define DAEMON_LOCKED_ZYGOTE_H

enum {
	ZYGOTE_CHANNEL_FD = 3, /* 0, 1, 2 are /dev/null */
	ZYGOTE_MODULE_FD,
	ZYGOTE_FILTER_FD,
	ZYGOTE_N_FDS,
};

#endif
