/*
 * wasmd-zygote: one module, ready to run. Confined first; reads the module
 * after. Forks an instance for each start message, keeps its wall and cpu
 * limits and reaps it. Without a front it goes on with what is on record, and
 * tells the next one who calls; with nothing to tell, it ends.
 */
#include "daemon/locked/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/locked/cell.h"
#include "daemon/locked/spare.h"
#include "wasmd/api.h"
#include "wasmd/vec.h"

#define IMAGE_LEAST (512u << 10) /* of data: below, copying page tables costs less than faults */
#define LATE_NS	    50000u	 /* from handing a start over to the rest of it */
#define HOME_QUEUE  4		 /* callers at home */
#define FDS_TO_GO   (IPC_MAX_FDS + 2 * SPARES_MAX + 16) /* descriptors that work goes on with */
#define SEC	    1000000000u

struct inst {
	uint64_t seq;
	pid_t pid; /* 0: reaped */
	uint64_t started, wall_by, cpu_ns;
	uint64_t cpu_look; /* no sooner can its cpu time be used up */
	bool told, said;   /* the front knows of it; of its end */
	int calls, input;  /* for a later front; -1: none */
	struct msg_zyg_kept kept;
	int slot;
	struct msg_zyg_exited end;
};

struct zygote {
	struct guest guest;
	const void *module;
	VEC(struct inst) insts;
	struct spares spares;
	struct ipc_msg late; /* type 0: none; a start whose rest is still to be done */
	struct msg_zyg_ready ready;
	int bell;	      /* the doorbell that all instances ring, or -1 */
	bool orphan;	      /* there is no front: its channel's number is /dev/null */
	uint64_t quiet_since; /* when the last instance ended, or the front did */
	uint64_t born;
	uint32_t degraded;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t timeval_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

static struct rusage usage_of_self(void)
{
	struct rusage ru = { 0 };

	(void)getrusage(RUSAGE_SELF, &ru);
	return ru;
}

static uint64_t cpu_of(const struct rusage *ru)
{
	return timeval_ns(ru->ru_utime) + timeval_ns(ru->ru_stime);
}

/* ---- loading ------------------------------------------------------------ */

/* What loading may cost; none is 0. Numbers of the command line. */
static struct load_limits {
	unsigned cpu_s, wall_s, mib;
} most = { LIM_COMPILE_CPU_S, LIM_COMPILE_WALL_S, LIM_COMPILE_MIB };

static void read_most(int argc, char **argv)
{
	unsigned *const to[] = { &most.cpu_s, &most.wall_s, &most.mib };

	for (int i = 0; i < 3 && 2 + i < argc; i++) {
		unsigned n = (unsigned)strtoul(argv[2 + i], NULL, 10);

		if (n > 0 && n < *to[i])
			*to[i] = n;
	}
}

_Noreturn static void refuse(const struct err *e)
{
	struct rusage ru = usage_of_self();
	struct msg_zyg_bad m = { .code = e->code, .load_cpu_ns = cpu_of(&ru) };

	(void)snprintf(m.msg, sizeof(m.msg), "%s", e->msg);
	(void)snprintf(m.hint, sizeof(m.hint), "%s", e->hint);
	(void)!ipc_send(ZYGOTE_CHANNEL_FD, IPC_zyg_bad, &m, NULL, 0);
	_exit(0);
}

static int over_limit(struct err *e, unsigned most_of, const char *what, const char *key)
{
	(void)err_set(e, ERR_LIMIT, "loading the module takes more than %u %s", most_of, what);
	return err_hint(e,
			"that is the most for this tenant (ceiling.compile.%s in the daemon's "
			"configuration)",
			key);
}

/* PID 1 ignores signals that it does not handle: so these are handled. */
static void on_load_limit(int sig)
{
	struct err e = { 0 };

	if (sig == SIGXCPU)
		(void)over_limit(&e, most.cpu_s, "s of cpu time", "cpu_s");
	else
		(void)over_limit(&e, most.wall_s, "s", "wall_s");
	refuse(&e);
}

/* Bytes of data that loading a module of this length may hold. */
static uint64_t most_memory(size_t module_len)
{
	return ((uint64_t)most.mib << 20) + (uint64_t)LIM_COMPILE_PER_BYTE * module_len;
}

static void soft_limit(int resource, rlim_t soft)
{
	struct rlimit lim;

	if (getrlimit(resource, &lim) < 0)
		return;
	lim.rlim_cur = soft < lim.rlim_max ? soft : lim.rlim_max;
	(void)setrlimit(resource, &lim);
}

static void load_limits(bool on, size_t module_len)
{
	struct itimerval wall = { .it_value.tv_sec = on ? most.wall_s : 0 };

	(void)signal(SIGXCPU, on ? on_load_limit : SIG_DFL);
	(void)signal(SIGALRM, on ? on_load_limit : SIG_DFL);
	(void)setitimer(ITIMER_REAL, &wall, NULL);
	soft_limit(RLIMIT_CPU, on ? most.cpu_s : RLIM_INFINITY);
#ifndef WASMD_SANITIZED
	soft_limit(RLIMIT_DATA, on ? most_memory(module_len) : RLIM_INFINITY);
#endif
}

static int map_module(struct zygote *z, struct err *e)
{
	struct stat st;
	void *p;

	if (fstat(ZYGOTE_MODULE_FD, &st) < 0 || st.st_size < 0)
		return err_set(e, ERR_PEER, "there is no module: %s", strerror(errno));
	if (st.st_size == 0)
		return err_set(e, ERR_MALFORMED, "the module is empty");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, ZYGOTE_MODULE_FD, 0);
	if (p == MAP_FAILED)
		return err_set(e, ERR_NOMEM, "mapping the module: %s", strerror(errno));
	(void)close(ZYGOTE_MODULE_FD);
	z->module = p;
	z->guest.module_len = (size_t)st.st_size;
	return 0;
}

