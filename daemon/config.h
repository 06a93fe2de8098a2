/*
 * The administrator's word: who may use the daemon, as whom their instances
 * touch files, and the ceiling above every policy. One root-owned JSON file,
 * read by priv and, with the same code, by the front. Read once at the start.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"
#include "wasmd/limits.h"

#define CONFIG_DEFAULT_PATH "/etc/wasmd/wasmd.json"
#define CONFIG_STATE_DIR    "/var/lib/wasmd"
#define CONFIG_SELF_TENANT  "self" /* name when the user has none */

/* A host directory that this tenant's policies may name, with all below it. */
struct config_mount {
	char *host; /* absolute, normalised */
	bool write;
};

/* What loading one module may cost this tenant; none is 0. */
struct config_compile {
	uint32_t cpu_s, wall_s;
	uint32_t mib;	  /* of data, beside LIM_COMPILE_PER_BYTE */
	uint32_t at_once; /* modules being loaded */
};

struct config_tenant {
	char *name;
	uint32_t index; /* position in the file: the tenant's number */
	uid_t uid;	/* run-as; never 0 */
	gid_t gid;
	gid_t *groups; /* supplementary */
	size_t n_groups;
	uid_t *clients; /* uids that may act for it */
	size_t n_clients;
	struct config_mount *mounts; /* the ceiling */
	size_t n_mounts;
	bool fds; /* directories passed by clients are taken */
	struct config_compile compile;
};

struct config {
	struct config_tenant *tenants;
	size_t n_tenants;
	char *front_user; /* never NULL: "wasmd" */
	uint32_t socket_mode;
	char *socket_group; /* NULL: the front's own group */
	uint32_t degraded;  /* enum policy_fence bits that may be missing */
};

/* Parses @fd from its beginning (stays open). ERR_USAGE with the place. */
MUST_CHECK int config_read(int fd, struct config **ret, struct err *e);

/* What an ordinary user gets without a file: one tenant, themselves, whose
 * ceiling is `/` (they can open only what they can open). As root: no tenant. */
MUST_CHECK int config_default(uid_t uid, gid_t gid, struct config **ret, struct err *e);

/* As config_read when @fd holds anything, as config_default when it is empty:
 * what the front does with the descriptor that priv hands it. */
MUST_CHECK int config_read_or_default(int fd, struct config **ret, struct err *e);

struct config *config_free(struct config *c);

/* The tenant that @client acts for: the first that lists it, or the one named
 * @name if that lists it. NULL otherwise; a tenant that is not there and one
 * that is another's look the same. */
const struct config_tenant *config_tenant_for(const struct config *c, uid_t client,
					      const char *name);

/* "seccomp", ... -> its bit; 0 when there is no such fence. */
uint32_t config_fence(const char *name);

#endif
