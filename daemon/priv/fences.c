/*
 * Which fences stand: asked of the kernel, never taken from our intentions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "daemon/locked/landlock.h"
#include "daemon/priv/priv.h"
#include "wasmd/policy.h"

static void missing(struct msg_priv_fences *f, const char *sentence)
{
	size_t n = strlen(f->missing);

	(void)snprintf(f->missing + n, sizeof(f->missing) - n, "%s%s", n > 0 ? "; " : "", sentence);
}

static bool have_seccomp(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static bool have_cgroup(void)
{
	CLEANUP(close_p) int fd = open("/sys/fs/cgroup/cgroup.controllers", O_RDONLY | O_CLOEXEC);
	char c;

	return fd >= 0 && read(fd, &c, 1) == 1 && c != '\n';
}

/* Not a fence of its own: without it directories on @dir's file system cannot
 * be granted by a root daemon. */
static bool have_idmap(const char *dir)
{
	CLEANUP(close_p) int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close_p) int userns = -1;
	CLEANUP(close_p) int mnt = -1;
	struct err e = { 0 };

	return at >= 0 && mounts_idmap(65534, 65534, PRIV_UID_BASE, &userns, &e) == 0 &&
	       mounts_detach(at, false, userns, &mnt, &e) == 0;
}

void fences_probe(struct priv *p, const char *state_dir)
{
	struct msg_priv_fences *f = &p->fences;
	struct err e = { 0 };

	f->privileged = p->privileged;
	f->landlock_abi = (uint32_t)landlock_abi();
	f->stand = POLICY_FENCE_RLIMITS;
	if (have_seccomp())
		f->stand |= POLICY_FENCE_SECCOMP;
	else
		missing(f, "seccomp: the kernel has no filters that kill");
	if (f->landlock_abi > 0)
		f->stand |= POLICY_FENCE_LANDLOCK;
	else
		missing(f, "landlock: not among the kernel's security modules (boot with "
			   "lsm=landlock,...)");
	if (spawn_probe(p, &e) == 0)
		f->stand |= POLICY_FENCE_NAMESPACES;
	else
		missing(f, e.msg);
	if (have_cgroup())
		f->stand |= POLICY_FENCE_CGROUP;
	else
		missing(f, "cgroup: no version 2 controllers");
	if (p->privileged && !have_idmap(state_dir))
		missing(f, "no id-mapped mounts on the state directory's file system");
}