static int compile(struct zygote *z, struct vm_code **ret, struct err *e)
{
	struct vm_module *m;
	struct vm_valid_module *v;
	int r = vm_module_decode(z->module, z->guest.module_len, &m, e);

	if (r == 0)
		r = vm_module_validate(m, &v, e);
	if (r == 0)
		r = vm_module_compile(v, ret, e);
	return r;
}

/* All but running it, within the limits. */
static int build(struct zygote *z, struct vm_code **ret, struct err *e)
{
	struct vm_trap_info trap = { 0 };
	struct guest *g = &z->guest;

	if (compile(z, ret, e) < 0 || vm_store_new(NULL, &g->store, e) < 0 ||
	    wasi_new(&g->wasi, e) < 0)
		return e->code;
	wasi_attach(g->wasi, g->store);
	if (vm_instance_new(g->store, *ret, wasi_resolve, g->wasi, &g->instance, &trap, e) < 0 ||
	    vm_instance_image(g->instance, IMAGE_LEAST, e) < 0)
		return e->code;
	return 0;
}

/* The engine only knows that there was none. */
static int too_much_memory(size_t module_len, struct err *e)
{
	*e = (struct err){ 0 };
	return over_limit(e, (unsigned)(most_memory(module_len) >> 20), "MiB of memory",
			  "memory_mib");
}

static int load(struct zygote *z, struct vm_code **ret, struct err *e)
{
	if (map_module(z, e) < 0)
		return e->code;
	load_limits(true, z->guest.module_len);
	if (build(z, ret, e) == ERR_NOMEM)
		return too_much_memory(z->guest.module_len, e);
	if (e->code != 0)
		return e->code;
	(void)malloc_trim(0); /* what loading needed for a while */
	load_limits(false, 0);
	return 0;
}

static void fill_memory(const struct vm_code *code, struct msg_zyg_ready *m)
{
	for (uint32_t i = 0; i < vm_code_n_exports(code); i++) {
		struct vm_export x = vm_code_export(code, i);

		if (x.type.kind != VM_MEMORY)
			continue;
		m->memory_pages = (uint32_t)x.type.memory.min;
		m->memory_max_pages = x.type.memory.has_max ? (uint32_t)x.type.memory.max
							    : LIM_MEMORY_PAGES;
		return;
	}
}

static bool has_func(const struct zygote *z, const char *name)
{
	struct vm_extern x;

	return vm_instance_export(z->guest.instance, name, strlen(name), &x) && x.kind == VM_FUNC;
}

static bool is_kept(const struct inst *n)
{
	return (n->kept.flags & START_KEPT) != 0;
}

