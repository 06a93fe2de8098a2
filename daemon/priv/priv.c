/*
 * The message table: what the front may ask, and what is done about it.
 * Anything off the table ends the front.
 */
#include "daemon/priv/priv.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "daemon/locked/opener.h"

uint64_t priv_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- answers ------------------------------------------------------------ */

static int answer_failed(struct priv *p, uint64_t req, const struct err *e)
{
	struct msg_priv_failed m = { .req = req, .code = e->code };

	(void)snprintf(m.msg, sizeof(m.msg), "%s", e->msg);
	(void)snprintf(m.hint, sizeof(m.hint), "%s", e->hint);
	return ipc_send(p->channel, IPC_priv_failed, &m, NULL, 0);
}

static int answer_ok(struct priv *p, uint64_t req, pid_t pid, int fd)
{
	struct msg_priv_ok m = { .req = req, .pid = pid };

	return ipc_send(p->channel, IPC_priv_ok, &m, &fd, 1);
}

/* ---- priv_zygote -------------------------------------------------------- */

static int zygote(struct priv *p, const struct ipc_msg *m, int *ret_fd, pid_t *ret_pid,
		  struct err *e)
{
	const struct msg_priv_zygote *ask = &m->body.priv_zygote;
	const struct config_tenant *t;

	if (identity_judge(p, m->fds[0], ask->tenant, &t, e) < 0)
		return e->code;
	return spawn_zygote(p, t, ask->digest, m->fds[1], ret_fd, ret_pid, e);
}

static int on_zygote(struct priv *p, const struct ipc_msg *m)
{
	const struct msg_priv_zygote *ask = &m->body.priv_zygote;
	CLEANUP(close_p) int fd = -1;
	struct err e = { 0 };
	pid_t pid = 0;

	if (m->n_fds != 2 || !ipc_str_ok(ask->tenant, sizeof(ask->tenant)))
		return -EPROTO;
	if (zygote(p, m, &fd, &pid, &e) < 0)
		return answer_failed(p, ask->req, &e);
	return answer_ok(p, ask->req, pid, fd);
}

/* It says nothing back: the front sees the channel end. */
static int on_end(struct priv *p, const struct ipc_msg *m)
{
	survive_sweep(p);
	for (size_t i = 0; i < PRIV_ZYGOTES; i++)
		if (p->zygotes[i].pid != 0 && p->zygotes[i].pid == m->body.priv_end.pid)
			survive_end(p, &p->zygotes[i]);
	return 0;
}

static int on_serving(struct priv *p, const struct ipc_msg *m)
{
	p->serving = true;
	return m->body.priv_serving.version == IPC_VERSION ? 0 : -EPROTO;
}

/* ---- priv_mount --------------------------------------------------------- */

static struct priv_job *free_job(struct priv *p)
{
	for (size_t i = 0; i < PRIV_JOBS; i++)
		if (p->jobs[i].pid == 0)
			return &p->jobs[i];
	return NULL;
}

static int start_opener(struct priv *p, struct priv_job *j, struct err *e)
{
	struct opener o = {
		.path = j->ask.host,
		.who = { j->tenant->uid, j->tenant->gid, j->tenant->groups, j->tenant->n_groups,
			 !p->privileged },
		.filter = p->opener_filter,
		.degraded = p->fences.degraded,
	};
	int pair[2];

	if (ipc_pair(pair, false) < 0)
		return err_set(e, ERR_IO, "a channel: %s", strerror(errno));
	o.channel = pair[1];
	j->pid = fork();
	if (j->pid == 0)
		opener_run(&o);
	(void)close(pair[1]);
	if (j->pid < 0) {
		j->pid = 0;
		(void)close(pair[0]);
		return err_set(e, ERR_IO, "an opener: %s", strerror(errno));
	}
	j->sock = pair[0];
	j->reaped = false;
	j->deadline = priv_now() + PRIV_OPENER_NS;
	return 0;
}

