/* Bringing an instance up: see live.h. */
#include "daemon/front/live.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "daemon/front/call.h"
#include "daemon/front/privchan.h"
#include "daemon/front/record.h"
#include "daemon/front/secrets.h"
#include "daemon/task.h"

#define FDS_FIXED 4u /* image, task, slot, doorbell */
_Static_assert(FDS_FIXED + 3 + LIM_PREOPENS + 3 <= IPC_MAX_FDS, "one message carries a start");

/* ---- making and freeing ------------------------------------------------- */

static void on_zygote(struct zyg_wait *w, struct zygote *z, const struct err *e);

struct live *live_new(struct front *f, struct instance *i)
{
	struct live *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->front = f;
	l->inst = i;
	l->slot.fd = l->stdin_fd = l->call_fd = -1;
	l->wait.done = on_zygote;
	l->asked_ns = now_mono();
	for (int s = 0; s < 3; s++)
		l->stream_fd[s] = -1;
	for (size_t m = 0; m < LIM_PREOPENS; m++)
		l->mounts[m] = (struct mount_wait){ .live = l, .fd = -1 };
	return l;
}

/* What the zygote has been given, or will never be. The rings stay mapped. */
static void drop_descriptors(struct live *l)
{
	fd_clear(&l->slot.fd);
	fd_clear(&l->call_fd);
	for (int s = 0; s < 3; s++)
		fd_clear(&l->stream_fd[s]);
	for (size_t m = 0; m < l->n_mounts; m++) {
		priv_forget(l->mounts[m].call);
		l->mounts[m].call = NULL;
		fd_clear(&l->mounts[m].fd);
	}
}

void live_free(struct live *l)
{
	if (l == NULL)
		return;
	zyg_wait_drop(&l->wait);
	if (l->zyg != NULL)
		zygote_detach(l->zyg, l);
	drop_descriptors(l);
	slot_done(&l->slot);
	fd_clear(&l->stdin_fd);
	l->calls = calls_free(l->calls);
	free(l->repeat);
	(void)log_close(l->log);
	(void)gather_free(l->gather);
	(void)policy_ref_drop(l->policy);
	(void)sd_event_source_disable_unref(l->grace);
	free(l);
}

/* ---- the start message -------------------------------------------------- */

/* Copies the list; where its end came to lie. */
static const char **append(const char **to, const char *const *list)
{
	while (list != NULL && *list != NULL)
		*to++ = *list++;
	return to;
}

/* Secrets come first: of two variables of one name the first is seen. */
static int write_with(struct live *l, char *const *secrets, int *ret, struct err *e)
{
	const struct spec *s = &l->inst->spec;
	const struct policy *doc = l->policy->doc;
	const char *const *set = (const char *const *)doc->env_set;
	const char *const *own = (const char *const *)s->env, *const *secret =
								      (void *)(uintptr_t)secrets;
	const char *const *given = (const char *const *)s->args;
	CLEANUP(free_p) const char **args = calloc(strv_len(given) + 2, sizeof(*args));
	CLEANUP(free_p)
	const char **env =
		calloc(strv_len(secret) + strv_len(own) + strv_len(set) + 1, sizeof(*env));

	if (args == NULL || env == NULL)
		return err_nomem(e);
	args[0] = s->module_name[0] != '\0' ? s->module_name : "module";
	(void)append(args + 1, given);
	(void)append(append(append(env, secret), own), set);
	return task_write(args, env, ret, e);
}

static int write_task(struct live *l, int *ret, struct err *e)
{
	char **secrets = NULL;

	if (secrets_read(l->front->state, l->inst->tenant,
			 (const char *const *)l->policy->doc->env_secret, &secrets, e) < 0)
		return e->code;
	(void)write_with(l, secrets, ret, e);
	(void)secrets_free(secrets);
	return e->code;
}

/* What it is to its zygote. On record it goes on when we don't. */
static uint64_t start_flags(const struct live *l)
{
	uint64_t flags = l->call_fd >= 0 ? START_CALL : 0;

	if (l->inst->kept)
		flags |= START_KEPT;
	if (l->client)
		flags |= START_CLIENT;
	if (l->inst->kept && l->stdin_fd >= 0)
		flags |= START_STDIN;
	return flags;
}

