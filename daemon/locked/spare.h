/*
 * Forked ahead: children of a zygote that are shut in as far as can be without
 * a task, and wait for one start message each. Each is used once.
 */
#ifndef DAEMON_LOCKED_SPARE_H
#define DAEMON_LOCKED_SPARE_H

#include <sys/types.h>

#include "daemon/locked/worker.h"

#define SPARES_MAX 8u

struct spare {
	pid_t pid;
	int channel; /* our end */
};

struct spares {
	struct spare at[SPARES_MAX];
	uint32_t n, want;	     /* want: how many are kept, more by use */
	uint64_t fork_at, shrink_at; /* when the next may be forked, all but one let go */
};

/* One more child that waits. 0 or -errno. */
MUST_CHECK int spares_fork(struct spares *s, const struct guest *g);

/* Hands @m to the one that waits longest, or to one forked now; its pid, or
 * -errno: neither could be. */
pid_t spares_start(struct spares *s, const struct guest *g, struct ipc_msg *m);

/* ns until the next one is to be forked or let go; UINT64_MAX: never. */
uint64_t spares_due(const struct spares *s, uint64_t now);
/* Does what is due. */
void spares_keep(struct spares *s, const struct guest *g, uint64_t now);

/* @pid was reaped; true when it was one of these. */
bool spares_reaped(struct spares *s, pid_t pid);

#endif
