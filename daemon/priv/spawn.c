/*
 * Births: namespaces, their maps, and the exec of a zygote.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/locked/zygote.h"
#include "daemon/priv/priv.h"
#include "wasmd/attack.h"

#define ZYGOTE_SPACES \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)
#define PROBE_TRIES 3
#define SCRATCH_FD  32 /* above every number a program starts with */

/* What the zygote's own confinement needs in its user namespace: mount an
 * empty root, drop the bounding set. Gone before it reads the module. */
#define ZYGOTE_CAPS ((1u << CAP_SYS_ADMIN) | (1u << CAP_SETPCAP))

pid_t spawn_clone(uint64_t flags, int *ret_pidfd)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid > 0)
		*ret_pidfd = pidfd;
	return pid;
}

static int write_file(const char *path, const char *text, struct err *e)
{
	CLEANUP(close_p) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_set(e, ERR_ISOLATION, "%s: %s", path, strerror(errno));
	return 0;
}

int spawn_map(pid_t pid, const char *file, uint32_t inside, uint32_t outside, struct err *e)
{
	char path[48], line[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	(void)snprintf(line, sizeof(line), "%u %u 1\n", inside, outside);
	return write_file(path, line, e);
}

int spawn_settle(const struct priv *p, struct err *e)
{
	if (!p->privileged) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
			(void)err_set(e, ERR_ISOLATION, "no user namespace for user %u: %s", p->uid,
				      strerror(errno));
			return err_hint(e, "the administrator allows them with sysctl "
					   "user.max_user_namespaces and "
					   "kernel.unprivileged_userns_clone");
		}
		if (write_file("/proc/self/setgroups", "deny", e) < 0 ||
		    spawn_map(getpid(), "uid_map", p->uid, p->uid, e) < 0 ||
		    spawn_map(getpid(), "gid_map", p->gid, p->gid, e) < 0)
			return e->code;
	}
	if (unshare(CLONE_NEWNET) < 0)
		return err_set(e, ERR_ISOLATION, "an empty network namespace: %s", strerror(errno));
	return 0;
}

/* ---- in the child ------------------------------------------------------- */

struct birth {
	const struct priv *p;
	uid_t uid;
	gid_t gid;
	const struct config_compile *compile;
	int go;		       /* a byte comes when the maps are written */
	int fds[ZYGOTE_N_FDS]; /* by number in the child; ascending */
};

/* An exec as a user other than root drops all but ambient capabilities. */
static bool keep_caps_over_exec(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[2] = { { ZYGOTE_CAPS, ZYGOTE_CAPS, ZYGOTE_CAPS } };

	if (syscall(SYS_capset, &head, caps) < 0)
		return false;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) == 0 &&
	       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETPCAP, 0, 0) == 0;
}

/* fds[i] becomes descriptor i; the program to exec the one after; no others. */
static int arrange_fds(struct birth *b)
{
	int exe = fcntl(b->p->zygote_exe, F_DUPFD_CLOEXEC, SCRATCH_FD);

	for (int i = 0; i < ZYGOTE_N_FDS; i++)
		b->fds[i] = fcntl(b->fds[i], F_DUPFD_CLOEXEC, SCRATCH_FD);
	for (int i = 0; i < ZYGOTE_N_FDS; i++)
		if (b->fds[i] < 0 || dup2(b->fds[i], i) < 0)
			return -1;
	if (exe < 0 || dup3(exe, ZYGOTE_N_FDS, O_CLOEXEC) < 0)
		return -1;
	return close_range(ZYGOTE_N_FDS + 1, ~0u, 0);
}

_Noreturn static void be_born(struct birth *b)
{
	const struct config_compile *c = b->compile;
	const uint32_t numbers[] = { b->p->fences.degraded, c->cpu_s, c->wall_s, c->mib };
	char text[ARRAY_LEN(numbers)][12];
	const char *argv[] = { "wasmd-zygote", text[0], text[1], text[2], text[3], NULL };
	const char *envp[] = { "LANG=C", attack_env(), NULL };
	sigset_t none;
	char go;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		(void)snprintf(text[i], sizeof(text[i]), "%u", numbers[i]);
	if (read(b->go, &go, 1) != 1)
		_exit(1);
	if (b->p->privileged && setgroups(0, NULL) < 0)
		_exit(2);
	if (setresgid(b->gid, b->gid, b->gid) < 0 || setresuid(b->uid, b->uid, b->uid) < 0)
		_exit(3);
	if (!keep_caps_over_exec())
		_exit(4);
	if (arrange_fds(b) < 0)
		_exit(5);
	(void)syscall(SYS_execveat, ZYGOTE_N_FDS, "", argv, envp, AT_EMPTY_PATH);
	_exit(6);
}

/* ---- in priv ------------------------------------------------------------ */

