/*
 * The counting layer over the kernel: see sys.h. Deliberately without any
 * judgement of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include "vm/wasi/sys.h"
#include "wasmd/attack.h"

/* Counts the call that @r is the answer of. */
static int64_t counted(struct wasi *w, int64_t r)
{
	w->use.syscalls++;
	return r < 0 ? -errno : r;
}

/* One name that is not followed has nowhere to lead to: asking the kernel to
 * watch the way costs a twentieth of the open. */
static uint64_t resolve_flags(const char *path)
{
	if (strchr(path, '/') == NULL && strcmp(path, "..") != 0)
		return 0;
	return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
}

int64_t sys_open(struct wasi *w, int dir, const char *path, int flags, unsigned mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = mode,
		.resolve = resolve_flags(path),
	};

	if (attack_off(ATTACK_WASI))
		how = (struct open_how){ .flags = (uint64_t)(unsigned)flags, .mode = mode };
	return counted(w, syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

int64_t sys_close(struct wasi *w, int fd)
{
	return counted(w, close(fd));
}

int64_t sys_stat(struct wasi *w, int fd, struct stat *st)
{
	return counted(w, fstatat(fd, "", st, AT_EMPTY_PATH));
}

int64_t sys_stat_at(struct wasi *w, int dir, const char *name, struct stat *st)
{
	return counted(w, fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW));
}

int64_t sys_readlink(struct wasi *w, int dir, const char *name, char *buf, size_t size)
{
	return counted(w, readlinkat(dir, name, buf, size));
}

int64_t sys_times(struct wasi *w, int fd, const struct timespec ts[2])
{
	return counted(w, utimensat(fd, "", ts, AT_EMPTY_PATH));
}

int64_t sys_times_at(struct wasi *w, int dir, const char *name, const struct timespec ts[2])
{
	return counted(w,
		       utimensat(dir, name, ts, attack_off(ATTACK_WASI) ? 0 : AT_SYMLINK_NOFOLLOW));
}

int64_t sys_mkdir(struct wasi *w, int dir, const char *name)
{
	return counted(w, mkdirat(dir, name, 0777));
}

int64_t sys_link(struct wasi *w, int dir, const char *name, int to_dir, const char *to)
{
	return counted(
		w, linkat(dir, name, to_dir, to, attack_off(ATTACK_WASI) ? AT_SYMLINK_FOLLOW : 0));
}

int64_t sys_unlink(struct wasi *w, int dir, const char *name, int flags)
{
	return counted(w, unlinkat(dir, name, flags));
}

int64_t sys_rename(struct wasi *w, int dir, const char *name, int to_dir, const char *to)
{
	return counted(w, syscall(SYS_renameat2, dir, name, to_dir, to, 0));
}

int64_t sys_symlink(struct wasi *w, const char *target, int dir, const char *name)
{
	return counted(w, symlinkat(target, dir, name));
}

int64_t sys_seek(struct wasi *w, int fd, int64_t offset, int whence)
{
	return counted(w, lseek(fd, offset, whence));
}

int64_t sys_getdents(struct wasi *w, int fd, void *buf, size_t size)
{
	return counted(w, syscall(SYS_getdents64, fd, buf, size));
}

/* One buffer, as nearly every guest passes it, needs no list to be copied in. */
int64_t sys_readv(struct wasi *w, int fd, const struct iovec *iov, int n)
{
	if (n == 1)
		return counted(w, read(fd, iov->iov_base, iov->iov_len));
	return counted(w, readv(fd, iov, n));
}

int64_t sys_writev(struct wasi *w, int fd, const struct iovec *iov, int n)
{
	if (n == 1)
		return counted(w, write(fd, iov->iov_base, iov->iov_len));
	return counted(w, writev(fd, iov, n));
}

int64_t sys_preadv(struct wasi *w, int fd, const struct iovec *iov, int n, int64_t at)
{
	return counted(w, preadv(fd, iov, n, at));
}

int64_t sys_pwritev(struct wasi *w, int fd, const struct iovec *iov, int n, int64_t at)
{
	return counted(w, pwritev(fd, iov, n, at));
}

int64_t sys_allocate(struct wasi *w, int fd, int64_t at, int64_t len)
{
	return counted(w, fallocate(fd, 0, at, len));
}

/* posix_fadvise answers an errno, not -1. */
int64_t sys_advise(struct wasi *w, int fd, int64_t at, int64_t len, int advice)
{
	w->use.syscalls++;
	return -posix_fadvise(fd, at, len, advice);
}

int64_t sys_truncate(struct wasi *w, int fd, int64_t size)
{
	return counted(w, ftruncate(fd, size));
}

int64_t sys_sync(struct wasi *w, int fd)
{
	return counted(w, fsync(fd));
}

int64_t sys_datasync(struct wasi *w, int fd)
{
	return counted(w, fdatasync(fd));
}

int64_t sys_get_flags(struct wasi *w, int fd)
{
	return counted(w, fcntl(fd, F_GETFL));
}

int64_t sys_set_flags(struct wasi *w, int fd, int flags)
{
	return counted(w, fcntl(fd, F_SETFL, flags));
}

int64_t sys_clock(struct wasi *w, clockid_t id, struct timespec *ts)
{
	return counted(w, clock_gettime(id, ts));
}

int64_t sys_clock_res(struct wasi *w, clockid_t id, struct timespec *ts)
{
	return counted(w, clock_getres(id, ts));
}

int64_t sys_yield(struct wasi *w)
{
	return counted(w, sched_yield());
}

int64_t sys_random(struct wasi *w, void *buf, size_t len)
{
	return counted(w, getrandom(buf, len, 0));
}

int64_t sys_recv(struct wasi *w, int fd, struct msghdr *m, int flags)
{
	return counted(w, recvmsg(fd, m, flags | MSG_CMSG_CLOEXEC));
}

int64_t sys_send(struct wasi *w, int fd, const struct msghdr *m, int flags)
{
	return counted(w, sendmsg(fd, m, flags | MSG_NOSIGNAL));
}

int64_t sys_accept(struct wasi *w, int fd)
{
	return counted(w, accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

int64_t sys_listens(struct wasi *w, int fd)
{
	int is = 0;
	socklen_t len = sizeof(is);
	int64_t rc = counted(w, getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &len));

	return rc < 0 ? rc : is;
}

int64_t sys_shutdown(struct wasi *w, int fd, int how)
{
	return counted(w, shutdown(fd, how));
}

int64_t sys_poll(struct wasi *w, struct pollfd *p, nfds_t n, const struct timespec *timeout)
{
	return counted(w, ppoll(p, n, timeout, &w->wait_mask));
}
