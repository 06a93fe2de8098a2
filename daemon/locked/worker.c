/*
 * The worker: where the guest's world (wasi) and the policy's meet. Every host
 * call comes through judge(); what the guest prints goes through sink().
 */
#include "daemon/locked/worker.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "daemon/locked/call.h"
#include "daemon/locked/cell.h"
#include "wasmd/api.h"

#define ROOM_WAIT_NS 100000000 /* then look at stop again, should a wake-up be lost */
#define TOUCH_STACK  24576u    /* below the frame of worker_run */
#define TOUCH_HEAP   8192u
#define TOUCH_OBJECT ((size_t)4096)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

struct worker {
	const struct guest *guest;
	struct cell cell;
	struct slot_ctl *ctl;
	struct ring audit, output;
	struct gate gate;
	struct wasi_config config; /* borrowed by wasi, as is what it points to */
	struct wasi_preopen preopens[LIM_PREOPENS];
	uint64_t fuel;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void ring_bell(struct ring *r)
{
	uint64_t one = 1;

	if (ring_must_wake(r))
		(void)!write(CELL_DOORBELL_FD, &one, sizeof(one));
}

/* ---- the gate ----------------------------------------------------------- */

/* memcpy takes no NULL, not even for nothing. */
static struct iovec path_of(const struct gate_obj *o)
{
	return (struct iovec){ (void *)(uintptr_t)(o->path_len > 0 ? o->path : ""), o->path_len };
}

static void record(struct worker *w, const struct gate_req *req, const struct policy_verdict *v)
{
	const struct gate_obj *o = req->obj;
	struct slot_audit a = {
		.time_ns = now_ns(CLOCK_REALTIME),
		.generation = req->generation,
		.fd = o[0].fd,
		.rights = o[0].rights,
		.addr = req->addr,
		.len = req->len,
		.offset = req->offset,
		.op = req->op,
		.flags = req->flags,
		.rule = v->rule,
		.verdict = v->value,
		.complained = v->complained,
		.path_len = { o[0].path_len, o[1].path_len },
	};
	struct iovec iov[3] = { { &a, sizeof(a) }, path_of(&o[0]), path_of(&o[1]) };

	if (!ring_put(&w->audit, SLOT_AUDIT_CALL, iov, 3))
		atomic_fetch_add_explicit(&w->audit.h->lost, 1, memory_order_relaxed);
	ring_bell(&w->audit);
}

static int judge(void *arg, const struct gate_req *req)
{
	struct worker *w = arg;
	struct policy_verdict v = policy_judge(w->cell.judge, req);

	if (v.record)
		record(w, req, &v);
	return v.value;
}

static bool visible(void *arg, uint32_t preopen, const char *rel, uint32_t len, bool dir)
{
	const struct worker *w = arg;

	return policy_judge_visible(w->cell.judge, preopen, rel, len, dir);
}

/* ---- output ------------------------------------------------------------- */

/* Until the front has made room. -EINTR when the guest shall end. */
static int wait_for_room(struct worker *w)
{
	struct timespec ts = { 0, ROOM_WAIT_NS };
	struct ring *r = &w->output;

	atomic_store(&w->ctl->blocked, 1);
	atomic_store(&r->h->full, 1);
	ring_bell(r);
	if (ring_room(r) < SLOT_OUTPUT_RECORD)
		(void)syscall(SYS_futex, &r->h->full, FUTEX_WAIT, 1, &ts, NULL, 0);
	atomic_store(&r->h->full, 0);
	atomic_store(&w->ctl->blocked, 0);
	return atomic_load(&w->ctl->stop) != 0 ? -EINTR : 0;
}

static int put_output(struct worker *w, int stream, const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t n = len < SLOT_OUTPUT_RECORD ? len : SLOT_OUTPUT_RECORD;
		struct iovec one = { (void *)(uintptr_t)p, n };

		if (!ring_put(&w->output, (uint32_t)stream, &one, 1)) {
			if (wait_for_room(w) < 0)
				return -EINTR;
			continue;
		}
		p += n;
		len -= n;
	}
	return 0;
}

static int sink(void *arg, int stream, const struct iovec *iov, int n)
{
	struct worker *w = arg;
	int r = 0;

	for (int i = 0; i < n && r == 0; i++)
		r = put_output(w, stream, iov[i].iov_base, iov[i].iov_len);
	ring_bell(&w->output);
	return r;
}

