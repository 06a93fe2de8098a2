/*
 * The order of confinement, once. Each step says why it stands where it does.
 */
#include "daemon/locked/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "daemon/slot.h"
#include "wasmd/attack.h"
#include "wasmd/limits.h"
#include "wasmd/policy.h"

#define FILTER_MAX     4096u /* instructions; the kernel's BPF_MAXINSNS */
#define FD_CHECK_BATCH 256u  /* descriptors looked at in one poll */

static int failed(const char *what, struct err *e)
{
	return err_set(e, ERR_ISOLATION, "%s: %s", what, strerror(errno));
}

/* Asks the kernel that each of the @n descriptors in @look is closed. */
static int all_closed(struct pollfd *look, nfds_t n, struct err *e)
{
	if (poll(look, n, 0) != (int)n)
		return err_set(e, ERR_ISOLATION, "a descriptor is open that should not be");
	for (nfds_t i = 0; i < n; i++)
		if (look[i].revents != POLLNVAL)
			return err_set(e, ERR_ISOLATION, "descriptor %d should be closed",
				       look[i].fd);
	return 0;
}

/* The table is exactly keep: asked of the kernel, for there is no /proc. */
static int check_fds(const struct confine *c, struct err *e)
{
	struct pollfd look[FD_CHECK_BATCH];
	struct rlimit lim;
	size_t k = 0;
	nfds_t n = 0;

	for (size_t i = 0; i < c->n_keep; i++)
		if (fcntl(c->keep[i], F_GETFD) < 0)
			return err_set(e, ERR_ISOLATION, "descriptor %d should be open",
				       c->keep[i]);
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return failed("getrlimit", e);
	for (int fd = 0; (rlim_t)fd < lim.rlim_cur; fd++) {
		if (k < c->n_keep && c->keep[k] == fd) {
			k++;
			continue;
		}
		look[n++] = (struct pollfd){ .fd = fd };
		if (n == FD_CHECK_BATCH && all_closed(look, n, e) < 0)
			return e->code;
		n %= FD_CHECK_BATCH;
	}
	return all_closed(look, n, e);
}

static int close_others(const struct confine *c, struct err *e)
{
	unsigned from = 0;

	if (c->keep == NULL)
		return 0;
	for (size_t i = 0; i <= c->n_keep; i++) {
		unsigned to = i < c->n_keep ? (unsigned)c->keep[i] : ~0u;

		if (to > from && close_range(from, i < c->n_keep ? to - 1 : to, 0) < 0)
			return failed("closing descriptors", e);
		from = to + 1;
	}
	return c->role == ROLE_WORKER ? check_fds(c, e) : 0;
}

static int set_limits(const struct confine *c, struct err *e)
{
	for (size_t i = 0; i < c->n_limits; i++) {
		struct rlimit now, want = { c->limits[i].value, c->limits[i].value };

		if (getrlimit(c->limits[i].resource, &now) < 0)
			return failed("getrlimit", e);
		if (want.rlim_max > now.rlim_max)
			want.rlim_cur = want.rlim_max = now.rlim_max;
		if (setrlimit(c->limits[i].resource, &want) < 0)
			return failed("setrlimit", e);
	}
	return 0;
}

/* /proc is the one mount point that every system has. The old root is mounted
 * over by the new and then let go, so nothing of it can be named. */
static int empty_root(const struct confine *c, struct err *e)
{
	const unsigned long none = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (!c->empty_root)
		return 0;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return failed("making mounts private", e);
	if (mount("tmpfs", "/proc", "tmpfs", none, "size=4k,nr_inodes=2,mode=0555") < 0)
		return failed("an empty root", e);
	if (chdir("/proc") < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return failed("pivoting to the empty root", e);
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return failed("letting go of the old root", e);
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | none, NULL) < 0)
		return failed("making the empty root read-only", e);
	return 0;
}

static int become(const struct confine *c, struct err *e)
{
	const struct confine_identity *id = c->become;

	if (id == NULL)
		return 0;
	if (!id->keep_groups && setgroups(id->n_groups, id->groups) < 0)
		return failed("setgroups", e);
	if (setresgid(id->gid, id->gid, id->gid) < 0)
		return failed("setresgid", e);
	if (setresuid(id->uid, id->uid, id->uid) < 0)
		return failed("setresuid", e);
	return 0;
}