static int say_ready(struct zygote *z)
{
	z->ready.n_kept = 0;
	for (size_t i = 0; i < z->insts.len; i++)
		z->ready.n_kept += is_kept(&z->insts.at[i]);
	return ipc_send(ZYGOTE_CHANNEL_FD, IPC_zyg_ready, &z->ready, &z->bell, z->bell >= 0);
}

static void describe(struct zygote *z, const struct vm_code *code)
{
	struct rusage ru = usage_of_self();

	z->ready = (struct msg_zyg_ready){
		.version = IPC_VERSION,
		.n_imports = vm_code_n_imports(code),
		.n_exports = vm_code_n_exports(code),
		.n_funcs = vm_code_n_funcs(code),
		.load_ns = now_ns(CLOCK_MONOTONIC) - z->born,
		.load_cpu_ns = cpu_of(&ru),
		.load_rss = (uint64_t)ru.ru_maxrss * 1024u,
		.build = WASMD_VERSION,
	};

	z->ready.has_start = has_func(z, "_start");
	z->ready.has_initialize = has_func(z, "_initialize");
	fill_memory(code, &z->ready);
}

/* ---- instances ---------------------------------------------------------- */

static struct inst *find(struct zygote *z, uint64_t seq)
{
	for (size_t i = 0; i < z->insts.len; i++)
		if (z->insts.at[i].seq == seq)
			return &z->insts.at[i];
	return NULL;
}

static void forget(struct zygote *z, struct inst *n)
{
	fd_clear(&n->slot);
	fd_clear(&n->calls);
	fd_clear(&n->input);
	*n = z->insts.at[--z->insts.len];
}

static int say_kept(struct inst *n)
{
	int fds[3] = { n->slot }, n_fds = 1;

	if (n->calls >= 0)
		fds[n_fds++] = n->calls;
	if (n->input >= 0)
		fds[n_fds++] = n->input;
	n->kept.flags &= n->input >= 0 ? START_ALL : ~START_STDIN;
	n->kept.pid = n->pid;
	return ipc_send(ZYGOTE_CHANNEL_FD, IPC_zyg_kept, &n->kept, fds, (size_t)n_fds);
}

/* Whether there is anything to tell of it. One that is on no record and whose
 * front is gone interests nobody. */
static bool untold(const struct inst *n)
{
	return (is_kept(n) || n->told) && (!n->told || (n->pid == 0 && !n->said));
}

static int tell(struct inst *n)
{
	int r = n->told ? 0 : say_kept(n);

	if (r < 0)
		return r;
	n->told = true;
	if (n->pid == 0)
		r = ipc_send(ZYGOTE_CHANNEL_FD, IPC_zyg_exited, &n->end, NULL, 0);
	n->said = n->pid == 0 && r == 0;
	return r;
}

/* Tells what can be told; the rest stays until the front reads again. What is
 * on record stays until its end is, too. */
static void tell_front(struct zygote *z)
{
	for (size_t i = 0; i < z->insts.len;) {
		struct inst *n = &z->insts.at[i];

		if (!z->orphan && untold(n) && tell(n) < 0)
			return;
		if (n->pid == 0 && !is_kept(n))
			forget(z, n);
		else
			i++;
	}
}

static void end_inst(struct inst *n, enum cause cause)
{
	if (n->pid == 0 || n->end.cause != CAUSE_NONE)
		return;
	n->end.cause = cause;
	(void)kill(n->pid, SIGKILL);
}

/* Nobody else can tell the front: the slot is its only ear for sentences. */
static void refuse_start(struct inst *n, const struct ipc_msg *m, int error)
{
	struct err e = { 0 };

	(void)err_set(&e, ERR_QUOTA, "no process for the instance: %s", strerror(error));
	if (error == EAGAIN)
		(void)err_hint(&e, "too many processes: of the tenant's user (ulimit -u), in the "
				   "service (TasksMax), or in the system (kernel.pid_max)");
	cell_refuse(m, &e);
	n->pid = 0;
	n->end.cause = CAUSE_FAILED;
	n->end.finished = now_ns(CLOCK_REALTIME);
}

