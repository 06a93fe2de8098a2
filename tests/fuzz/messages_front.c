/*
 * The front's receivers: privchan.c, zygotes.c and call.c over channel.c, in a
 * front that is whole but for HTTP and the store. Three peers speak to it in
 * any order, and its clients act in between.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>

#include "daemon/front/audit.h"
#include "daemon/front/call.h"
#include "daemon/front/command.h"
#include "daemon/front/policies.h"
#include "daemon/front/privchan.h"
#include "tests/fuzz/messages.h"

#define INSTANCES 4u
#define TURNS	  64 /* of the loop, for one message */

enum { TO_PRIV, TO_ZYGOTE, TO_WORKER, TO_ACT, TO_COUNT };
enum { KIND_AS_DUE, KIND_NULL, KIND_MEMFD, KIND_EVENTFD };

static const char policy_text[] =
	"{\"name\": \"f\", \"args\": true, \"mounts\": [{\"host\": \"/srv\", \"guest\": \"/a\"}],\n"
	" \"rules\": [{\"id\": \"one\", \"on\": \"path_open\", \"then\": \"deny\"}]}";

struct world {
	struct front f;
	struct config_tenant tenant;
	struct who who;
	uint8_t policy[DIGEST_BYTES];
	int priv, zygote, worker, slot; /* our ends; -1: there is none */
	struct zyg_wait wait;
	struct watch watches[INSTANCES];
	struct call_wait calls[INSTANCES];
	struct instance *insts[INSTANCES]; /* looked for before use: they may be gone */
};

void front_log(const char *fmt, ...)
{
}

static void on_ready(struct zyg_wait *w, struct zygote *z, const struct err *e)
{
}

static void on_state(struct watch *w, struct instance *i, const struct err *e)
{
}

static void on_called(struct call_wait *w, const struct msg_call_done *m, const struct err *e)
{
	if (m != NULL && memchr(m->message, '\0', sizeof(m->message)) == NULL)
		abort();
}

/* ---- the front, and what it asks ----------------------------------------- */

static void turn(struct world *w)
{
	for (int i = 0; i < TURNS && sd_event_run(w->f.loop, 0) > 0; i++)
		;
}

/* Compiled once; every input's front finds it. */
static struct policies *policies_made(uint8_t digest[DIGEST_BYTES])
{
	static struct front maker;
	struct policy_ref *r;
	struct err e = { 0 };

	if (maker.policies == NULL && policies_new(&maker.policies, &e) < 0)
		abort();
	if (policies_get(&maker, "alice", policy_text, &r, &e) < 0)
		abort();
	memcpy(digest, r->digest, DIGEST_BYTES);
	(void)policy_ref_drop(r);
	return maker.policies;
}

/* Until the module's process is asked for, as a start does. */
static void begin(struct world *w, bool fences)
{
	static const uint8_t digest[DIGEST_BYTES] = { 1 };
	const struct msg_priv_fences stand = { .stand = UINT32_MAX };
	struct err e = { 0 };
	struct zygote *z;
	int pair[2], module = memfd_with("\0asm\1\0\0\0", 8, true);

	w->priv = w->zygote = w->worker = w->slot = -1;
	w->tenant.name = (char *)(uintptr_t)"alice";
	w->tenant.compile.at_once = 4;
	w->who = (struct who){ &w->tenant, 1, null_fd() };
	w->f.state = "/nonexistent";
	w->f.policies = policies_made(w->policy);
	w->wait.done = on_ready;
	if (sd_event_new(&w->f.loop) < 0 || ipc_pair(pair, true) < 0 ||
	    audit_open("/dev/null", &w->f.audit, &e) < 0 || zygotes_new(&w->f, &e) < 0 ||
	    instances_new(&w->f, &e) < 0 || privchan_new(&w->f, pair[0], &e) < 0)
		abort();
	w->priv = pair[1];
	if (fences && ipc_send(w->priv, IPC_priv_fences, &stand, NULL, 0) < 0)
		abort();
	turn(w);
	if (zygote_get(&w->f, &w->who, digest, module, &w->wait, &z, &e) < 0)
		abort();
	(void)close(module);
}

static void end(struct world *w)
{
	w->f.ending = true;
	w->f.zygotes = zygotes_free(w->f.zygotes);
	w->f.priv = privchan_free(w->f.priv);
	for (size_t i = 0; i < INSTANCES; i++) {
		call_drop(&w->calls[i]);
		watch_drop(&w->watches[i]);
	}
	for (struct instance *i = instance_first(w->f.instances); i != NULL; i = i->next)
		if (i->live != NULL)
			live_finish(i->live, CAUSE_LOST, NULL);
	w->f.instances = instances_free(w->f.instances);
	w->f.audit = audit_close(w->f.audit);
	w->f.loop = sd_event_unref(w->f.loop);
	fd_clear(&w->priv);
	fd_clear(&w->zygote);
	fd_clear(&w->worker);
	fd_clear(&w->slot);
}

/* What the front has sent: it keeps to the table. The worker's end of the calls
 * and the slot are taken from the start that brings them. */
