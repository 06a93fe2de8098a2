/*
 * The vocabulary that the daemon and its clients share: routes, causes,
 * states. The shapes of requests and answers are in docs/api.md.
 */
#ifndef WASMD_API_H
#define WASMD_API_H

#include "wasmd/api.def"
#include "wasmd/causes.def"

#define WASMD_API_VERSION    1
#define WASMD_SOCKET_ENV     "WASMD_SOCKET"
#define WASMD_SOCKET_DEFAULT "/run/wasmd/wasmd.sock"
#define WASMD_TENANT_HEADER  "Wasmd-Tenant"
#define WASMD_UPGRADE	     "wasmd-stdio"
#define WASMD_UPGRADE_STREAM "wasmd-stream"

enum cause {
#define CAUSE(name, wire, status, text) CAUSE_##name,
	WASMD_CAUSES(CAUSE)
#undef CAUSE
		CAUSE_COUNT,
};

struct cause_info {
	const char *wire, *text;
	int status;
};

static inline struct cause_info cause_info(enum cause c)
{
	static const struct cause_info rows[] = {
#define CAUSE(name, wire, status, text) [CAUSE_##name] = { wire, text, status },
		WASMD_CAUSES(CAUSE)
#undef CAUSE
	};

	return (unsigned)c < CAUSE_COUNT ? rows[c] : rows[CAUSE_LOST];
}

#endif