/* ---- the task ----------------------------------------------------------- */

static int configure_wasi(struct worker *w, struct err *e)
{
	const struct policy_limits *l = policy_judge_limits(w->cell.judge);
	struct wasi_config *c = &w->config;

	*c = (struct wasi_config){
		.args = w->cell.task.args,
		.env = w->cell.task.env,
		.sink = sink,
		.sink_arg = w,
		.preopens = w->preopens,
		.n_preopens = w->cell.ask.n_mounts,
		.gate = &w->gate,
		.tenant = w->cell.ask.tenant,
		.instance = w->cell.ask.seq,
		.clock_resolution = policy_judge_clock_resolution(w->cell.judge),
		.max_host_calls = l->host_calls,
		.max_output = l->output,
		.max_disk = l->disk,
		.max_fds = (uint32_t)(l->fds < LIM_GUEST_FDS ? l->fds : LIM_GUEST_FDS),
		.random = policy_judge_random(w->cell.judge),
		.stop = &w->ctl->stop,
		.blocked = &w->ctl->blocked,
	};

	for (size_t i = 0; i < c->n_preopens; i++) {
		struct policy_image_mount m = policy_judge_mount(w->cell.judge, i);

		w->preopens[i] = (struct wasi_preopen){ CELL_MOUNT_FD + (int)i, m.guest, m.write };
	}
	for (int i = 0; i < 3; i++) {
		c->stdio[i].fd = w->cell.ask.stream[i] == STREAM_FD ? i : -1;
		c->stdio[i].sink = w->cell.ask.stream[i] == STREAM_RING;
	}
	return wasi_configure(w->guest->wasi, c, e);
}

static int configure_store(struct worker *w, struct err *e)
{
	const struct policy_limits *l = policy_judge_limits(w->cell.judge);
	struct vm_store_limits lim = { .memory = l->memory, .stack = (uint32_t)l->stack };

	w->fuel = l->fuel != 0 ? l->fuel : UINT64_MAX;
	vm_store_set_fuel(w->guest->store, w->fuel);
	vm_store_set_stop(w->guest->store, &w->ctl->stop);
	return vm_store_set_limits(w->guest->store, &lim, e);
}

/* ---- the end ------------------------------------------------------------ */

static enum cause cause_of_limit(enum wasi_limit l)
{
	return l == WASI_LIMIT_OUTPUT ? CAUSE_OUTPUT
	       : l == WASI_LIMIT_DISK ? CAUSE_DISK
				      : CAUSE_HOST_CALLS;
}

static enum cause cause_of(const struct worker *w, enum vm_trap t)
{
	switch ((int)t) {
	case VM_TRAP_NONE:
	case VM_TRAP_EXIT:
		return CAUSE_EXITED;
	case VM_TRAP_FUEL:
		return CAUSE_FUEL;
	case VM_TRAP_STOPPED:
		return CAUSE_STOPPED;
	case VM_TRAP_STACK_OVERFLOW:
		return CAUSE_STACK;
	case VM_TRAP_OUT_OF_MEMORY:
		return CAUSE_MEMORY;
	case VM_TRAP_KILLED:
		return CAUSE_POLICY;
	case VM_TRAP_LIMIT:
		return cause_of_limit(wasi_limit_hit(w->guest->wasi));
	default:
		return CAUSE_TRAP;
	}
}

static void report(struct worker *w, const struct vm_trap_info *trap, uint32_t status)
{
	struct slot_report *r = &w->ctl->report;
	struct wasi_usage u = wasi_usage(w->guest->wasi);

	r->cause = cause_of(w, trap->trap);
	r->status = status;
	r->trap = trap->trap;
	r->fuel_used = w->fuel - vm_store_fuel(w->guest->store);
	r->memory_peak = vm_store_memory_peak(w->guest->store);
	r->host_calls = u.host_calls;
	r->denied = u.denied;
	r->bytes_read = u.bytes_read;
	r->bytes_written = u.bytes_written;
	r->syscalls = u.syscalls;
	if (trap->trap != VM_TRAP_NONE && trap->trap != VM_TRAP_EXIT)
		vm_trap_format(trap, r->message, sizeof(r->message));
	atomic_thread_fence(memory_order_release);
	r->done = 1;
}

/* A wake-up only has to interrupt; whoever waits looks at stop. */
static void on_wake(int sig)
{
	(void)sig;
}

