/*
 * The opener. Parses nothing: the kernel resolves the path.
 */
#include "daemon/locked/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "daemon/ipc.h"

/* O_PATH asks for no right to the directory itself: so that is asked for. A
 * grant of what its owner cannot list would only fail later, file by file. */
static int open_dir(const char *path)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd >= 0 && syscall(SYS_faccessat2, fd, "", R_OK | X_OK, AT_EMPTY_PATH) < 0)
		return -1;
	return fd;
}

_Noreturn void opener_run(const struct opener *o)
{
	const struct confine_limit limits[] = { { RLIMIT_CORE, 0 },
						{ RLIMIT_NPROC, 0 },
						{ RLIMIT_FSIZE, 0 } };
	struct confine c = {
		.role = ROLE_OPENER,
		.keep = &o->channel,
		.n_keep = 1,
		.limits = limits,
		.n_limits = ARRAY_LEN(limits),
		.become = &o->who,
		.drop_caps = true,
		.filter = o->filter,
		.degraded = o->degraded,
	};
	struct msg_opener_done done = { 0 };
	struct err e = { 0 };
	int fd = -1;

	if (confine(&c, &e) < 0)
		done.error = ENOTRECOVERABLE;
	else if ((fd = open_dir(o->path)) < 0)
		done.error = errno;
	_exit(ipc_send(o->channel, IPC_opener_done, &done, &fd, fd >= 0) < 0);
}