static int mount_begin(struct priv *p, const struct ipc_msg *m, struct err *e)
{
	const struct msg_priv_mount *ask = &m->body.priv_mount;
	struct priv_job *j = free_job(p);

	if (j == NULL)
		return err_set(e, ERR_BUSY, "%u directories are being opened", PRIV_JOBS);
	j->ask = *ask;
	if (identity_judge(p, m->fds[0], ask->tenant, &j->tenant, e) < 0 ||
	    ceiling_names(j->tenant, ask->host, ask->write != 0, e) < 0)
		return e->code;
	return start_opener(p, j, e);
}

static int tmpfs(struct priv *p, const struct ipc_msg *m, int *ret_fd, struct err *e)
{
	const struct msg_priv_mount *ask = &m->body.priv_mount;
	const struct config_tenant *t;

	if (identity_judge(p, m->fds[0], ask->tenant, &t, e) < 0)
		return e->code;
	if (p->privileged)
		return mounts_tmpfs(ask->tmpfs_kib, PRIV_UID_BASE + t->index,
				    PRIV_UID_BASE + t->index, ret_fd, e);
	return mounts_tmpfs(ask->tmpfs_kib, p->uid, p->gid, ret_fd, e);
}

static int on_mount(struct priv *p, const struct ipc_msg *m)
{
	const struct msg_priv_mount *ask = &m->body.priv_mount;
	CLEANUP(close_p) int fd = -1;
	struct err e = { 0 };

	if (m->n_fds != 1 || !ipc_str_ok(ask->tenant, sizeof(ask->tenant)) ||
	    !ipc_str_ok(ask->host, sizeof(ask->host)))
		return -EPROTO;
	if (ask->host[0] == '\0' && tmpfs(p, m, &fd, &e) == 0)
		return answer_ok(p, ask->req, 0, fd);
	if (e.code == 0 && mount_begin(p, m, &e) == 0)
		return 0; /* the opener's answer is the answer */
	return answer_failed(p, ask->req, &e);
}

/* Made at the tenant's first mount. */
static int idmap_of(struct priv *p, const struct config_tenant *t, int *ret, struct err *e)
{
	int *fd = &p->idmaps[t->index];

	*ret = -1;
	if (!p->privileged)
		return 0;
	if (*fd < 0 && mounts_idmap(t->uid, t->gid, PRIV_UID_BASE + t->index, fd, e) < 0)
		return e->code;
	*ret = *fd;
	return 0;
}

static int not_opened(const struct priv_job *j, int error, struct err *e)
{
	const char *path = j->ask.host;
	int code = error == ENOENT ? ERR_NOTFOUND : error == EACCES ? ERR_PERM : ERR_IO;

	if (error == ENOENT)
		return err_set(e, code, "there is no directory %s on the host", path);
	if (error == ENOTDIR)
		return err_set(e, ERR_USAGE, "%s is no directory", path);
	if (error == EACCES)
		return err_set(e, code, "tenant \"%s\" (uid %u) may not open %s", j->tenant->name,
			       j->tenant->uid, path);
	return err_set(e, code, "opening %s as tenant \"%s\": %s", path, j->tenant->name,
		       strerror(error));
}

static int mount_finish(struct priv *p, const struct priv_job *j, const struct ipc_msg *m,
			int *ret_fd, struct err *e)
{
	bool write = j->ask.write != 0;
	int idmap;

	if (m->body.opener_done.error != 0)
		return not_opened(j, m->body.opener_done.error, e);
	if (m->n_fds != 1)
		return err_set(e, ERR_PEER, "the opener answered without a directory");
	if (ceiling_holds(j->tenant, m->fds[0], j->ask.host, write, e) < 0 ||
	    idmap_of(p, j->tenant, &idmap, e) < 0)
		return e->code;
	if (mounts_detach(m->fds[0], write, idmap, ret_fd, e) < 0)
		return err_prefix(e, "mounting %s", j->ask.host);
	return 0;
}