/* Pages that the start will write to: copied now, while nobody waits. Only a
 * matter of time, so a kernel that does not know how is no error. */
static void touch(uintptr_t p, size_t n)
{
	uintptr_t from = p & ~(uintptr_t)4095;

	(void)madvise((void *)from, p + n - from, MADV_POPULATE_WRITE);
}

static void touch_all(const struct worker *w)
{
	extern char __data_start, _end;
	void *heap = malloc(TOUCH_HEAP);

	touch((uintptr_t)w - TOUCH_STACK, TOUCH_STACK + sizeof(*w));
	touch((uintptr_t)&__data_start, (uintptr_t)&_end - (uintptr_t)&__data_start);
	touch((uintptr_t)w->guest->store, TOUCH_OBJECT);
	touch((uintptr_t)w->guest->wasi, 2 * TOUCH_OBJECT);
	touch((uintptr_t)w->guest->instance, sizeof(void *));
	if (heap != NULL)
		touch((uintptr_t)heap, TOUCH_HEAP);
	free(heap);
}

/* All that asks for no task. */
static int ahead(const struct worker *w, int channel, struct err *e)
{
	struct sigaction wake = { .sa_handler = on_wake };
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGUSR1); /* comes in only where wasi waits */
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_IGN); /* a file above RLIMIT_FSIZE is the guest's EFBIG */
	(void)sigaction(SIGUSR1, &wake, NULL);
	(void)sigprocmask(SIG_SETMASK, &held, NULL);
	touch_all(w);
	return cell_ahead(channel, e);
}

/* The slot comes first: from then on a failure can be told. */
static void furnish(struct worker *w, struct ipc_msg *m, uint64_t woken, struct err *e)
{
	int r = cell_furnish(&w->cell, m, e);
	uint64_t *at;

	if (w->cell.slot == NULL)
		return;
	w->ctl = slot_ctl(w->cell.slot);
	at = w->ctl->report.step_ns;
	at[STEP_TAKEN] = w->cell.ask.taken_ns;
	at[STEP_WOKEN] = woken;
	at[STEP_FURNISHED] = now_ns(CLOCK_MONOTONIC);
	if (r < 0)
		return;
	w->audit = slot_audit(w->cell.slot);
	w->output = slot_output(w->cell.slot);
	w->gate = (struct gate){ .judge = judge,
				 .arg = w,
				 .refused = policy_judge_refused(w->cell.judge),
				 .generation = w->cell.ask.generation,
				 .paths = policy_judge_paths(w->cell.judge),
				 .visible = policy_judge_only(w->cell.judge) ? visible : NULL };
	if (configure_store(w, e) < 0 || configure_wasi(w, e) < 0)
		return;
	at[STEP_PREPARED] = now_ns(CLOCK_MONOTONIC);
	(void)!cell_lock(&w->cell, at, e);
}

/* A command from beginning to end; a reactor for as long as it is called. */
static void run_guest(struct worker *w, struct err *e)
{
	const struct guest *g = w->guest;
	int calls = cell_call_fd(&w->cell);
	struct vm_trap_info trap = { 0 };
	uint32_t status = 0;
	int r;

	w->ctl->report.first_ns = now_ns(CLOCK_MONOTONIC);
	if (calls < 0)
		r = wasi_run(g->wasi, g->store, g->instance, &trap, &status, e);
	else
		r = wasi_initialize(g->wasi, g->store, g->instance, &trap, e);
	if (r < 0)
		return;
	if (calls >= 0 && trap.trap == VM_TRAP_NONE)
		calls_serve(g, calls, &w->ctl->stop, &trap);
	report(w, &trap, calls < 0 ? status : wasi_exit_status(g->wasi));
}

_Noreturn void worker_run(const struct guest *g, int channel)
{
	struct worker w = { .guest = g, .cell = { .known = &g->known, .code = g->module_len } };
	struct err early = { 0 }, e = { 0 };
	struct ipc_msg m;

	(void)!ahead(&w, channel, &early);
	if (ipc_recv(CELL_CHANNEL_FD, IPC_ZYGOTE, IPC_FRONT, &m) != 1)
		_exit(0); /* nobody needs it any more */
	furnish(&w, &m, now_ns(CLOCK_MONOTONIC), &e);
	if (early.code != 0)
		e = early;
	if (e.code == 0)
		run_guest(&w, &e);
	if (e.code != 0)
		cell_report_failure(&w.cell, &e);
	_exit(0);
}
