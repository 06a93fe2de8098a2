/*
 * What an instance is told: arguments and environment, as one sealed memfd
 * written by the front and read by the worker, bounds-checked.
 * Format: u32 version, u32 n_args, u32 n_env, then the NUL-terminated strings.
 */
#ifndef DAEMON_TASK_H
#define DAEMON_TASK_H

#include <stddef.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

struct task {
	const char **args, **env; /* NULL-terminated; point into bytes */
	void *bytes;
};

/* A sealed memfd with these NULL-terminated lists. ERR_LIMIT, ERR_IO. */
MUST_CHECK int task_write(const char *const *args, const char *const *env, int *ret_fd,
			  struct err *e);
/* Reads @fd (stays open). ERR_PEER when it is not what task_write makes. */
MUST_CHECK int task_read(int fd, struct task *ret, struct err *e);
void task_done(struct task *t);

/* A memfd of these bytes, sealed against every change. */
MUST_CHECK int sealed_memfd(const char *name, const void *bytes, size_t len, int *ret_fd);

#endif
