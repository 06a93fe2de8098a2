/*
 * Every system call made on a guest's behalf, one function each, counted in
 * wasi_usage().syscalls. Each answers what the call answers, or -errno.
 * Nothing else in vm/wasi calls the kernel.
 */
#ifndef WASI_SYS_H
#define WASI_SYS_H

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "vm/wasi/wasi_priv.h"

/* Below @dir, following no link on the way nor at the end; close on exec. */
int64_t sys_open(struct wasi *w, int dir, const char *path, int flags, unsigned mode);
int64_t sys_close(struct wasi *w, int fd);
int64_t sys_stat(struct wasi *w, int fd, struct stat *st);
int64_t sys_stat_at(struct wasi *w, int dir, const char *name, struct stat *st);
int64_t sys_readlink(struct wasi *w, int dir, const char *name, char *buf, size_t size);
int64_t sys_times(struct wasi *w, int fd, const struct timespec ts[2]);
int64_t sys_times_at(struct wasi *w, int dir, const char *name, const struct timespec ts[2]);
int64_t sys_mkdir(struct wasi *w, int dir, const char *name);
int64_t sys_link(struct wasi *w, int dir, const char *name, int to_dir, const char *to);
int64_t sys_unlink(struct wasi *w, int dir, const char *name, int flags);
int64_t sys_rename(struct wasi *w, int dir, const char *name, int to_dir, const char *to);
int64_t sys_symlink(struct wasi *w, const char *target, int dir, const char *name);

int64_t sys_seek(struct wasi *w, int fd, int64_t offset, int whence);
int64_t sys_getdents(struct wasi *w, int fd, void *buf, size_t size);
int64_t sys_readv(struct wasi *w, int fd, const struct iovec *iov, int n);
int64_t sys_writev(struct wasi *w, int fd, const struct iovec *iov, int n);
int64_t sys_preadv(struct wasi *w, int fd, const struct iovec *iov, int n, int64_t at);
int64_t sys_pwritev(struct wasi *w, int fd, const struct iovec *iov, int n, int64_t at);
int64_t sys_allocate(struct wasi *w, int fd, int64_t at, int64_t len);
int64_t sys_advise(struct wasi *w, int fd, int64_t at, int64_t len, int advice);
int64_t sys_truncate(struct wasi *w, int fd, int64_t size);
int64_t sys_sync(struct wasi *w, int fd);
int64_t sys_datasync(struct wasi *w, int fd);
int64_t sys_get_flags(struct wasi *w, int fd);
int64_t sys_set_flags(struct wasi *w, int fd, int flags);

int64_t sys_clock(struct wasi *w, clockid_t id, struct timespec *ts);
int64_t sys_clock_res(struct wasi *w, clockid_t id, struct timespec *ts);
int64_t sys_yield(struct wasi *w);
int64_t sys_random(struct wasi *w, void *buf, size_t len);

int64_t sys_recv(struct wasi *w, int fd, struct msghdr *m, int flags);
int64_t sys_send(struct wasi *w, int fd, const struct msghdr *m, int flags);
int64_t sys_accept(struct wasi *w, int fd);
int64_t sys_listens(struct wasi *w, int fd); /* 1: it waits for connections */
int64_t sys_shutdown(struct wasi *w, int fd, int how);

/* Waits with the interrupting signal let in; @timeout NULL: without end. */
int64_t sys_poll(struct wasi *w, struct pollfd *p, nfds_t n, const struct timespec *timeout);

#endif