/* The zygote's own way to the guest's pipe: by ours it could make us wait. */
static int again_stdin(const struct live *l, struct err *e)
{
	char path[40];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", l->stdin_fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		(void)err_set(e, ERR_IO, "the pipe to standard input: %s", strerror(errno));
	return fd;
}

static size_t gather_fds(const struct live *l, int task, int input, int fds[IPC_MAX_FDS])
{
	size_t n = 0;

	fds[n++] = l->policy->image;
	fds[n++] = task;
	fds[n++] = l->slot.fd;
	fds[n++] = l->zyg->doorbell;
	for (int s = 0; s < 3; s++)
		if (l->stream[s] == STREAM_FD)
			fds[n++] = l->stream_fd[s];
	for (size_t m = 0; m < l->n_mounts; m++)
		fds[n++] = l->mounts[m].fd;
	if (l->call_fd >= 0)
		fds[n++] = l->call_fd;
	if (l->call_fd >= 0 && l->inst->kept)
		fds[n++] = calls_fd(l->calls);
	if (input >= 0)
		fds[n++] = input;
	return n;
}

/* Everything is there: off it goes. */
static int send_start(struct live *l, struct err *e)
{
	const struct policy_limits *lim = &l->policy->doc->limits;
	CLEANUP(close_p) int task = -1;
	CLEANUP(close_p) int input = -1;
	int fds[IPC_MAX_FDS];
	size_t n_fds;
	struct msg_zyg_start m = {
		.tenant = l->inst->tenant_index,
		.generation = l->inst->generation,
		.wall_ns = lim->wall_ns,
		.cpu_ns = lim->cpu_ns,
		.flags = start_flags(l),
		.n_mounts = (uint8_t)l->n_mounts,
		.degraded = l->front->fences.degraded,
	};

	if (slot_make(&l->slot, e) < 0 || write_task(l, &task, e) < 0)
		return e->code;
	if ((m.flags & START_STDIN) != 0 && (input = again_stdin(l, e)) < 0)
		return e->code;
	m.seq = l->seq = ++l->front->last_seq;
	memcpy(m.stream, l->stream, sizeof(m.stream));
	memcpy(m.id, l->inst->id, sizeof(l->inst->id));
	n_fds = gather_fds(l, task, input, fds);
	if (zygote_send(l->zyg, IPC_zyg_start, &m, sizeof(m), fds, n_fds) < 0)
		return err_set(e, ERR_PEER, "the process of this module does not answer");
	drop_descriptors(l);
	return 0;
}

static void try_send(struct live *l)
{
	struct err e = { 0 };

	if (l->zyg == NULL || l->mounts_pending > 0 || l->seq != 0)
		return;
	if (send_start(l, &e) < 0)
		live_finish(l, CAUSE_FAILED, &e);
}

static void on_zygote(struct zyg_wait *w, struct zygote *z, const struct err *e)
{
	struct live *l = (struct live *)(void *)((char *)w - offsetof(struct live, wait));

	if (e != NULL) {
		live_finish(l, CAUSE_FAILED, e);
		return;
	}
	zygote_attach(z, l);
	try_send(l);
}

/* ---- mounts ------------------------------------------------------------- */

static void on_mount(void *arg, int *fd, int64_t pid, const struct err *e)
{
	struct mount_wait *m = arg;
	struct live *l = m->live;
	const struct policy_mount *pm = &l->policy->doc->mounts[m - l->mounts];
	struct err why;

	m->call = NULL;
	l->mounts_pending--;
	if (e == NULL) {
		m->fd = fd_take(fd);
		try_send(l);
		return;
	}
	why = *e;
	if (pm->line != 0)
		(void)err_prefix(&why, "mount %s (policy line %u)", pm->guest, pm->line);
	live_finish(l, CAUSE_FAILED, &why);
}

