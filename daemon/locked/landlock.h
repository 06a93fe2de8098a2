/*
 * A Landlock domain: what is handled is denied unless a rule grants it.
 */
#ifndef DAEMON_LOCKED_LANDLOCK_H
#define DAEMON_LOCKED_LANDLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

/* May be newer than the installed header; the kernel's ABI is asked. */
#define LL_NET_TCP (3ull) /* bind, connect */
#define LL_SCOPES  (3ull) /* abstract sockets, signals */

struct landlock_rule {
	int dir;	 /* rights hold below this directory */
	uint64_t access; /* LANDLOCK_ACCESS_FS_* */
};

struct landlock_domain {
	uint64_t fs, net, scoped; /* handled; what the kernel is too old for is left out */
	const struct landlock_rule *rules;
	size_t n_rules;
};

/* The kernel's Landlock ABI, 0 when there is none. */
int landlock_abi(void);

/* Enters @d for good. Needs no_new_privs. ERR_ISOLATION. */
MUST_CHECK int landlock_enter(const struct landlock_domain *d, struct err *e);

#endif