/* It ends with this front, as if its client did. */
static void unkeep(struct inst *n)
{
	n->kept.flags |= START_CLIENT;
	n->kept.flags &= ~(uint64_t)START_KEPT;
	fd_clear(&n->slot);
	fd_clear(&n->calls);
	fd_clear(&n->input);
}

/* What a later front needs stays here. When descriptors run short, the instance
 * ends with this front, as if its client did. */
static void keep_fds(struct zygote *z, struct inst *n, struct ipc_msg *m)
{
	struct rlimit lim = { 0 };

	if (z->bell < 0 && m->n_fds > FD_DOORBELL)
		z->bell = fd_take(&m->fds[FD_DOORBELL]);
	if (n == NULL || !is_kept(n))
		return;
	(void)getrlimit(RLIMIT_NOFILE, &lim);
	if (m->n_fds > FD_SLOT)
		n->slot = fd_take(&m->fds[FD_SLOT]);
	if (n->slot >= 0 && (rlim_t)n->slot + FDS_TO_GO < lim.rlim_cur)
		return;
	unkeep(n);
}

/* What a start leaves behind comes after it: the woken child may be waiting for
 * this very processor. */
static void finish_start(struct zygote *z)
{
	struct ipc_msg *m = &z->late;
	struct msg_zyg_started started = { .seq = m->body.zyg_start.seq };
	struct inst *n = m->type != 0 ? find(z, started.seq) : NULL;

	if (n != NULL && n->pid != 0) {
		started.pid = n->pid;
		(void)!ipc_send(ZYGOTE_CHANNEL_FD, IPC_zyg_started, &started, NULL, 0);
	}
	if (m->type != 0 && m->n_fds > FD_POLICY) /* for the spares to come */
		known_learn(&z->guest.known, m->fds[FD_POLICY]);
	if (m->type != 0)
		keep_fds(z, n, m);
	ipc_msg_done(m);
	m->type = 0;
}

/* The last descriptors, which are not for the worker. */
static void take_ours(struct inst *n, struct ipc_msg *m)
{
	const uint64_t both = START_CALL | START_KEPT;

	n->slot = n->calls = n->input = -1;
	if ((n->kept.flags & START_STDIN) != 0 && m->n_fds > 0)
		n->input = m->fds[--m->n_fds];
	if ((n->kept.flags & both) == both && m->n_fds > 0)
		n->calls = m->fds[--m->n_fds];
}

/* Takes @m over. */
static void on_start(struct zygote *z, struct ipc_msg *m)
{
	struct msg_zyg_start *ask = &m->body.zyg_start;
	struct inst *n = VEC_PUSH(&z->insts);

	if (n == NULL)
		_exit(1); /* the front sees its instances lost */
	n->told = true;
	n->kept = (struct msg_zyg_kept){ .seq = ask->seq, .flags = ask->flags };
	n->kept.started = now_ns(CLOCK_REALTIME);
	memcpy(n->kept.id, ask->id, sizeof(n->kept.id));
	take_ours(n, m);
	n->seq = n->end.seq = ask->seq;
	n->started = n->kept.taken_ns = ask->taken_ns = now_ns(CLOCK_MONOTONIC);
	n->wall_by = ask->wall_ns != 0 ? n->started + ask->wall_ns : UINT64_MAX;
	n->cpu_ns = ask->cpu_ns != 0 ? ask->cpu_ns : UINT64_MAX;
	n->cpu_look = ask->cpu_ns != 0 ? n->started + ask->cpu_ns : UINT64_MAX;
	n->pid = spares_start(&z->spares, &z->guest, m);
	if (n->pid < 0)
		refuse_start(n, m, -n->pid);
}

static void on_kill(struct zygote *z, const struct msg_zyg_kill *ask)
{
	static const int signals[] = {
		[ZYG_WAKE] = SIGUSR1, [ZYG_PAUSE] = SIGSTOP, [ZYG_RESUME] = SIGCONT
	};
	struct inst *n = find(z, ask->seq);

	if (n == NULL || n->pid == 0)
		return; /* it ended meanwhile */
	if (ask->how == ZYG_PAUSE || ask->how == ZYG_RESUME)
		n->kept.paused = ask->how == ZYG_PAUSE;
	if (ask->how == ZYG_KILL)
		end_inst(n, ask->cause < CAUSE_COUNT ? (enum cause)ask->cause : CAUSE_KILLED);
	else if (ask->how == ZYG_EOF)
		fd_clear(&n->input);
	else if (ask->how < ARRAY_LEN(signals))
		(void)kill(n->pid, signals[ask->how]);
}