static void job_end(struct priv_job *j)
{
	if (!j->reaped)
		(void)kill(j->pid, SIGKILL);
	fd_clear(&j->sock);
	j->pid = 0; /* reaped with the others; a hung one later, by itself */
}

void priv_opener_answer(struct priv *p, struct priv_job *j)
{
	CLEANUP(close_p) int fd = -1;
	struct err e = { 0 };
	struct ipc_msg m;
	int r = ipc_recv(j->sock, IPC_PRIV, IPC_OPENER, &m);

	if (r == 0)
		return;
	if (r < 0)
		(void)err_set(&e, ERR_PEER, "the opener of %s ended without an answer",
			      j->ask.host);
	else
		(void)mount_finish(p, j, &m, &fd, &e);
	if (r > 0)
		ipc_msg_done(&m);
	job_end(j);
	(void)(e.code == 0 ? answer_ok(p, j->ask.req, 0, fd) : answer_failed(p, j->ask.req, &e));
}

bool priv_full(const struct priv *p)
{
	for (size_t i = 0; i < PRIV_JOBS; i++)
		if (p->jobs[i].pid == 0)
			return false;
	return true;
}

/* The next front numbers its own: it must not get what this one asked for. */
void priv_front_gone(struct priv *p)
{
	fd_clear(&p->channel);
	for (size_t i = 0; i < PRIV_JOBS; i++)
		if (p->jobs[i].pid != 0)
			job_end(&p->jobs[i]);
}

int priv_deadlines(struct priv *p, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < PRIV_JOBS; i++) {
		struct priv_job *j = &p->jobs[i];
		struct err e = { 0 };

		if (j->pid == 0)
			continue;
		if (j->deadline > now) {
			next = j->deadline < next ? j->deadline : next;
			continue;
		}
		(void)err_set(&e, ERR_TIMEOUT, "opening %s took longer than 2 s", j->ask.host);
		(void)err_hint(&e, "is its file system alive?");
		job_end(j);
		(void)answer_failed(p, j->ask.req, &e);
	}
	return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000u) + 1;
}

/* ---- the table ---------------------------------------------------------- */

static const struct {
	uint32_t type;
	int (*handle)(struct priv *p, const struct ipc_msg *m);
} table[] = {
	{ IPC_priv_zygote, on_zygote },
	{ IPC_priv_mount, on_mount },
	{ IPC_priv_end, on_end },
	{ IPC_priv_serving, on_serving },
};

int priv_serve(struct priv *p)
{
	struct ipc_msg m;
	int r = ipc_recv(p->channel, IPC_PRIV, IPC_FRONT, &m);

	if (r <= 0)
		return r;
	r = -EPROTO;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].type == m.type)
			r = table[i].handle(p, &m);
	ipc_msg_done(&m);
	return r;
}

struct priv_zygote *priv_free_zygote(struct priv *p)
{
	survive_sweep(p);
	for (size_t i = 0; i < PRIV_ZYGOTES; i++)
		if (p->zygotes[i].pid == 0)
			return &p->zygotes[i];
	return NULL;
}

void priv_reaped(struct priv *p, pid_t pid)
{
	for (size_t i = 0; i < PRIV_ZYGOTES; i++)
		if (p->zygotes[i].pid == pid && !p->zygotes[i].adopted)
			survive_gone(p, &p->zygotes[i]);
	for (size_t i = 0; i < PRIV_JOBS; i++)
		if (p->jobs[i].pid == pid)
			p->jobs[i].reaped = true;
}

void priv_let_go(struct priv *p)
{
	for (size_t i = 0; i < PRIV_JOBS; i++)
		if (p->jobs[i].pid != 0)
			job_end(&p->jobs[i]);
}

void priv_kill_all(struct priv *p)
{
	for (size_t i = 0; i < PRIV_ZYGOTES; i++)
		if (p->zygotes[i].pid != 0)
			survive_end(p, &p->zygotes[i]);
	priv_let_go(p);
}
