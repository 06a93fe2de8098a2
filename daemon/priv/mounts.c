/*
 * Directories as detached mounts: a worker gets the root of a mount, so that
 * `..` ends there and read-only is the kernel's word.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/priv/priv.h"
#include "wasmd/attack.h"

#define TMPFS_INODES 64u /* of a tmpfs, beside one for each 4 KiB: empty files cost memory too */

#define FLAGS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* The kernel's struct mount_attr; the libc's header has it twice over. */
struct attr {
	uint64_t set, clear, propagation, userns;
};

static int set_attr(int mnt, bool write, int idmap, unsigned recursive)
{
	struct attr a = { .set = FLAGS | (write ? 0 : MOUNT_ATTR_RDONLY) };

	if (idmap >= 0) {
		a.set |= MOUNT_ATTR_IDMAP;
		a.userns = (uint64_t)idmap;
	}
	return (int)syscall(SYS_mount_setattr, mnt, "", AT_EMPTY_PATH | recursive, &a, sizeof(a));
}

/* An ordinary user's namespace may not take a tree apart: then all of it. */
static int clone_tree(int dir, unsigned *ret_recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
	int fd = (int)syscall(SYS_open_tree, dir, "", flags);

	*ret_recursive = 0;
	if (fd >= 0 || errno != EINVAL)
		return fd;
	*ret_recursive = AT_RECURSIVE;
	return (int)syscall(SYS_open_tree, dir, "", flags | AT_RECURSIVE);
}

int mounts_detach(int dir, bool write, int idmap, int *ret_fd, struct err *e)
{
	unsigned recursive;
	CLEANUP(close_p) int fd = clone_tree(dir, &recursive);

	if (attack_off(ATTACK_MOUNTS)) {
		*ret_fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);
		return 0;
	}
	if (fd < 0)
		return err_set(e, ERR_ISOLATION, "cloning the mount: %s", strerror(errno));
	if (set_attr(fd, write, idmap, recursive) < 0) {
		(void)err_set(e, ERR_ISOLATION, "%s: %s",
			      idmap >= 0 ? "its file system takes no id-mapped mount"
					 : "restricting the mount",
			      strerror(errno));
		return err_hint(e, "grant a directory on ext4, xfs, btrfs or tmpfs");
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

static int set_number(int fs, const char *key, uint32_t v, const char *unit)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%u%s", v, unit);
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, text, 0);
}

int mounts_tmpfs(uint32_t kib, uid_t uid, gid_t gid, int *ret_fd, struct err *e)
{
	CLEANUP(close_p) int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || set_number(fs, "size", kib, "k") < 0 ||
	    set_number(fs, "nr_inodes", kib / 4 + TMPFS_INODES, "") < 0 ||
	    set_number(fs, "uid", uid, "") < 0 || set_number(fs, "gid", gid, "") < 0 ||
	    set_number(fs, "mode", 700, "") < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_set(e, ERR_ISOLATION, "a tmpfs: %s", strerror(errno));
	fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, FLAGS);
	if (fd < 0)
		return err_set(e, ERR_ISOLATION, "mounting a tmpfs: %s", strerror(errno));
	*ret_fd = fd;
	return 0;
}

/* Opens @pid's user namespace once its maps are written. */
static int mapped_userns(pid_t pid, uid_t uid, gid_t gid, uid_t to, int *ret_fd, struct err *e)
{
	char path[40];
	int fd;

	if (spawn_map(pid, "uid_map", uid, to, e) < 0 || spawn_map(pid, "gid_map", gid, to, e) < 0)
		return e->code;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, ERR_ISOLATION, "%s: %s", path, strerror(errno));
	*ret_fd = fd;
	return 0;
}

int mounts_idmap(uid_t uid, gid_t gid, uid_t to, int *ret_fd, struct err *e)
{
	CLEANUP(close_p) int pidfd = -1;
	pid_t pid = spawn_clone(CLONE_NEWUSER, &pidfd);
	int r;

	if (pid == 0)
		for (;;)
			(void)poll(NULL, 0, -1); /* lives only to own the namespace */
	if (pid < 0)
		return err_set(e, ERR_ISOLATION, "a user namespace: %s", strerror(errno));
	r = mapped_userns(pid, uid, gid, to, ret_fd, e);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return r;
}