uid_t spawn_private_id(const struct priv *p, const struct config_tenant *t)
{
	return p->privileged ? PRIV_UID_BASE + t->index : p->uid;
}

/* The child that was not let go is gone when this returns: why it failed. A
 * child that somebody killed says nothing about the fences. */
static int stillborn(pid_t pid, const struct err *why, struct err *e)
{
	int status = 0;

	(void)waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_PEER, "the zygote was killed before it began (signal %d)",
			       WTERMSIG(status));
	if (why->code != 0)
		return *e = *why, e->code;
	return err_set(e, ERR_ISOLATION, "the zygote could not be let go");
}

/* Into fresh namespaces; @b->go is closed in the parent. Maps are written
 * before the child moves. */
static pid_t give_birth(struct birth *b, int *ret_pidfd, struct err *e)
{
	struct err why = { 0 };
	int go[2];
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0)
		return err_set(e, ERR_ISOLATION, "a pipe: %s", strerror(errno));
	b->go = go[0];
	pid = spawn_clone(ZYGOTE_SPACES, ret_pidfd);
	if (pid == 0) {
		(void)close(go[1]);
		be_born(b);
	}
	(void)close(go[0]);
	if (pid < 0) {
		(void)close(go[1]);
		(void)err_set(e, ERR_ISOLATION, "namespaces: %s", strerror(errno));
		return err_hint(e, "see sysctl user.max_user_namespaces");
	}
	if (spawn_map(pid, "uid_map", b->uid, b->uid, &why) == 0 &&
	    spawn_map(pid, "gid_map", b->gid, b->gid, &why) == 0 && write(go[1], "", 1) == 1) {
		(void)close(go[1]);
		return pid;
	}
	(void)close(go[1]); /* it reads the end and leaves */
	fd_clear(ret_pidfd);
	return stillborn(pid, &why, e);
}

static int probe_once(const struct priv *p, struct err *e)
{
	static const struct config_compile unused;
	struct birth b = { .p = p,
			   .compile = &unused,
			   .uid = p->privileged ? PRIV_UID_BASE : p->uid,
			   .gid = p->privileged ? PRIV_UID_BASE : p->gid };
	CLEANUP(close_p) int pidfd = -1;
	pid_t pid;

	for (int i = 0; i < ZYGOTE_N_FDS; i++)
		b.fds[i] = -1; /* so it leaves before the exec */
	pid = give_birth(&b, &pidfd, e);
	if (pid < 0)
		return e->code;
	(void)waitpid(pid, NULL, 0);
	return 0;
}

/* What it finds holds as long as the daemon lives: a killed child is not it. */
int spawn_probe(const struct priv *p, struct err *e)
{
	for (int i = 0; i < PROBE_TRIES; i++) {
		*e = (struct err){ 0 };
		if (probe_once(p, e) != ERR_PEER)
			break;
	}
	return e->code;
}

/* What is handed to a zygote must never change under it. */
static int check_module(int fd, struct err *e)
{
	const int want = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & want) != want)
		return err_set(e, ERR_PEER, "the module is no sealed memfd");
	if (fstat(fd, &st) < 0 || st.st_size > LIM_MODULE_BYTES)
		return err_set(e, ERR_LIMIT, "the module is larger than %u bytes",
			       LIM_MODULE_BYTES);
	return 0;
}

int spawn_zygote(struct priv *p, const struct config_tenant *t, const uint8_t *digest, int module,
		 int *ret_channel, pid_t *ret_pid, struct err *e)
{
	struct priv_zygote *z = priv_free_zygote(p);
	CLEANUP(close_p) int near = -1, far = -1, home = -1;
	int pair[2], err_fd = p->null;
	pid_t pid;

	if (z == NULL)
		return err_set(e, ERR_BUSY, "%u zygotes are alive", PRIV_ZYGOTES);
	if (check_module(module, e) < 0)
		return e->code;
	if (ipc_pair(pair, false) < 0)
		return err_set(e, ERR_IO, "a channel: %s", strerror(errno));
	near = pair[0];
	far = pair[1];
	if (survive_home(p, z, t->name, digest, &home, e) < 0)
		return e->code;
#ifdef WASMD_SANITIZED
	err_fd = STDERR_FILENO; /* reports must be read by somebody */
#endif
	struct birth b = {
		.p = p,
		.compile = &t->compile,
		.uid = spawn_private_id(p, t),
		.gid = p->privileged ? spawn_private_id(p, t) : p->gid,
		.fds = { p->null, p->null, err_fd, far, module, p->zygote_filter, home },
	};
	pid = give_birth(&b, &z->pidfd, e);
	if (pid < 0) {
		survive_gone(p, z);
		return e->code;
	}
	z->pid = *ret_pid = pid;
	*ret_channel = fd_take(&near);
	return 0;
}