static void hear(struct world *w)
{
	struct ipc_msg m;

	while (w->priv >= 0 && ipc_recv(w->priv, IPC_PRIV, IPC_FRONT, &m) > 0)
		ipc_msg_done(&m);
	while (w->worker >= 0 && ipc_recv(w->worker, IPC_WORKER, IPC_FRONT, &m) > 0)
		ipc_msg_done(&m);
	while (w->zygote >= 0 && ipc_recv(w->zygote, IPC_ZYGOTE, IPC_FRONT, &m) > 0) {
		if (m.type == IPC_zyg_start && m.n_fds > 4) {
			fd_clear(&w->worker);
			fd_clear(&w->slot);
			w->slot = fd_take(&m.fds[2]);
			if ((m.body.zyg_start.flags & START_CALL) != 0)
				w->worker = fd_take(&m.fds[m.n_fds - 1]);
			(void)fcntl(w->worker, F_SETFL, O_NONBLOCK);
		}
		ipc_msg_done(&m);
	}
}

/* ---- what clients do meanwhile ------------------------------------------- */

static bool is_there(const struct world *w, const struct instance *i)
{
	const struct instance *at = instance_first(w->f.instances);

	while (at != NULL && at != i)
		at = at->next;
	return i != NULL && at == i;
}

static void act_start(struct world *w, size_t n, bool reactor)
{
	struct launch how = { .who = &w->who,
			      .stream = { STREAM_NULL, STREAM_RING, STREAM_RING },
			      .fd = { -1, -1, -1 },
			      .gather = true };
	struct spec s = { .module = { 1 }, .reactor = reactor };
	struct err e = { 0 };

	watch_drop(&w->watches[n]);
	if (!is_there(w, w->insts[n])) {
		memcpy(s.policy, w->policy, sizeof(s.policy));
		s.module_name = strdup("");
		s.policy_name = strdup("");
		if (instance_new(w->f.instances, &w->tenant, "", &s, &w->insts[n], &e) < 0)
			abort();
	}
	w->watches[n] = (struct watch){ .states = INST_RUNNING | INST_EXITED, .fire = on_state };
	(void)!cmd_start(&w->f, w->insts[n], &how, &w->watches[n], &e);
}

static void act_call(struct world *w, size_t n)
{
	struct msg_call m = { .name = "add", .n_args = 2 };
	struct err e = { 0 };

	call_drop(&w->calls[n]);
	w->calls[n] = (struct call_wait){ .done = on_called };
	(void)!call_send(w->insts[n], &m, &w->calls[n], &e);
}

/* What a worker leaves in its slot. */
static void act_scribble(const struct world *w, const struct bent *b)
{
	size_t at = offsetof(struct slot_ctl, report);

	if (w->slot >= 0 && b->len > 0)
		(void)!pwrite(w->slot, b->bytes, b->len < 2048 ? b->len : 2048, (off_t)at);
}

static void act(struct world *w, const struct bent *b)
{
	size_t n = b->kind % INSTANCES;
	struct instance *i = w->insts[n];
	struct err e = { 0 };

	if (b->type % 8 <= 1 && (i == NULL || !is_there(w, i) || (i->state & INST_LIVE) == 0)) {
		act_start(w, n, b->type % 8 == 0);
		return;
	}
	if (b->type % 8 == 7)
		act_scribble(w, b);
	if (!is_there(w, i))
		return;
	watch_drop(&w->watches[n]);
	w->watches[n] = (struct watch){ .states = INST_EXITED, .fire = on_state };
	if (b->type % 8 == 2)
		(void)!cmd_kill(i, &w->watches[n], &e);
	else if (b->type % 8 == 3)
		(void)!cmd_stop(i, 0, &w->watches[n], &e);
	else if (b->type % 8 == 4)
		(void)!cmd_pause(i, (b->bend & BEND_FLAG) == 0, &e);
	else if (b->type % 8 == 5)
		act_call(w, n);
	else if (b->type % 8 == 6)
		(void)!cmd_remove(&w->f, i, true, &w->watches[n], &e);
}

/* ---- the peers ----------------------------------------------------------- */

/* Due are a channel of a zygote for the first answer, a directory for later. */
static int fd_of(struct world *w, const struct bent *b, unsigned i)
{
	int pair[2];

	if (b->kind == KIND_MEMFD)
		return memfd_with("x", 1, false);
	if (b->kind == KIND_EVENTFD)
		return eventfd(0, EFD_CLOEXEC);
	if (b->kind == KIND_NULL || i > 0 || w->zygote >= 0)
		return fcntl(null_fd(), F_DUPFD_CLOEXEC, 3);
	if (ipc_pair(pair, true) < 0)
		abort();
	w->zygote = pair[0];
	return pair[1];
}

static void say(struct world *w, int fd, const struct bent *b)
{
	int fds[64];

	for (unsigned i = 0; i < b->n_fds; i++)
		fds[i] = fd_of(w, b, i);
	bent_send(fd, b, fds);
	for (unsigned i = 0; i < b->n_fds; i++)
		close_p(&fds[i]);
}

/* A flagged message to nobody: the peer hangs up. */
static void speak(struct world *w, const struct bent *b)
{
	int *fd = b->to % TO_COUNT == TO_PRIV	  ? &w->priv
		  : b->to % TO_COUNT == TO_ZYGOTE ? &w->zygote
						  : &w->worker;

	if (*fd < 0)
		return;
	if ((b->bend & BEND_FLAG) != 0)
		fd_clear(fd);
	else
		say(w, *fd, b);
}

void fuzz_front(struct script *s)
{
	struct world w = { 0 };
	struct bent b;
	bool more = script_next(s, &b);

	begin(&w, !more || (b.bend & BEND_FLAG) == 0 || b.to % TO_COUNT != TO_ACT);
	for (; more; more = script_next(s, &b)) {
		if (b.to % TO_COUNT == TO_ACT)
			act(&w, &b);
		else
			speak(&w, &b);
		turn(&w);
		hear(&w);
	}
	end(&w);
}
