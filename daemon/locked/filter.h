/*
 * A role's seccomp filter, made from syscalls.def and gate.def by libseccomp.
 * Default: the process is killed. Other architectures, x32 and 32-bit entry:
 * killed. Once locked no memory is made executable.
 */
#ifndef DAEMON_LOCKED_FILTER_H
#define DAEMON_LOCKED_FILTER_H

#include <linux/filter.h>

#include "daemon/roles.h"
#include "wasmd/cleanup.h"
#include "wasmd/err.h"

/* The filter of @role as a sealed memfd of struct sock_filter. ERR_ISOLATION. */
MUST_CHECK int filter_memfd(enum role role, int *ret_fd, struct err *e);

#endif
