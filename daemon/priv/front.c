/*
 * The front's keeper: starts it, serves it, starts it again when it dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "daemon/priv/priv.h"

#define BACKOFF_FIRST_NS 100000000ull
#define BACKOFF_LAST_NS	 5000000000ull
#define BACKOFF_MOST_NS	 1000000000ull	/* of one that has served: clients wait */
#define STEADY_NS	 10000000000ull /* alive this long: the back-off starts anew */
#define QUICK_DEATHS_MAX 5u		/* in a row, each before it served or was steady: give up */
#define STOP_NS		 10000000000ull /* then the front is killed */
#define SCRATCH_FD	 32

enum { FRONT_LISTENER = 3, FRONT_CHANNEL, FRONT_CONFIG, FRONT_STATE, FRONT_N_FDS };

#define NOBODY 65534u

void front_identity(const struct config *c, struct front *f)
{
	const struct passwd *pw = getpwnam(c->front_user);
	char *end;
	unsigned long n = strtoul(c->front_user, &end, 10);

	f->uid = f->gid = NOBODY;
	if (pw != NULL) {
		f->uid = pw->pw_uid;
		f->gid = pw->pw_gid;
	} else if (*end == '\0' && n > 0 && n < UINT32_MAX) {
		f->uid = f->gid = (uid_t)n;
	}
}

static int arrange_fds(const struct front *f, int channel)
{
	int from[] = { f->listener, channel, f->config_fd, f->state_fd };
	int exe = fcntl(f->exe, F_DUPFD_CLOEXEC, SCRATCH_FD);

	for (size_t i = 0; i < ARRAY_LEN(from); i++)
		from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, SCRATCH_FD);
	for (size_t i = 0; i < ARRAY_LEN(from); i++)
		if (from[i] < 0 || dup2(from[i], FRONT_LISTENER + (int)i) < 0)
			return -1;
	if (exe < 0 || dup3(exe, FRONT_N_FDS, O_CLOEXEC) < 0)
		return -1;
	return close_range(FRONT_N_FDS + 1, ~0u, 0);
}

/* The few variables that mean something to it. */
static void pass_env(char **envp, size_t room)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "TZ", "ASAN_OPTIONS",
					     "UBSAN_OPTIONS" };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(names) && n + 1 < room; i++) {
		const char *v = getenv(names[i]);

		if (v != NULL && asprintf(&envp[n], "%s=%s", names[i], v) > 0)
			n++;
	}
	envp[n] = NULL;
}

_Noreturn static void be_front(const struct front *f, int channel)
{
	const char *argv[] = { "wasmd-front", f->state_dir, f->socket_path, NULL };
	char *envp[8];
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (f->change_user && (setgroups(0, NULL) < 0 || setresgid(f->gid, f->gid, f->gid) < 0 ||
			       setresuid(f->uid, f->uid, f->uid) < 0))
		_exit(1);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || arrange_fds(f, channel) < 0)
		_exit(1);
	pass_env(envp, ARRAY_LEN(envp));
	(void)syscall(SYS_execveat, FRONT_N_FDS, "", argv, envp, AT_EMPTY_PATH);
	(void)fprintf(stderr, "wasmd: starting the front: %s\n", strerror(errno));
	_exit(1);
}

int front_start(struct front *f, int *ret_channel, struct err *e)
{
	int pair[2];

	if (ipc_pair(pair, false) < 0)
		return err_set(e, ERR_IO, "a channel: %s", strerror(errno));
	f->pid = fork();
	if (f->pid == 0)
		be_front(f, pair[1]);
	(void)close(pair[1]);
	if (f->pid < 0) {
		f->pid = 0;
		(void)close(pair[0]);
		return err_set(e, ERR_IO, "a front: %s", strerror(errno));
	}
	f->born = priv_now();
	*ret_channel = pair[0];
	return 0;
}

/* ---- the loop ----------------------------------------------------------- */

struct keeper {
	struct priv *p;
	struct front *f;
	int signals;
	bool stopping, give_up;
	bool end_all;	   /* instances end with us, too */
	uint64_t start_at; /* when there is no front */
	uint64_t stop_by;
};

static void start_front(struct keeper *k)
{
	struct priv *p = k->p;
	struct err e = { 0 };

	p->serving = false;
	if (front_start(k->f, &p->channel, &e) < 0) {
		(void)fprintf(stderr, "wasmd: %s\n", e.msg);
		k->start_at = priv_now() + BACKOFF_LAST_NS;
		return;
	}
	p->fences.n_found = survive_call(p);
	(void)!ipc_send(p->channel, IPC_priv_fences, &p->fences, NULL, 0);
	survive_offer(p);
}

