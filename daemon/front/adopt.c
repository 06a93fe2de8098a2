/*
 * Taking over what an earlier front has started: its zygote tells of it, our
 * records say what it is. All that a zygote says and hands over is judged: it
 * can speak only of instances of its own tenant and module that were running.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/front/call.h"
#include "daemon/front/live.h"

#define SEQ_MOST      (UINT64_MAX / 2) /* numbers of our own are larger than any told */
#define STOP_GRACE_MS 10000u	       /* for one that was being stopped */

/* Indices of its descriptors; -1: it has none of these. */
struct told {
	const struct msg_zyg_kept *m;
	int call, input;
};

static bool read_message(const struct zygote *z, const struct ipc_msg *msg, struct told *ret)
{
	const struct msg_zyg_kept *m = &msg->body.zyg_kept;
	uint32_t n = 1;

	*ret = (struct told){ .m = m, .call = -1, .input = -1 };
	if (m->seq == 0 || m->seq > SEQ_MOST || !ipc_str_ok(m->id, sizeof(m->id)) ||
	    (m->flags & START_KEPT) == 0 || (m->flags & ~(uint64_t)START_ALL) != 0)
		return false;
	for (const struct live *l = z->lives; l != NULL; l = l->next_of_zygote)
		if (l->seq == m->seq)
			return false;
	if ((m->flags & START_CALL) != 0)
		ret->call = (int)n++;
	if ((m->flags & START_STDIN) != 0)
		ret->input = (int)n++;
	return msg->n_fds == n;
}

/* The one on record that is meant, was running, and is nobody's yet; or NULL. */
static struct instance *find(const struct zygote *z, const struct msg_zyg_kept *m)
{
	struct instance *i = NULL;
	struct err e = { 0 };

	if (instance_find(z->front->instances, z->tenant, m->id, &i, &e) < 0 ||
	    strcmp(i->id, m->id) != 0 || (i->state & INST_LIVE) == 0 || i->live != NULL ||
	    memcmp(i->spec.module, z->digest, DIGEST_BYTES) != 0)
		return NULL;
	return i;
}

/* A pipe, by a way of our own: through theirs it could be made to wait. */
static int open_input(int fd)
{
	char path[40];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

static int take_fds(struct live *l, const struct told *t, struct ipc_msg *msg, struct err *e)
{
	if (slot_adopt(fd_take(&msg->fds[0]), &l->slot, e) < 0)
		return e->code;
	if (t->call >= 0 && calls_adopt(l, fd_take(&msg->fds[t->call]), e) < 0)
		return e->code;
	if (t->input >= 0)
		l->stdin_fd = open_input(msg->fds[t->input]);
	return 0;
}

static int furnish(struct live *l, const struct told *t, struct ipc_msg *msg, struct err *e)
{
	const struct instance *i = l->inst;

	l->client = (t->m->flags & START_CLIENT) != 0;
	l->asked_ns = t->m->taken_ns;
	l->seq = t->m->seq;
	if (policies_find(l->front, i->tenant, i->spec.policy, &l->policy, e) < 0)
		return e->code;
	if (!l->client && log_open(l->front->state, i->tenant, i->id, &l->log, e) < 0)
		return e->code;
	if (take_fds(l, t, msg, e) < 0)
		return e->code;
	if (l->log != NULL)
		slot_logged(&l->slot, log_end(l->log, 0));
	return 0;
}

/* Nothing is known of it: it shall end, and nothing of it need be kept. */
static void turn_away(struct zygote *z, uint64_t seq)
{
	const struct msg_zyg_kill kill = { .seq = seq, .how = ZYG_KILL, .cause = CAUSE_LOST };
	const struct msg_zyg_forget forget = { .seq = seq };

	z->strangers++;
	(void)!zygote_send(z, IPC_zyg_kill, &kill, sizeof(kill), NULL, 0);
	(void)!zygote_send(z, IPC_zyg_forget, &forget, sizeof(forget), NULL, 0);
}

static void enter(struct live *l, const struct msg_zyg_kept *m)
{
	struct instance *i = l->inst;
	int64_t now = now_real(), started = m->started < INT64_MAX ? (int64_t)m->started : now;

	i->pid = m->pid;
	i->out->started = started < i->created ? i->created : started > now ? now : started;
	i->live = l;
	instance_changed(i);
	if (l->front->last_seq < m->seq)
		l->front->last_seq = m->seq;
	if (m->paused != 0 && instance_may(i->state, INST_PAUSED))
		instance_enter(l->front->instances, i, INST_PAUSED, NULL);
	live_go_on(l); /* rings may have filled meanwhile */
	if (m->pid != 0 && slot_stopping(&l->slot))
		live_stop(l, STOP_GRACE_MS);
}

int live_adopt(struct zygote *z, struct ipc_msg *msg)
{
	struct instance *i;
	struct err e = { 0 };
	struct told t;
	struct live *l;

	if (!read_message(z, msg, &t))
		return -1;
	i = find(z, t.m);
	l = i != NULL ? live_new(z->front, i) : NULL;
	if (l == NULL) {
		turn_away(z, t.m->seq);
		return 0;
	}
	if (furnish(l, &t, msg, &e) < 0) {
		front_log("instance %s can't be taken over: %s", i->id, e.msg);
		live_free(l);
		turn_away(z, t.m->seq);
		return e.code == ERR_PEER ? -1 : 0;
	}
	zygote_attach(z, l);
	enter(l, t.m);
	return 0;
}
