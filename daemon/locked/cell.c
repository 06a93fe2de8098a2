/*
 * Furnishing and locking a worker's cell.
 */
#include "daemon/locked/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "daemon/locked/confine.h"
#include "wasmd/api.h"

#define SCRATCH_FD  96u /* above every fixed number and what a message brings */
#define AHEAD_FDS   (SCRATCH_FD + IPC_MAX_FDS) /* numbers there are before the task */
#define SPARE_FDS   16u			       /* held for a moment while a path is walked */
#define CELL_MEMORY (64u << 20) /* the engine's own data, beside code and guest memory */
#define CODE_FACTOR 16u		/* compiled form and side tables, per byte of module */

static size_t n_streams(const struct msg_zyg_start *ask)
{
	size_t n = 0;

	for (int i = 0; i < 3; i++)
		n += ask->stream[i] == STREAM_FD;
	return n;
}

static size_t n_calls(const struct msg_zyg_start *ask)
{
	return (ask->flags & START_CALL) != 0;
}

/* All numbers below it, and no others, stay open. */
static size_t n_fixed(const struct cell *c)
{
	return CELL_MOUNT_FD + (size_t)c->ask.n_mounts + n_calls(&c->ask);
}

int cell_call_fd(const struct cell *c)
{
	return n_calls(&c->ask) != 0 ? CELL_MOUNT_FD + c->ask.n_mounts : -1;
}

static int check_ask(const struct msg_zyg_start *ask, uint32_t n_fds, struct err *e)
{
	for (int i = 0; i < 3; i++)
		if (ask->stream[i] > STREAM_RING)
			return err_set(e, ERR_PEER, "stream %d is of unknown kind", i);
	if ((ask->flags & ~(uint64_t)START_ALL) != 0)
		return err_set(e, ERR_PEER, "the start message asks for what is not known");
	if (ask->n_mounts > LIM_PREOPENS ||
	    n_fds != FD_STREAMS + n_streams(ask) + ask->n_mounts + n_calls(ask))
		return err_set(e, ERR_PEER, "the start message has %u descriptors", n_fds);
	return 0;
}

/* The slot may not shrink under us, or a write would be a SIGBUS. */
static int map_slot(struct cell *c, int fd, struct err *e)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *p;

	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &st) < 0 ||
	    st.st_size != SLOT_BYTES)
		return err_set(e, ERR_PEER, "the slot is no sealed memfd of %u bytes", SLOT_BYTES);
	p = mmap(NULL, SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_set(e, ERR_PEER, "the slot: %s", strerror(errno));
	c->slot = p;
	return 0;
}

/* Verified here, unless the zygote did so before. */
static int verify_policy(struct cell *c, int fd, size_t len, struct err *e)
{
	void *p;

	c->judge = c->known != NULL ? known_find(c->known, fd, len) : NULL;
	if (c->judge != NULL)
		return 0;
	p = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_set(e, ERR_PEER, "the policy image: %s", strerror(errno));
	if (policy_load(p, len, &c->judge, e) < 0)
		return err_prefix(e, "loading the policy");
	return 0;
}

static int load_policy(struct cell *c, int fd, struct err *e)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & F_SEAL_WRITE) == 0 || fstat(fd, &st) < 0 || st.st_size <= 0 ||
	    st.st_size > LIM_POLICY_IMAGE)
		return err_set(e, ERR_PEER, "the policy image is no sealed memfd");
	if (verify_policy(c, fd, (size_t)st.st_size, e) < 0)
		return e->code;
	if (policy_judge_n_mounts(c->judge) != c->ask.n_mounts)
		return err_set(e, ERR_PEER, "the policy has %zu mounts, the start message %u",
			       policy_judge_n_mounts(c->judge), c->ask.n_mounts);
	return 0;
}

/* Out of the way first, so that no target is trodden on before it has moved.
 * Streams that are none stay the zygote's /dev/null. */
static int arrange_fds(const struct cell *c, struct ipc_msg *m)
{
	uint32_t next = FD_STREAMS;

	for (uint32_t i = FD_DOORBELL; i < m->n_fds; i++) {
		int fd = fcntl(m->fds[i], F_DUPFD_CLOEXEC, (int)SCRATCH_FD);

		if (fd < 0)
			return -1;
		(void)close(m->fds[i]);
		m->fds[i] = fd;
	}
	if (dup2(m->fds[FD_DOORBELL], CELL_DOORBELL_FD) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (c->ask.stream[i] == STREAM_FD && dup2(m->fds[next++], i) < 0)
			return -1;
	for (int i = 0; i < c->ask.n_mounts; i++)
		if (dup2(m->fds[next++], CELL_MOUNT_FD + i) < 0)
			return -1;
	if (cell_call_fd(c) >= 0 && dup2(m->fds[next], cell_call_fd(c)) < 0)
		return -1;
	return 0;
}

/* A low bound of descriptor numbers, until the policy's is set: none above it
 * can have come when the table is looked at again. */
static int few_fds(struct err *e)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return err_set(e, ERR_ISOLATION, "getrlimit: %s", strerror(errno));
	lim.rlim_cur = lim.rlim_max < AHEAD_FDS ? lim.rlim_max : AHEAD_FDS;
	if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
		return err_set(e, ERR_ISOLATION, "setrlimit: %s", strerror(errno));
	return 0;
}

