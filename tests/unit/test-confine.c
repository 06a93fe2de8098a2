/*
 * A native attacker in the worker's place, behind the real confinement: this
 * program is its own zygote. Each probe must fail with the errno given, or be
 * killed by its system call. Prints a table of fences.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon/locked/cell.h"
#include "daemon/locked/confine.h"
#include "daemon/locked/zygote.h"
#include "tests/unit/rig.h"

#define KILLED (-1000) /* by SIGSYS */
#define FINE   0
#ifdef WASMD_SANITIZED
#define OPENED (-ENOENT) /* its reports read sources: the empty root is the fence */
#else
#define OPENED KILLED
#endif

enum { RO = CELL_MOUNT_FD, RW }; /* the two mounts of every probe */

/* ---- the attacker ------------------------------------------------------- */

static int neg(long r)
{
	return r < 0 ? -errno : 0;
}

static int at(int dir, const char *path, uint64_t flags, uint64_t mode)
{
	struct open_how how = { .flags = flags, .mode = mode };

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static int p_nothing(void)
{
	return 0;
}

static int p_socket(void)
{
	return neg(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int p_inet(void)
{
	return neg(socket(AF_INET, SOCK_STREAM, 0));
}

static int p_socketpair(void)
{
	int pair[2];

	return neg(socketpair(AF_INET, SOCK_STREAM, 0, pair));
}

#ifndef WASMD_SANITIZED /* which names threads by it */
static int p_prctl(void)
{
	return neg(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}
#endif

static int p_execve(void)
{
	char *argv[] = { NULL };

	return neg(execve("/bin/sh", argv, argv));
}

static int p_execveat(void)
{
	char *argv[] = { NULL };

	return neg(syscall(SYS_execveat, RO, "prog", argv, argv, 0));
}

static int p_open(void)
{
	return neg(syscall(SYS_open, "/etc/passwd", O_RDONLY));
}

static int p_openat(void)
{
	return neg(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static int p_openat2_absolute(void)
{
	return neg(at(AT_FDCWD, "/etc/passwd", O_RDONLY, 0));
}

static int p_mmap_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? -errno
		       : 0;
}

static int p_mprotect_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return neg(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int p_ptrace(void)
{
	return neg(ptrace(PTRACE_ATTACH, 1, NULL, NULL));
}

static int p_kill(void)
{
	return neg(kill(1, SIGKILL));
}

static int p_kill_all(void)
{
	return neg(kill(-1, SIGKILL));
}

static int p_fork(void)
{
	return neg(fork());
}

static int p_clone3(void)
{
	return neg(syscall(SYS_clone3, NULL, 0));
}

static int p_unshare(void)
{
	return neg(syscall(SYS_unshare, 0x10000000));
}

static int p_setuid(void)
{
	return neg(syscall(SYS_setresuid, 0, 0, 0));
}

static int p_mount(void)
{
	return neg(syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL));
}

static int p_io_uring(void)
{
	return neg(syscall(SYS_io_uring_setup, 1, NULL));
}

static int p_bpf(void)
{
	return neg(syscall(SYS_bpf, 0, NULL, 0));
}

static int p_ioctl(void)
{
	return neg(syscall(SYS_ioctl, 0, 0x5412, "x"));
}

#ifdef __x86_64__
static int p_x32(void)
{
	return neg(syscall(0x40000000 + 39));
}

static int p_int80(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
	return (int)r;
}
#endif

static int p_ro_create(void)
{
	return neg(at(RO, "new", O_WRONLY | O_CREAT, 0600));
}

static int p_ro_write(void)
{
	return neg(at(RO, "file", O_WRONLY, 0));
}

static int p_ro_truncate(void)
{
	return neg(at(RO, "file", O_RDONLY | O_TRUNC, 0));
}

static int p_rename_out(void)
{
	return neg(syscall(SYS_renameat2, RO, "file", RW, "stolen", 0));
}

static int p_link_out(void)
{
	return neg(linkat(RO, "file", RW, "stolen", 0));
}

static int p_read(void)
{
	return neg(at(RO, "file", O_RDONLY, 0));
}

static int p_create(void)
{
	return neg(at(RW, "made", O_WRONLY | O_CREAT, 0644));
}

static int p_absolute_link(void)
{
	return neg(at(RO, "to-etc", O_RDONLY, 0));
}

/* `..` of @dir is @dir itself, however often. */
static int dots(int dir)
{
	struct stat here, up;
	int fd = at(dir, "../../..", O_PATH | O_DIRECTORY, 0);

	if (fd < 0 || fstatat(dir, "", &here, AT_EMPTY_PATH) < 0 ||
	    fstatat(fd, "", &up, AT_EMPTY_PATH) < 0)
		return -errno;
	return here.st_ino == up.st_ino && here.st_dev == up.st_dev ? 0 : -EXDEV;
}

static int p_dots_ro(void)
{
	return dots(RO);
}

static int p_dots_rw(void)
{
	return dots(RW);
}

/* The descriptor table, looked at from inside, before the filter. */
static int p_table(void)
{
	for (int fd = 0; fd < 4096; fd++)
		if ((fcntl(fd, F_GETFD) >= 0) != (fd <= RW))
			return -EBADF;
	return 0;
}

static int p_root(void)
{
	struct stat st;
	int fd = at(AT_FDCWD, "/", O_PATH, 0);

	if (fd < 0 || fstatat(fd, "", &st, AT_EMPTY_PATH) < 0)
		return -errno;
	return st.st_nlink == 2 && at(AT_FDCWD, "/proc", O_PATH, 0) < 0 ? 0 : -EEXIST;
}

static const struct probe {
	const char *what;
	int (*run)(void);
	int expect;
	bool unlocked; /* furnished, in the zygote's confinement alone: no Landlock of its own */
} probes[] = {
	{ "nothing at all", p_nothing, FINE, false },
	{ "socket AF_UNIX", p_socket, KILLED, false },
	{ "socket AF_INET", p_inet, KILLED, false },
	{ "execve", p_execve, KILLED, false },
	{ "execveat below a mount", p_execveat, KILLED, false },
	{ "open of an absolute path", p_open, OPENED, false },
	{ "openat of an absolute path", p_openat, OPENED, false },
	{ "openat2 of an absolute path", p_openat2_absolute, -ENOENT, false },
	{ "mmap PROT_EXEC", p_mmap_exec, KILLED, false },
	{ "mprotect PROT_EXEC", p_mprotect_exec, KILLED, false },
	{ "ptrace of the zygote", p_ptrace, KILLED, false },
	{ "kill of the zygote", p_kill, KILLED, false },
	{ "kill of everybody", p_kill_all, KILLED, false },
	{ "fork", p_fork, KILLED, false },
	{ "clone3", p_clone3, -ENOSYS, false },
	{ "unshare", p_unshare, KILLED, false },
	{ "setresuid", p_setuid, KILLED, false },
	{ "mount", p_mount, KILLED, false },
	{ "io_uring_setup", p_io_uring, KILLED, false },
	{ "bpf", p_bpf, KILLED, false },
	{ "ioctl TIOCSTI", p_ioctl, KILLED, false },
#ifdef __x86_64__
	{ "x32 system call", p_x32, KILLED, false },
	{ "32-bit system call", p_int80, KILLED, false },
#endif
	{ "create on a read-only mount", p_ro_create, -EROFS, true },
	{ "write on a read-only mount", p_ro_write, -EROFS, true },
	{ "O_TRUNC on a read-only mount", p_ro_truncate, -EROFS, true },
	{ "rename out of a read-only mount", p_rename_out, -EXDEV, true },
	{ "link out of a read-only mount", p_link_out, -EXDEV, true },
	{ "absolute symlink below a mount", p_absolute_link, -ENOENT, true },
	{ "`..` of the read-only mount", p_dots_ro, FINE, true },
	{ "`..` of the writable mount", p_dots_rw, FINE, true },
	{ "read below a mount", p_read, FINE, false },
	{ "create on a writable mount", p_create, FINE, false },
	{ "the root is empty", p_root, FINE, true },
	{ "the descriptor table", p_table, FINE, true },
	{ "socket in the zygote's filter", p_socket, KILLED, true },
	{ "socketpair in the zygote's filter", p_socketpair, KILLED, true },
	{ "execve in the zygote's filter", p_execve, KILLED, true },
#ifndef WASMD_SANITIZED
	{ "prctl in the zygote's filter", p_prctl, KILLED, true },
#endif
	{ "mmap PROT_EXEC in the zygote's filter", p_mmap_exec, KILLED, true },
};

/* ---- its zygote --------------------------------------------------------- */

_Noreturn static void attack(int channel)
{
	const struct probe *p;
	struct cell c = { .code = 0 };
	struct err e = { 0 };
	struct slot_report *r;
	struct ipc_msg m;

	if (cell_ahead(channel, &e) < 0 ||
	    ipc_recv(CELL_CHANNEL_FD, IPC_ZYGOTE, IPC_FRONT, &m) != 1)
		_exit(1);
	p = &probes[m.body.zyg_start.generation];
	if (cell_furnish(&c, &m, &e) < 0) {
		cell_report_failure(&c, &e);
		_exit(1);
	}
	r = &slot_ctl(c.slot)->report;
	if (p->unlocked)
		(void)close_range(RW + 1, ~0u, 0);
	else if (cell_lock(&c, NULL, &e) < 0) {
		cell_report_failure(&c, &e);
		_exit(1);
	}
	r->first_ns = priv_now();
	r->status = (uint32_t)p->run();
	r->done = 1;
	_exit(0);
}

static int probe_zygote(void)
{
	struct msg_zyg_exited end = { 0 };
	struct err e = { 0 };
	struct ipc_msg m;
	int status;

	if (zygote_lock(0, &e) < 0) {
		struct msg_zyg_bad bad = { .code = e.code };

		(void)snprintf(bad.msg, sizeof(bad.msg), "%s", e.msg);
		return ipc_send(ZYGOTE_CHANNEL_FD, IPC_zyg_bad, &bad, NULL, 0);
	}
	while (ipc_recv(ZYGOTE_CHANNEL_FD, IPC_ZYGOTE, IPC_FRONT, &m) == 1) {
		int pair[2];
		pid_t pid;

		if (ipc_pair(pair, false) < 0)
			return 1;
		pid = fork();
		if (pid == 0)
			attack(pair[1]);
		(void)!ipc_send(pair[0], IPC_zyg_start, &m.body.zyg_start, m.fds, m.n_fds);
		(void)close(pair[0]);
		(void)close(pair[1]);
		ipc_msg_done(&m);
		if (wait4(pid, &status, 0, NULL) != pid)
			return 1;
		end.seq = m.body.zyg_start.seq;
		end.wait_status = status;
		(void)!ipc_send(ZYGOTE_CHANNEL_FD, IPC_zyg_exited, &end, NULL, 0);
	}
	return 0;
}

/* ---- the tests ---------------------------------------------------------- */

static struct rig rig;
static char dir[] = "/tmp/wasmd-confine-XXXXXX";

static const char policy[] =
	"{\"name\": \"probe\","
	" \"mounts\": [{\"host\": \"/tmp\", \"guest\": \"/ro\", \"access\": \"ro\"},"
	"              {\"host\": \"/tmp\", \"guest\": \"/rw\", \"access\": \"rw\"}],"
	" \"rules\": [], \"default\": \"granted\"}";

static const char *path_of(const char *name)
{
	static char path[2][128];
	static int turn;

	turn ^= 1;
	(void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static void make_dir(const char *name, uid_t owner, mode_t mode)
{
	assert_int_equal(mkdir(path_of(name), mode), 0);
	assert_int_equal(chmod(path_of(name), mode), 0);
	if (rig.p.privileged)
		assert_int_equal(chown(path_of(name), owner, owner), 0);
}

static void make_file(const char *name)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT, 0644);

	assert_true(fd >= 0 && write(fd, "text\n", 5) == 5);
	if (rig.p.privileged)
		assert_int_equal(fchown(fd, RIG_UID_A, RIG_UID_A), 0);
	(void)close(fd);
}

static int setup(void **state)
{
	int self = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	(void)state;
	if (self < 0 || !rig_open(&rig, self) || mkdtemp(dir) == NULL || chmod(dir, 0755) < 0)
		return -1;
	make_dir("ro", RIG_UID_A, 0755);
	make_dir("rw", RIG_UID_A, 0755);
	make_dir("only-a", RIG_UID_A, 0700);
	make_file("ro/file");
	assert_int_equal(symlink("/etc/passwd", path_of("ro/to-etc")), 0);
	assert_int_equal(symlink("/etc", path_of("escape")), 0);
	return 0;
}

static int teardown(void **state)
{
	char cmd[64];

	(void)state;
	rig_close(&rig);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

/* What came of probe @i: its answer, or KILLED. */
static int outcome(int channel, const int *mounts, size_t i)
{
	struct rig_start s = {
		.policy = policy, .mounts = mounts, .n_mounts = 2, .seq = i, .generation = i
	};
	struct rig_instance inst;
	struct slot_report *r;
	int result;

	assert_true(rig_start(channel, &s, &inst));
	assert_true(rig_wait(channel, &inst, NULL, 0));
	r = &slot_ctl(inst.slot)->report;
	if (WIFSIGNALED(inst.end.wait_status))
		result = WTERMSIG(inst.end.wait_status) == SIGSYS ? KILLED : -999;
	else
		result = r->done == 1 && r->message[0] == '\0' ? (int)r->status : -998;
	if (r->message[0] != '\0')
		print_message("%s: %s\n", probes[i].what, r->message);
	rig_forget(&inst);
	return result;
}

static void test_probes(void **state)
{
	struct err e = { 0 };
	int mounts[2], channel, bad = 0;
	pid_t pid;

	(void)state;
	mounts[0] = rig_mount(&rig, rig.tenant_a, path_of("ro"), false, &e);
	mounts[1] = rig_mount(&rig, rig.tenant_a, path_of("rw"), true, &e);
	channel = rig_zygote(&rig, rig.tenant_a, "x", 1, &pid, &e);
	if (e.code != 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		int got = outcome(channel, mounts, i);

		print_message("%-40s %-22s %s\n", probes[i].what,
			      got == KILLED ? "killed (SIGSYS)"
			      : got == 0    ? "done"
					    : strerror(-got),
			      got == probes[i].expect ? "as expected" : "WRONG");
		bad += got != probes[i].expect;
	}
	assert_int_equal(bad, 0);
	(void)close(channel);
}

/* The probe "create on a writable mount" made it. */
static void test_owner(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path_of("rw/made"), &st), 0);
	assert_int_equal(st.st_uid, rig.p.privileged ? RIG_UID_A : getuid());
	assert_int_equal(st.st_gid, rig.p.privileged ? RIG_UID_A : getgid());
	assert_true(access(path_of("rw/stolen"), F_OK) < 0);
	assert_int_equal(stat(path_of("ro/file"), &st), 0);
	assert_int_equal(st.st_size, 5);
}

static void mount_fails(const char *tenant, const char *host, bool write, int code)
{
	struct err e = { 0 };

	assert_int_equal(rig_mount(&rig, tenant, host, write, &e), -1);
	print_message("  %s\n", e.msg);
	assert_int_equal(e.code, code);
}

static void test_missing_directory(void **state)
{
	(void)state;
	mount_fails(rig.tenant_a, path_of("nowhere"), false, ERR_NOTFOUND);
	mount_fails(rig.tenant_a, path_of("ro/file"), false, ERR_USAGE);
	mount_fails(rig.tenant_a, "/tmp/../etc", false, ERR_USAGE);
	mount_fails(rig.tenant_a, "tmp", false, ERR_USAGE);
}

static void test_two_uids(void **state)
{
	struct err e = { 0 };
	int fd;

	(void)state;
	if (!rig.p.privileged) {
		print_message("SKIP two-uids: needs root\n");
		return;
	}
	fd = rig_mount(&rig, rig.tenant_a, path_of("only-a"), true, &e);
	assert_true(fd >= 0);
	(void)close(fd);
	mount_fails(rig.tenant_b, path_of("only-a"), false, ERR_PERM);
	mount_fails(rig.tenant_b, path_of("only-a/below"), false, ERR_PERM);
	mount_fails("c", path_of("ro"), false, ERR_PERM);
	mount_fails("nobody-knows", path_of("ro"), false, ERR_PERM);
}

/* Shown anything but a client's connection, priv takes nobody for root. */
static void test_not_a_client(void **state)
{
	struct msg_priv_mount ask = { .req = 1 };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	const int lies[] = { rig.front, rig.p.listener, rig.peer, pair[0], 0 };

	(void)snprintf(ask.tenant, sizeof(ask.tenant), "%s", rig.tenant_a);
	(void)snprintf(ask.host, sizeof(ask.host), "%s", path_of("ro"));
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		struct ipc_msg m;

		assert_int_equal(ipc_send(rig.front, IPC_priv_mount, &ask, &lies[i], 1), 0);
		assert_int_equal(priv_serve(&rig.p), 0);
		assert_int_equal(ipc_recv(rig.front, IPC_FRONT, IPC_PRIV, &m), 1);
		assert_int_equal(m.type, IPC_priv_failed);
		assert_int_equal(m.body.priv_failed.code, ERR_PERM);
	}
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void test_ceiling(void **state)
{
	(void)state;
	if (!rig.p.privileged) {
		print_message("SKIP ceiling: needs root\n");
		return;
	}
	mount_fails(rig.tenant_a, "/etc", false, ERR_PERM);
	mount_fails(rig.tenant_a, path_of("escape"), false, ERR_PERM);
	mount_fails(rig.tenant_a, "/tmpx", false, ERR_PERM);
}

static void test_tmpfs(void **state)
{
	struct err e = { 0 };
	int fd = rig_mount(&rig, rig.tenant_a, "", true, &e);

	(void)state;
	if (fd < 0)
		fail_msg("%s", e.msg);
	(void)close(fd);
}

static void test_unsealed_module(void **state)
{
	struct msg_priv_zygote ask = { .req = 1 };
	int fds[2] = { rig.client, memfd_create("m", MFD_CLOEXEC) };
	struct ipc_msg m;

	(void)state;
	(void)snprintf(ask.tenant, sizeof(ask.tenant), "%s", rig.tenant_a);
	assert_int_equal(ipc_send(rig.front, IPC_priv_zygote, &ask, fds, 2), 0);
	assert_int_equal(priv_serve(&rig.p), 0);
	assert_int_equal(ipc_recv(rig.front, IPC_FRONT, IPC_PRIV, &m), 1);
	assert_int_equal(m.type, IPC_priv_failed);
	assert_int_equal(m.body.priv_failed.code, ERR_PEER);
	(void)close(fds[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_missing_directory),
		cmocka_unit_test(test_two_uids),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_tmpfs),
		cmocka_unit_test(test_not_a_client),
		cmocka_unit_test(test_unsealed_module),
	};

	if (argc > 0 && strcmp(argv[0], "wasmd-zygote") == 0)
		return probe_zygote();
	return cmocka_run_group_tests(tests, setup, teardown);
}