static int ask_mounts(struct live *l, const struct who *who, struct err *e)
{
	const struct policy *doc = l->policy->doc;

	for (size_t i = 0; i < doc->n_mounts; i++) {
		l->n_mounts++;
		if (priv_mount(l->front->priv, l->inst->tenant, doc->mounts[i].host,
			       doc->mounts[i].tmpfs, doc->mounts[i].write, who->conn, on_mount,
			       &l->mounts[i], &l->mounts[i].call, e) < 0)
			return e->code;
		l->mounts_pending++;
	}
	return 0;
}

/* ---- beginning ---------------------------------------------------------- */

static int check_may_start(const struct front *f, const struct policy *doc, struct err *e)
{
	uint32_t missing = doc->require & ~f->fences.stand & ~f->fences.degraded;

	if (f->ending)
		return err_set(e, ERR_BUSY, "the daemon is ending");
	if (!f->fences_known)
		return err_set(e, ERR_BUSY, "the daemon is still starting");
	if (missing != 0) {
		(void)err_set(e, ERR_ISOLATION, "a required fence does not stand: %s",
			      f->fences.missing);
		return err_hint(e, "see isolation.require in the policy, or allow it to be "
				   "missing in the daemon's configuration");
	}
	if (instances_live(f->instances) >= LIM_INSTANCES) {
		(void)err_set(e, ERR_QUOTA, "%u instances are running, the most there may be",
			      LIM_INSTANCES);
		return err_hint(e, "try again when some have ended");
	}
	return 0;
}

static int open_output(struct live *l, const struct launch *how, struct err *e)
{
	if (how->log)
		return log_open(l->front->state, l->inst->tenant, l->inst->id, &l->log, e);
	if (how->gather)
		return gather_new(&l->gather, e);
	return 0;
}

/* Standard input of one in the background, for attached clients to write to. */
static int open_stdin(struct live *l, struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_nomem(e);
	(void)fcntl(ends[1], F_SETFL, O_NONBLOCK); /* the guest's end stays as guests know it */
	l->stream[0] = STREAM_FD;
	l->stream_fd[0] = ends[0];
	l->stdin_fd = ends[1];
	return 0;
}

/* What is told of an instance is told of its last start. */
static int forget_outcome(struct instance *i, struct err *e)
{
	struct outcome *fresh;

	if (i->state != INST_EXITED)
		return 0;
	fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL)
		return err_nomem(e);
	(void)outcome_free(i->out);
	i->out = fresh;
	instance_changed(i);
	return 0;
}

static int prepare(struct live *l, struct launch *how, struct err *e)
{
	const struct spec *s = &l->inst->spec;
	struct zygote *z = NULL;

	l->client = !how->log;
	for (int i = 0; i < 3; i++) {
		l->stream[i] = how->stream[i];
		l->stream_fd[i] = how->fd[i];
		how->fd[i] = -1;
	}
	if (policies_find(l->front, l->inst->tenant, s->policy, &l->policy, e) < 0 ||
	    check_may_start(l->front, l->policy->doc, e) < 0 || open_output(l, how, e) < 0)
		return e->code;
	if (how->log && s->stdin_open && open_stdin(l, e) < 0)
		return e->code;
	if (s->reactor && calls_open(l, e) < 0)
		return e->code;
	if (zygote_get(l->front, how->who, s->module, -1, &l->wait, &z, e) < 0 ||
	    ask_mounts(l, how->who, e) < 0 || forget_outcome(l->inst, e) < 0)
		return e->code;
	if (z != NULL)
		zygote_attach(z, l);
	return 0;
}

int live_start(struct front *f, struct instance *i, struct launch *how, struct err *e)
{
	struct live *l = live_new(f, i);

	if (l == NULL) {
		(void)err_nomem(e);
	} else if (prepare(l, how, e) == 0) {
		record_forget_end(f, i); /* of the life before */
		i->live = l;
		i->starts++;
		instance_enter(f->instances, i, INST_STARTING, NULL);
		record_save(f, i);
		try_send(l);
		return 0;
	}
	for (int s = 0; s < 3; s++)
		fd_clear(&how->fd[s]);
	live_free(l);
	return e->code;
}