static int drop_caps(const struct confine *c, struct err *e)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (!c->drop_caps)
		return 0;
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM)
			return failed("dropping the bounding set", e);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return failed("dropping ambient capabilities", e);
	if (syscall(SYS_capset, &head, none) < 0)
		return failed("dropping capabilities", e);
	/* Nobody of the same uid looks into a locked process. */
	return prctl(PR_SET_DUMPABLE, 0) < 0 ? failed("PR_SET_DUMPABLE", e) : 0;
}

static int no_new_privs(const struct confine *c, struct err *e)
{
	(void)c;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("PR_SET_NO_NEW_PRIVS", e);
	return 0;
}

static int enter_domain(const struct confine *c, struct err *e)
{
	return c->domain != NULL ? landlock_enter(c->domain, e) : 0;
}

static int lock_syscalls(const struct confine *c, struct err *e)
{
	if (c->filter.len == 0)
		return 0;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &c->filter) < 0) {
		(void)failed("installing the seccomp filter", e);
		return err_hint(e, "this kernel must have CONFIG_SECCOMP_FILTER");
	}
	return 0;
}

/*
 * descriptors  first: what is not open cannot be misused by a later mistake,
 *              and limits on descriptors count only what stays
 * limits       while the role still may set them
 * root         namespaces came at birth (clone3); the root needs their
 *              capabilities, so before those go
 * identity     before the capabilities that changing it takes
 * capabilities nothing below needs any
 * no new privs Landlock and seccomp demand it of the unprivileged
 * domain       its system calls are not in every filter
 * filter       last: it forbids what all above used
 */
static const struct step {
	const char *what;
	int (*take)(const struct confine *c, struct err *e);
	uint32_t fence;	       /* may be missing when the operator says so */
	int8_t step;	       /* enum slot_step that ends with it, or -1 */
	enum attack_fence off; /* what test builds may leave out */
} steps[] = {
	{ "descriptors", close_others, 0, STEP_FDS, ATTACK_NOTHING },
	{ "limits", set_limits, POLICY_FENCE_RLIMITS, STEP_LIMITS, ATTACK_LIMITS },
	{ "root", empty_root, 0, -1, ATTACK_MOUNTS },
	{ "identity", become, 0, -1, ATTACK_NOTHING },
	{ "capabilities", drop_caps, 0, -1, ATTACK_CAPABILITIES },
	{ "no new privileges", no_new_privs, 0, -1, ATTACK_NOTHING },
	{ "landlock", enter_domain, POLICY_FENCE_LANDLOCK, STEP_DOMAIN, ATTACK_LANDLOCK },
	{ "seccomp", lock_syscalls, POLICY_FENCE_SECCOMP, STEP_FILTER, ATTACK_SECCOMP },
};

static void tick(const struct confine *c, int8_t step)
{
	struct timespec ts = { 0 };

	if (c->step_ns == NULL || step < 0)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	c->step_ns[step] = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int confine(const struct confine *c, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct err mine = { 0 };

		if (attack_off(steps[i].off) || steps[i].take(c, &mine) == 0 ||
		    (steps[i].fence & c->degraded) != 0) {
			tick(c, steps[i].step);
			continue;
		}
		(void)err_prefix(&mine, "confining a %s, %s", role_name(c->role), steps[i].what);
		*e = e->code == 0 ? mine : *e;
		return e->code;
	}
	return 0;
}

int confine_filter(int fd, struct sock_fprog *ret, struct err *e)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0 || st.st_size <= 0 ||
	    (size_t)st.st_size % sizeof(struct sock_filter) != 0 ||
	    (size_t)st.st_size / sizeof(struct sock_filter) > FILTER_MAX)
		return err_set(e, ERR_PEER, "the seccomp filter has no filter's size");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_set(e, ERR_PEER, "the seccomp filter: %s", strerror(errno));
	ret->len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	ret->filter = p;
	return 0;
}