int cell_ahead(int channel, struct err *e)
{
	static const int keep[] = { 0, 1, 2, CELL_CHANNEL_FD };
	static const struct confine_limit limits[] = {
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NPROC, 0 },
		{ RLIMIT_MEMLOCK, 0 },
	};
	const struct confine how = {
		.role = ROLE_WORKER,
		.keep = keep,
		.n_keep = ARRAY_LEN(keep),
		.limits = limits,
		.n_limits = ARRAY_LEN(limits),
	};

	if (dup2(channel, CELL_CHANNEL_FD) < 0)
		return err_set(e, ERR_INTERNAL, "arranging descriptors: %s", strerror(errno));
	return confine(&how, e) < 0 ? e->code : few_fds(e);
}

int cell_furnish(struct cell *c, struct ipc_msg *m, struct err *e)
{
	c->ask = m->body.zyg_start;
	if (check_ask(&c->ask, m->n_fds, e) < 0 || map_slot(c, m->fds[FD_SLOT], e) < 0 ||
	    load_policy(c, m->fds[FD_POLICY], e) < 0 || task_read(m->fds[FD_TASK], &c->task, e) < 0)
		return e->code;
	if (arrange_fds(c, m) == 0)
		return 0;
	(void)err_set(e, ERR_LIMIT, "arranging descriptors: %s", strerror(errno));
	return err_hint(e,
			"the daemon may have too few open files (ulimit -n, LimitNOFILE): an "
			"instance needs %u and what limits.fds grants",
			AHEAD_FDS);
}

static uint64_t whole_seconds(uint64_t ns)
{
	return ns / 1000000000u + 2; /* the zygote is exact; this holds without it */
}

/* How large stream @i may become, where it is a file: output counts on it. */
static uint64_t stream_size(const struct cell *c, int i, uint64_t output)
{
	struct stat st;
	off_t at;

	if (c->ask.stream[i] != STREAM_FD || fstat(i, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	at = lseek(i, 0, SEEK_CUR);
	if (at < st.st_size)
		at = st.st_size;
	return output == 0 || output > (uint64_t)(INT64_MAX - at) ? RLIM_INFINITY
								  : (uint64_t)at + output;
}

/* The largest that any file which a worker writes to may become. */
static uint64_t largest_file(const struct cell *c, const struct policy_limits *l)
{
	uint64_t most = l->disk != 0 ? l->disk : RLIM_INFINITY;

	for (int i = 1; i < 3; i++) {
		uint64_t n = stream_size(c, i, l->output);

		most = n > most ? n : most;
	}
	return most;
}

static size_t fill_limits(const struct cell *c, struct confine_limit *to)
{
	const struct policy_limits *l = policy_judge_limits(c->judge);
	uint64_t fds = l->fds != 0 && l->fds < LIM_GUEST_FDS ? l->fds : LIM_GUEST_FDS;
	uint64_t file = largest_file(c, l);
	size_t n = 0;

	to[n++] = (struct confine_limit){ RLIMIT_NOFILE, n_fixed(c) + fds + SPARE_FDS };
	if (file != RLIM_INFINITY)
		to[n++] = (struct confine_limit){ RLIMIT_FSIZE, file };
	if (c->ask.cpu_ns != 0)
		to[n++] = (struct confine_limit){ RLIMIT_CPU, whole_seconds(c->ask.cpu_ns) };
#ifndef WASMD_SANITIZED /* whose shadow is data too */
	if (l->memory != 0)
		to[n++] = (struct confine_limit){ RLIMIT_DATA, l->memory + l->stack + CELL_MEMORY +
								       CODE_FACTOR * c->code };
#endif
	return n;
}

static size_t fill_rules(const struct cell *c, struct landlock_rule *to)
{
	size_t n = policy_judge_n_mounts(c->judge);

	for (size_t i = 0; i < n; i++)
		to[i] = (struct landlock_rule){ CELL_MOUNT_FD + (int)i,
						policy_judge_mount(c->judge, i).landlock };
	return n;
}

int cell_lock(struct cell *c, uint64_t *step_ns, struct err *e)
{
	struct landlock_rule rules[LIM_PREOPENS];
	struct confine_limit limits[8];
	int keep[CELL_MOUNT_FD + LIM_PREOPENS + 1];
	struct landlock_domain domain = {
		.fs = policy_judge_landlock_handled(c->judge),
		.net = LL_NET_TCP,
		.scoped = LL_SCOPES,
		.rules = rules,
		.n_rules = fill_rules(c, rules),
	};
	struct confine how = {
		.role = ROLE_WORKER,
		.keep = keep,
		.n_keep = n_fixed(c),
		.limits = limits,
		.n_limits = fill_limits(c, limits),
		.domain = &domain,
		.filter = policy_judge_seccomp(c->judge),
		.degraded = c->ask.degraded,
		.step_ns = step_ns,
	};

	for (size_t i = 0; i < how.n_keep; i++)
		keep[i] = (int)i;
	return confine(&how, e);
}

void cell_report_failure(const struct cell *c, const struct err *e)
{
	struct slot_report *r;

	if (c->slot == NULL)
		return;
	r = &slot_ctl(c->slot)->report;
	r->cause = CAUSE_FAILED;
	(void)snprintf(r->message, sizeof(r->message), "%s%s%.180s%s", e->msg,
		       e->hint[0] != '\0' ? " (" : "", e->hint, e->hint[0] != '\0' ? ")" : "");
	atomic_thread_fence(memory_order_release);
	r->done = 1;
}

void cell_refuse(const struct ipc_msg *m, const struct err *e)
{
	struct cell c = { 0 };
	struct err mine = { 0 };

	if (m->n_fds <= FD_SLOT || map_slot(&c, m->fds[FD_SLOT], &mine) < 0)
		return;
	cell_report_failure(&c, e);
	(void)munmap(c.slot, SLOT_BYTES);
}