static void on_forget(struct zygote *z, const struct msg_zyg_forget *ask)
{
	struct inst *n = find(z, ask->seq);

	if (n == NULL)
		return;
	n->kept.flags &= ~(uint64_t)START_KEPT;
	n->told = false; /* nothing of it is told from now on */
	if (n->pid == 0)
		forget(z, n);
}

static volatile sig_atomic_t child_ended;

/* The kernel looks at every child, so it is asked only when there is one. */
static void reap(struct zygote *z)
{
	struct rusage ru;
	int status;
	pid_t pid;

	if (!child_ended)
		return;
	child_ended = 0;
	while ((pid = wait4(-1, &status, WNOHANG, &ru)) > 0) {
		if (spares_reaped(&z->spares, pid))
			continue;
		for (size_t i = 0; i < z->insts.len; i++) {
			struct inst *n = &z->insts.at[i];

			if (n->pid != pid)
				continue;
			n->pid = 0;
			n->end.wait_status = status;
			n->end.cpu_ns = timeval_ns(ru.ru_utime) + timeval_ns(ru.ru_stime);
			n->end.wall_ns = now_ns(CLOCK_MONOTONIC) - n->started;
			n->end.rss_bytes = (uint64_t)ru.ru_maxrss * 1024u;
			n->end.finished = now_ns(CLOCK_REALTIME);
			z->quiet_since = now_ns(CLOCK_MONOTONIC);
		}
	}
}

/* Nanoseconds until @n can have used up its cpu time; 0: it has. One thread:
 * it cannot use it faster than the clock goes, so that is when to look again. */
static uint64_t cpu_left(struct inst *n, uint64_t now)
{
	uint64_t used;
	clockid_t clock;

	if (n->cpu_look == UINT64_MAX)
		return UINT64_MAX;
	if (n->cpu_look > now)
		return n->cpu_look - now;
	if (clock_getcpuclockid(n->pid, &clock) != 0)
		return UINT64_MAX; /* it has ended */
	used = now_ns(clock);
	if (used >= n->cpu_ns)
		return 0;
	n->cpu_look = now + n->cpu_ns - used;
	return n->cpu_ns - used;
}

/* Ends what is over a limit; ns until the next one can be. */
static uint64_t keep_limits(struct zygote *z)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), next = UINT64_MAX;

	for (size_t i = 0; i < z->insts.len; i++) {
		struct inst *n = &z->insts.at[i];
		uint64_t wall, cpu;

		if (n->pid == 0 || n->end.cause != CAUSE_NONE)
			continue;
		wall = n->wall_by == UINT64_MAX ? UINT64_MAX
		       : n->wall_by > now	? n->wall_by - now
						: 0;
		cpu = cpu_left(n, now);
		if (wall == 0 || cpu == 0)
			end_inst(n, wall == 0 ? CAUSE_WALL : CAUSE_CPU);
		next = wall < next ? wall : next;
		next = cpu < next ? cpu : next;
	}
	return next;
}

/* ---- the loop ----------------------------------------------------------- */

/* PID 1 of all its instances: they end with it. */
static bool has_running(const struct zygote *z)
{
	for (size_t i = 0; i < z->insts.len; i++)
		if (z->insts.at[i].pid != 0)
			return true;
	return false;
}

/* The front is gone, or broken. Instances on record go on; the clients of the
 * others are gone with it. */
static void be_orphan(struct zygote *z)
{
	(void)dup2(STDIN_FILENO, ZYGOTE_CHANNEL_FD); /* so that nothing else gets the number */
	z->orphan = true;
	z->quiet_since = now_ns(CLOCK_MONOTONIC);
	finish_start(z);
	for (size_t i = 0; i < z->insts.len; i++) {
		struct inst *n = &z->insts.at[i];

		if (is_kept(n) && n->slot < 0) /* it could never be told of */
			unkeep(n);
		n->told = n->said = false;
		if (!is_kept(n) || (n->kept.flags & START_CLIENT) != 0)
			end_inst(n, CAUSE_CLIENT);
	}
}

