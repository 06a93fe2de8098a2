/*
 * A short process with the tenant's identity that opens one directory. What
 * the tenant cannot open, nobody opens for them.
 */
#ifndef DAEMON_LOCKED_OPENER_H
#define DAEMON_LOCKED_OPENER_H

#include "daemon/locked/confine.h"

struct opener {
	const char *path; /* absolute */
	int channel;	  /* answers with opener_done here */
	struct confine_identity who;
	struct sock_fprog filter;
	uint32_t degraded;
};

/* In the child of a fork: confines itself, opens, answers, ends. */
_Noreturn void opener_run(const struct opener *o);

#endif