/* ns until the next one is started. */
static uint64_t back_off(const struct keeper *k, struct front *f, uint64_t now)
{
	uint64_t most = k->p->serving ? BACKOFF_MOST_NS : BACKOFF_LAST_NS;

	if (now - f->born > STEADY_NS)
		f->wait_ns = 0;
	if (k->p->serving || now - f->born > STEADY_NS)
		f->quick_deaths = 0;
	f->wait_ns = f->wait_ns == 0 ? BACKOFF_FIRST_NS : f->wait_ns * 2;
	if (f->wait_ns > most)
		f->wait_ns = most;
	return f->wait_ns;
}

static void front_died(struct keeper *k, int status)
{
	struct front *f = k->f;
	uint64_t now = priv_now();

	f->pid = 0;
	priv_front_gone(k->p);
	if (k->stopping)
		return;
	k->start_at = now + back_off(k, f, now);
	(void)fprintf(stderr, "wasmd: the front ended (%s %d)\n",
		      WIFSIGNALED(status) ? "signal" : "status",
		      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (++f->quick_deaths < QUICK_DEATHS_MAX)
		return;
	(void)fprintf(stderr, "wasmd: it does not stay alive; giving up\n");
	k->stopping = k->give_up = true;
}

static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == k->f->pid)
			front_died(k, status);
		else
			priv_reaped(k->p, pid);
	}
}

/* SIGTERM ends the daemon: what runs in the background goes on, for the next
 * one. SIGINT ends that as well. */
static void stop(struct keeper *k, int sig)
{
	k->end_all |= sig == SIGINT;
	if (k->stopping && sig != SIGINT)
		return;
	k->stopping = true;
	k->stop_by = priv_now() + STOP_NS;
	if (k->f->pid != 0)
		(void)kill(k->f->pid, sig);
}

static void on_signal(struct keeper *k)
{
	struct signalfd_siginfo si;

	while (read(k->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(k);
		else
			stop(k, (int)si.ssi_signo);
	}
}

static void on_channel(struct keeper *k)
{
	int r = priv_serve(k->p);

	if (r >= 0)
		return;
	if (r != -EPIPE)
		(void)fprintf(stderr, "wasmd: the front spoke off the table and is killed\n");
	fd_clear(&k->p->channel);
	if (k->f->pid != 0 && !k->stopping)
		(void)kill(k->f->pid, SIGKILL);
}

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* ms until something is due, having done what already is. */
static int due(struct keeper *k)
{
	uint64_t now = priv_now();
	int ms = priv_deadlines(k->p, now);

	if (k->stopping && k->f->pid != 0) {
		if (now >= k->stop_by)
			(void)kill(k->f->pid, SIGKILL);
		return sooner(ms, 200);
	}
	if (k->f->pid == 0 && !k->stopping) {
		if (now >= k->start_at)
			start_front(k);
		else
			ms = sooner(ms, (int)((k->start_at - now) / 1000000u) + 1);
	}
	return ms;
}

static void turn(struct keeper *k)
{
	struct pollfd at[2 + PRIV_JOBS];
	int ms = due(k);

	at[0] = (struct pollfd){ .fd = k->signals, .events = POLLIN };
	at[1] = (struct pollfd){ .fd = priv_full(k->p) ? -1 : k->p->channel, .events = POLLIN };
	for (size_t i = 0; i < PRIV_JOBS; i++) {
		struct priv_job *j = &k->p->jobs[i];

		at[2 + i] = (struct pollfd){ .fd = j->pid != 0 ? j->sock : -1, .events = POLLIN };
	}
	if (poll(at, ARRAY_LEN(at), ms) <= 0)
		return;
	for (size_t i = 0; i < PRIV_JOBS; i++)
		if (at[2 + i].revents != 0)
			priv_opener_answer(k->p, &k->p->jobs[i]);
	if (at[1].revents != 0)
		on_channel(k);
	if (at[0].revents != 0)
		on_signal(k);
}

static void end_all(struct priv *p)
{
	pid_t pid;

	priv_kill_all(p);
	while ((pid = waitpid(-1, NULL, 0)) > 0)
		priv_reaped(p, pid);
}

int front_supervise(struct priv *p, struct front *f)
{
	struct keeper k = { .p = p, .f = f };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	(void)signal(SIGINT, SIG_DFL); /* scripts start what is in the background without it */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return 1;
	k.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k.signals < 0)
		return 1;
	while (!k.stopping || f->pid != 0)
		turn(&k);
	if (k.end_all || k.give_up)
		end_all(p);
	priv_let_go(p);
	(void)close(k.signals);
	return k.give_up ? 1 : 0;
}