/* A later front: it is told everything anew. Only priv can be here. */
static void on_caller(struct zygote *z)
{
	int fd = accept4(ZYGOTE_HOME_FD, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 || dup2(fd, ZYGOTE_CHANNEL_FD) < 0)
		return;
	(void)close(fd);
	z->orphan = false;
	(void)!say_ready(z); /* what fails here is seen by the next read */
}

/* ns that an orphan still waits for somebody to tell; it leaves at 0. */
static uint64_t orphan_left(const struct zygote *z, uint64_t now)
{
	const uint64_t until = z->quiet_since + (uint64_t)LIM_ORPHAN_S * SEC;

	if (!z->orphan || has_running(z))
		return UINT64_MAX;
	return z->insts.len == 0 || until <= now ? 0 : until - now;
}

/* Receives into z->late, where a start stays for a moment. */
static void on_message(struct zygote *z)
{
	struct ipc_msg *m = &z->late;
	int r = ipc_recv(ZYGOTE_CHANNEL_FD, IPC_ZYGOTE, IPC_FRONT, m);

	if (r > 0 && m->type == IPC_zyg_start) {
		on_start(z, m);
		return;
	}
	if (r < 0)
		be_orphan(z);
	else if (r > 0 && m->type == IPC_zyg_forget)
		on_forget(z, &m->body.zyg_forget);
	else if (r > 0)
		on_kill(z, &m->body.zyg_kill);
	m->type = 0;
}

static bool has_untold(const struct zygote *z)
{
	for (size_t i = 0; i < z->insts.len; i++)
		if (untold(&z->insts.at[i]))
			return true;
	return false;
}

/* Until a message or a caller, a child's end, or what is due. */
static bool await(const struct zygote *z, uint64_t left)
{
	struct timespec ts = { (time_t)(left / SEC), (long)(left % SEC) };
	struct pollfd at = { .fd = z->orphan ? ZYGOTE_HOME_FD : ZYGOTE_CHANNEL_FD,
			     .events = POLLIN };
	sigset_t none;

	sigemptyset(&none);
	if (!z->orphan && has_untold(z))
		at.events |= POLLOUT;
	return ppoll(&at, 1, left == UINT64_MAX ? NULL : &ts, &none) > 0 &&
	       (at.revents & ~POLLOUT) != 0;
}

static void turn(struct zygote *z)
{
	uint64_t left = keep_limits(z), now = now_ns(CLOCK_MONOTONIC);
	uint64_t due = spares_due(&z->spares, now), orphan = orphan_left(z, now);
	bool stirs;

	if (orphan == 0)
		_exit(0);
	left = due < left ? due : left;
	left = orphan < left ? orphan : left;
	stirs = await(z, z->late.type != 0 && left > LATE_NS ? LATE_NS : left);
	finish_start(z);
	if (stirs)
		(z->orphan ? on_caller : on_message)(z);
	reap(z);
	tell_front(z);
	spares_keep(&z->spares, &z->guest, now_ns(CLOCK_MONOTONIC));
}

static void on_child(int sig)
{
	(void)sig;
	child_ended = 1;
}

/* SIGCHLD arrives only inside ppoll. */
static void set_signals(void)
{
	struct sigaction child = { .sa_handler = on_child };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1); /* a child is born with it held back */
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)sigaction(SIGCHLD, &child, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)fcntl(ZYGOTE_CHANNEL_FD, F_SETFL, O_NONBLOCK);
}

int main(int argc, char **argv)
{
	struct zygote z = { .born = now_ns(CLOCK_MONOTONIC), .spares.want = 1, .bell = -1 };
	struct vm_code *code = NULL;
	struct err e = { 0 };

	read_most(argc, argv);
	z.degraded = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	if (listen(ZYGOTE_HOME_FD, HOME_QUEUE) < 0) /* ours, or a caller would see priv's pid */
		(void)err_set(&e, ERR_INTERNAL, "listening at home: %s", strerror(errno));
	if (e.code != 0 || zygote_lock(z.degraded, &e) < 0 || load(&z, &code, &e) < 0)
		refuse(&e);
	set_signals();
	describe(&z, code);
	if (say_ready(&z) < 0)
		_exit(0);
	for (;;)
		turn(&z);
}
