/*
 * One daemon at a time: the state directory's lock, and the socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/priv/priv.h"

#define LISTEN_FD     3 /* as sd_listen_fds(3) has it */
#define BACKLOG	      512
#define STALE_TRIES   100 /* a busy machine: a front takes its time to end */
#define STALE_WAIT_US 50000

/* The pid that the holder wrote, for the sentence. */
static int already_running(int lock, const char *dir, struct err *e)
{
	char pid[16] = "?";
	ssize_t n = pread(lock, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 1] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	(void)err_set(e, ERR_EXISTS, "a daemon is already running with %s (pid %s)", dir, pid);
	return err_hint(e, "stop it, or give this one its own --state and --socket");
}

static int take_lock(int dir, const char *name, int *ret_lock, struct err *e)
{
	CLEANUP(close_p)
	int fd = openat(dir, "wasmd.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d\n", getpid());

	if (fd < 0)
		return err_set(e, ERR_IO, "%s/wasmd.lock: %s", name, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return already_running(fd, name, e);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
		return err_set(e, ERR_IO, "%s/wasmd.lock: %s", name, strerror(errno));
	*ret_lock = fd_take(&fd);
	return 0;
}

/* @dir, and what of the way to it is missing; the last one is ours alone. */
static int make_way(const char *dir, struct err *e)
{
	CLEANUP(free_p) char *path = strdup(dir);

	if (path == NULL)
		return err_nomem(e);
	for (char *s = strchr(path + 1, '/'); s != NULL; s = strchr(s + 1, '/')) {
		*s = '\0';
		(void)mkdir(path, 0755); /* what is wrong shows below */
		*s = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(e, ERR_IO, "making %s: %s", dir, strerror(errno));
	return 0;
}

int listen_state(const char *dir, uid_t uid, gid_t gid, int *ret_dir, int *ret_lock, struct err *e)
{
	CLEANUP(close_p) int fd = -1;

	if (make_way(dir, e) < 0)
		return e->code;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, ERR_IO, "%s: %s", dir, strerror(errno));
	if (take_lock(fd, dir, ret_lock, e) < 0)
		return e->code;
	if (geteuid() == 0 && fchown(fd, uid, gid) < 0)
		return err_set(e, ERR_IO, "giving %s to uid %u: %s", dir, uid, strerror(errno));
	*ret_dir = fd_take(&fd);
	return 0;
}

bool listen_passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	int is = 0;
	socklen_t len = sizeof(is);

	return pid != NULL && n != NULL && strtol(pid, NULL, 10) == getpid() &&
	       strcmp(n, "1") == 0 &&
	       getsockopt(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &is, &len) == 0 && is != 0;
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* 0 when somebody listens there, else the errno. */
static int try_connect(const struct sockaddr_un *a)
{
	CLEANUP(close_p) int fd = new_socket();

	return fd < 0 || connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 ? errno : 0;
}

/* A socket file whose daemon is gone is removed; one that answers is not. We
 * hold the lock: if our own predecessor was killed, its front is just ending. */
static int clear_stale(const struct sockaddr_un *a, struct err *e)
{
	int error = 0;
	struct stat st;

	if (lstat(a->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_EXISTS, "%s is there and no socket", a->sun_path);
	for (int i = 0; i < STALE_TRIES && (error = try_connect(a)) == 0; i++)
		(void)usleep(STALE_WAIT_US);
	if (error == 0 || error == EAGAIN) {
		(void)err_set(e, ERR_EXISTS, "a daemon is already running at %s", a->sun_path);
		return err_hint(e, "stop it, or give this one its own --socket");
	}
	if (error == ECONNREFUSED)
		error = unlink(a->sun_path) < 0 ? errno : 0;
	if (error != 0)
		return err_set(e, ERR_IO, "the stale socket %s: %s", a->sun_path, strerror(error));
	return 0;
}

/* The folder of the socket, one level, as a tmpfiles.d would make it. */
static int make_folder(const char *path, struct err *e)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, ERR_IO, "making %s: %s", dir, strerror(errno));
	return 0;
}

static int set_access(const char *path, const struct config *c, uid_t uid, gid_t gid, struct err *e)
{
	if (c->socket_group != NULL) {
		const struct group *gr = getgrnam(c->socket_group);

		if (gr == NULL)
			return err_set(e, ERR_USAGE,
				       "configuration: socket_group: there is no group \"%s\"",
				       c->socket_group);
		gid = gr->gr_gid;
	}
	if ((geteuid() == 0 && chown(path, uid, gid) < 0) || chmod(path, c->socket_mode) < 0)
		return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	return 0;
}

static int bind_at(int fd, const struct sockaddr_un *a, struct err *e)
{
	mode_t old = umask(0177); /* closed to others until its mode is set */
	int r = bind(fd, (const struct sockaddr *)a, sizeof(*a));

	(void)umask(old);
	return r < 0 ? err_set(e, ERR_IO, "%s: %s", a->sun_path, strerror(errno)) : 0;
}

int listen_socket(const char *path, const struct config *c, uid_t uid, gid_t gid, int *ret_fd,
		  struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	CLEANUP(close_p) int fd = -1;

	if (listen_passed()) {
		*ret_fd = LISTEN_FD;
		return fcntl(LISTEN_FD, F_SETFD, FD_CLOEXEC) < 0
			       ? err_set(e, ERR_IO, "the passed socket: %s", strerror(errno))
			       : 0;
	}
	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(e, ERR_USAGE, "the socket's path is longer than %zu bytes",
			       sizeof(a.sun_path) - 1);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	fd = new_socket();
	if (fd < 0)
		return err_set(e, ERR_IO, "a socket: %s", strerror(errno));
	if (make_folder(path, e) < 0 || clear_stale(&a, e) < 0 || bind_at(fd, &a, e) < 0 ||
	    set_access(path, c, uid, gid, e) < 0)
		return e->code;
	if (listen(fd, BACKLOG) < 0)
		return err_set(e, ERR_IO, "listening at %s: %s", path, strerror(errno));
	*ret_fd = fd_take(&fd);
	return 0;
}
