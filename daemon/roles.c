/*
 * Columns of syscalls.def as lists.
 */
#include "daemon/roles.h"

#include <stddef.h>

#include "daemon/syscalls.def"

#ifdef WASMD_SANITIZED
#define ROWS(ALLOW) WASMD_SYSCALLS(ALLOW) WASMD_SYSCALLS_SANITIZED(ALLOW)
#else
#define ROWS(ALLOW) WASMD_SYSCALLS(ALLOW)
#endif

/* A row's column holds the role's letter, or _ : nothing. */
#define COL__(name)
#define COL_P(name) name,
#define COL_F(name) name,
#define COL_Z(name) name,
#define COL_W(name) name,
#define COL_O(name) name,

static const char *const priv_calls[] = {
#define ALLOW(name, p, f, z, w, o, why) COL_##p(#name)
	ROWS(ALLOW) NULL
#undef ALLOW
};

static const char *const front_calls[] = {
#define ALLOW(name, p, f, z, w, o, why) COL_##f(#name)
	ROWS(ALLOW) NULL
#undef ALLOW
};

static const char *const zygote_calls[] = {
#define ALLOW(name, p, f, z, w, o, why) COL_##z(#name)
	ROWS(ALLOW) NULL
#undef ALLOW
};

static const char *const worker_calls[] = {
#define ALLOW(name, p, f, z, w, o, why) COL_##w(#name)
	ROWS(ALLOW) NULL
#undef ALLOW
};

static const char *const opener_calls[] = {
#define ALLOW(name, p, f, z, w, o, why) COL_##o(#name)
	ROWS(ALLOW) NULL
#undef ALLOW
};

const char *const *roles_syscalls(enum role role)
{
	switch (role) {
	case ROLE_PRIV:
		return priv_calls;
	case ROLE_FRONT:
		return front_calls;
	case ROLE_ZYGOTE:
		return zygote_calls;
	case ROLE_WORKER:
		return worker_calls;
	case ROLE_OPENER:
		return opener_calls;
	}
	return NULL;
}

const char *role_name(enum role role)
{
	switch (role) {
#define ROLE(name, bit, what) \
	case ROLE_##name:     \
		return #name;
		WASMD_ROLES(ROLE)
#undef ROLE
	}
	return "?";
}
