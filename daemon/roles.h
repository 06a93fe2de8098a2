/*
 * Roles and the system calls that belong to each. Data only: whoever includes
 * this can look, not act.
 */
#ifndef DAEMON_ROLES_H
#define DAEMON_ROLES_H

#include "daemon/roles.def"

enum role {
#define ROLE(name, bit, what) ROLE_##name = (bit),
	WASMD_ROLES(ROLE)
#undef ROLE
};

/* Names of the system calls of @role's own rows, sorted, NULL-terminated.
 * That of ROLE_WORKER is the base for policy_compile. */
const char *const *roles_syscalls(enum role role);

const char *role_name(enum role role);

#endif
