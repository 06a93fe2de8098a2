/*
 * The program wasmd as its administrator meets it. This program is its own
 * front: started with exactly the descriptors that a front gets, it says on
 * standard error what it found.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon/config.h"
#include "daemon/ipc.h"
#include "daemon/locked/self.h"

static const char *wasmd_path, *zygote_path;
static char dir[] = "/tmp/wasmd-daemon-XXXXXX";
static char self_path[256];
static bool root;

/* ---- the front ---------------------------------------------------------- */

static int say(const char *what)
{
	(void)fprintf(stderr, "front: %s\n", what);
	return 3;
}

static bool only_these(void)
{
	for (int fd = 0; fd < 1024; fd++)
		if ((fcntl(fd, F_GETFD) >= 0) != (fd <= 6))
			return false;
	return true;
}

static int be_front(int argc, char **argv)
{
	struct config *c = NULL;
	struct stat st;
	struct ipc_msg m;
	struct err e = { 0 };
	int listening = 0;
	socklen_t len = sizeof(listening);

	if (argc != 3 || !only_these())
		return say("unexpected descriptors");
	if (getsockopt(3, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || listening != 1)
		return say("3 does not listen");
	if (fstat(6, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return say("6 is not our state directory");
	if (config_read_or_default(5, &c, &e) < 0)
		return say(e.msg);
	if (getenv("HOME") != NULL || geteuid() == 0)
		return say("too much was passed on");
	if (ipc_recv(4, IPC_FRONT, IPC_PRIV, &m) != 1 || m.type != IPC_priv_fences)
		return say("no fences");
	if (confine_self(ROLE_FRONT, &e) < 0)
		return say(e.msg);
	(void)fprintf(stderr, "front: up, tenant %s, fences %x\n",
		      c->n_tenants > 0 ? c->tenants[0].name : "none", m.body.priv_fences.stand);
	for (;;) {
		struct pollfd at = { .fd = 4, .events = POLLIN };
		(void)poll(&at, 1, -1);
		if (at.revents != 0)
			return 0;
	}
}

/* ---- the daemon --------------------------------------------------------- */

struct daemon {
	pid_t pid;
	int err; /* its standard error */
};

static const char *in_dir(const char *name)
{
	static char path[4][160];
	static unsigned turn;

	turn = (turn + 1) % 4;
	(void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static struct daemon launch(const char *config, const char *front, const char *extra)
{
	const char *argv[16] = { "wasmd",     "--state",      in_dir("state"),
				 "--socket",  in_dir("sock"), "--zygote",
				 zygote_path, "--front",      front };
	struct daemon d;
	int pipefd[2], n = 9;

	if (config != NULL) {
		argv[n++] = "--config";
		argv[n++] = config;
	}
	argv[n] = extra;
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	d.pid = fork();
	if (d.pid == 0) {
		(void)dup2(pipefd[1], 2);
		(void)execv(wasmd_path, (char **)(uintptr_t)argv);
		_exit(127);
	}
	(void)close(pipefd[1]);
	d.err = pipefd[0];
	return d;
}

/* Reads standard error until @what comes, or 10 s or the end do. */
static bool says(struct daemon *d, const char *what, char *buf, size_t size)
{
	struct pollfd at = { .fd = d->err, .events = POLLIN };
	size_t n = 0;

	buf[0] = '\0';
	while (strstr(buf, what) == NULL && n + 1 < size && poll(&at, 1, 10000) > 0) {
		ssize_t r = read(d->err, buf + n, size - n - 1);

		if (r <= 0)
			break;
		n += (size_t)r;
		buf[n] = '\0';
	}
	if (strstr(buf, what) == NULL)
		print_message("%s", buf);
	return strstr(buf, what) != NULL;
}

static int end(struct daemon *d, int sig)
{
	int status;

	if (sig != 0)
		assert_int_equal(kill(d->pid, sig), 0);
	assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
	(void)close(d->err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static const char *write_config(const char *text, mode_t mode)
{
	const char *path = in_dir("config.json");
	int fd;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT, mode);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
	return path;
}

static const char *good_config(void)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "{\"front_user\": \"65530\", \"tenants\": [{\"name\": \"t\", \"uid\": %u, "
		       "\"clients\": [%u]}]}",
		       root ? 65531 : getuid(), getuid());
	return write_config(text, 0644);
}

static void test_up_and_down(void **state)
{
	struct daemon d = launch(good_config(), self_path, NULL);
	char buf[4096];
	struct stat st;

	(void)state;
	assert_true(says(&d, "front: up, tenant t", buf, sizeof(buf)));
	assert_non_null(strstr(buf, "fences that stand: seccomp"));
	assert_int_equal(stat(in_dir("sock"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(end(&d, SIGTERM), 0);
}

static void test_already_running(void **state)
{
	struct daemon d = launch(good_config(), self_path, NULL), second;
	char buf[4096], pid[32];

	(void)state;
	assert_true(says(&d, "front: up", buf, sizeof(buf)));
	second = launch(good_config(), self_path, NULL);
	(void)snprintf(pid, sizeof(pid), "(pid %d)", d.pid);
	assert_true(says(&second, pid, buf, sizeof(buf)));
	assert_non_null(strstr(buf, "already running"));
	assert_int_equal(end(&second, 0), 1);
	assert_int_equal(end(&d, SIGINT), 0);
}

/* SIGKILL leaves the socket; the next daemon takes its place. */
static void test_stale_socket(void **state)
{
	struct daemon d = launch(good_config(), self_path, NULL);
	char buf[4096];

	(void)state;
	assert_true(says(&d, "front: up", buf, sizeof(buf)));
	assert_int_equal(end(&d, SIGKILL), -SIGKILL);
	d = launch(good_config(), self_path, NULL);
	assert_true(says(&d, "front: up", buf, sizeof(buf)));
	assert_int_equal(end(&d, SIGTERM), 0);
}

static void test_front_restarts(void **state)
{
	struct daemon d = launch(good_config(), "/bin/true", NULL);
	char buf[4096];

	(void)state;
	assert_true(says(&d, "giving up", buf, sizeof(buf)));
	assert_int_equal(end(&d, 0), 1);
}

static void refuses(const char *config, const char *extra, const char *sentence)
{
	struct daemon d = launch(config, self_path, extra);
	char buf[4096];

	assert_true(says(&d, sentence, buf, sizeof(buf)));
	assert_int_equal(end(&d, 0), 1);
}

static void test_bad_input(void **state)
{
	(void)state;
	refuses(write_config("{\"tenantz\": []}", 0644), NULL, "tenantz is not known");
	refuses(write_config("{\"tenants\": [{\"name\": \"a\", \"uid\": 0}]}", 0644), NULL,
		"tenants[0].uid: no instance touches files as root");
	refuses(write_config("{\"tenants\": [{\"name\": \"a\"}]}", 0644), NULL,
		"tenants[0]: expected either \"uid\" or \"user\"");
	refuses(write_config("{\"tenants\": 1, \"tenants\": 2}", 0644), NULL, "line 1");
	refuses(write_config("{}", 0666), NULL, "can be written by others");
	refuses(in_dir("nowhere.json"), NULL, "No such file");
	refuses(good_config(), "--allow-degraded=fence", "no fence \"fence\"");
	refuses(good_config(), "--nonsense", "wasmd --help");
}

static void test_ordinary_user(void **state)
{
	struct daemon d;
	char buf[4096];

	(void)state;
	if (root) {
		print_message("not run as root: an ordinary user's daemon is another run\n");
		return;
	}
	d = launch(NULL, self_path, NULL);
	assert_true(says(&d, "front: up, tenant", buf, sizeof(buf)));
	assert_non_null(strstr(buf, "ordinary user"));
	assert_int_equal(end(&d, SIGTERM), 0);
}

static int setup(void **state)
{
	ssize_t n = readlink("/proc/self/exe", self_path, sizeof(self_path) - 1);

	(void)state;
	root = geteuid() == 0;
	return n <= 0 || mkdtemp(dir) == NULL || chmod(dir, 0755) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	char cmd[64];

	(void)state;
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_up_and_down),  cmocka_unit_test(test_already_running),
		cmocka_unit_test(test_stale_socket), cmocka_unit_test(test_front_restarts),
		cmocka_unit_test(test_bad_input),    cmocka_unit_test(test_ordinary_user),
	};

	if (strcmp(argv[0], "wasmd-front") == 0)
		return be_front(argc, argv);
	if (argc < 3)
		return 2;
	wasmd_path = argv[1];
	zygote_path = argv[2];
	return cmocka_run_group_tests(tests, setup, teardown);
}
