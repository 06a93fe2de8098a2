/* How instances end: draining their rings and judging what is left. See live.h. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "daemon/front/audit.h"
#include "daemon/front/live.h"
#include "daemon/front/record.h"
#include "daemon/front/restart.h"

#define DRAIN_TURN 64	/* records of each ring per wake-up */
#define DRAIN_LAST 8192 /* at the end: more than both rings can hold */
#define RECORD_MAX (sizeof(struct slot_audit) + 2 * LIM_PATH_BYTES)
_Static_assert(RECORD_MAX >= SLOT_OUTPUT_RECORD, "one buffer for both rings");

/* ---- rings -------------------------------------------------------------- */

static int take_output(struct live *l, uint32_t type, const uint8_t *body, uint64_t len)
{
	if (type != 1 && type != 2)
		return -1;
	if (l->log != NULL) {
		slot_logging(&l->slot, log_end(l->log, len));
		log_put(l->log, type, body, len);
	}
	ring_taken(&l->slot.output);
	if (l->gather != NULL)
		gather_put(l->gather, type, body, len);
	instance_output(l->inst, type, body, len);
	return 0;
}

static int take_audit(struct live *l, uint32_t type, const uint8_t *body, uint64_t len)
{
	return type == SLOT_AUDIT_CALL ? audit_call(l->front->audit, l, body, len) : -1;
}

typedef int take_fn(struct live *l, uint32_t type, const uint8_t *body, uint64_t len);

/* What is taken off the audit ring is taken when it is in the file. Up to @turns
 * records: 1 when there may be more, 0 when it is empty and the
 * doorbell is asked for, -1 when the writer lies. */
static int drain_ring(struct live *l, struct ring *r, int turns, take_fn *take)
{
	uint8_t body[RECORD_MAX];
	uint64_t len = 0;
	uint32_t type = 0;
	int got = 0;

	for (int i = 0; i < turns; i++) {
		got = ring_read(r, body, sizeof(body), &type, &len);
		if (got > 0)
			got = take(l, type, body, len) < 0 ? -1 : 1;
		else if (got == 0 && ring_sleep(r))
			continue;
		if (got <= 0)
			break;
	}
	slot_room(r);
	return got;
}

bool live_drain(struct live *l, bool last)
{
	int turns = last ? DRAIN_LAST : DRAIN_TURN;
	int out = 0, audit;

	if (l->broken || l->slot.map == NULL)
		return false;
	if (last || !instance_held(l->inst))
		out = drain_ring(l, &l->slot.output, turns, take_output);
	audit = drain_ring(l, &l->slot.audit, turns, take_audit);
	audit_settle(l->front->audit, l, false);
	audit_flush(l->front->audit);
	ring_taken(&l->slot.audit);
	slot_room(&l->slot.audit);
	if (out < 0 || audit < 0) {
		l->broken = true;
		front_log("instance %s wrote what no worker writes and is killed", l->inst->id);
		audit_event(l->front->audit, l->inst, "daemon", "broken ring");
		if (!last)
			live_kill(l, CAUSE_CRASHED);
		return false;
	}
	return out > 0 || audit > 0;
}

void live_go_on(struct live *l)
{
	if (l->zyg != NULL)
		zygote_look(l->zyg);
}

/* ---- asking it to end --------------------------------------------------- */

static void send_kill(struct live *l, uint32_t how, enum cause cause)
{
	const struct msg_zyg_kill m = { .seq = l->seq, .how = how, .cause = (uint32_t)cause };

	if (l->zyg != NULL && zygote_send(l->zyg, IPC_zyg_kill, &m, sizeof(m), NULL, 0) < 0)
		zygote_retire(l->zyg);
}

/* false when it had not been sent yet and is finished now. */
static bool begin_end(struct live *l, enum cause cause)
{
	if (l->ending == CAUSE_NONE)
		l->ending = cause;
	if (l->seq == 0) {
		live_finish(l, cause, NULL);
		return false;
	}
	if (l->inst->state != INST_STOPPING)
		instance_enter(l->front->instances, l->inst, INST_STOPPING, NULL);
	return true;
}

void live_eof(struct live *l)
{
	if (l->stdin_fd < 0)
		return;
	fd_clear(&l->stdin_fd);
	send_kill(l, ZYG_EOF, CAUSE_NONE);
}

static int on_grace(sd_event_source *source, uint64_t usec, void *arg)
{
	struct live *l = arg;

	l->grace = sd_event_source_disable_unref(l->grace);
	live_kill(l, CAUSE_KILLED);
	return 0;
}

void live_runs(struct live *l)
{
	if (l->inst->state == INST_STARTING && l->seq != 0)
		instance_enter(l->front->instances, l->inst, INST_RUNNING, NULL);
}

void live_pause(struct live *l, bool pause)
{
	send_kill(l, pause ? ZYG_PAUSE : ZYG_RESUME, CAUSE_NONE);
	instance_enter(l->front->instances, l->inst, pause ? INST_PAUSED : INST_RUNNING, NULL);
}

void live_stop(struct live *l, unsigned grace_ms)
{
	bool paused = l->inst->state == INST_PAUSED;

	if (!begin_end(l, CAUSE_STOPPED))
		return;
	if (paused) /* so that it can see the request */
		send_kill(l, ZYG_RESUME, CAUSE_NONE);
	slot_stop(&l->slot);
	send_kill(l, ZYG_WAKE, CAUSE_STOPPED);
	l->grace = sd_event_source_disable_unref(l->grace);
	if (sd_event_add_time_relative(l->front->loop, &l->grace, CLOCK_MONOTONIC,
				       (uint64_t)grace_ms * 1000, 1, on_grace, l) < 0)
		live_kill(l, CAUSE_KILLED);
}

void live_kill(struct live *l, enum cause why)
{
	l->ending = why;
	if (begin_end(l, why))
		send_kill(l, ZYG_KILL, why);
}

/* ---- judging ------------------------------------------------------------ */

/* What a worker may claim of itself: only what it can know. */
static enum cause claimed(const struct live *l, const struct slot_report *r, enum cause zygote)
{
	if (r->cause == CAUSE_NONE || r->cause >= CAUSE_LOST)
		return CAUSE_CRASHED;
	if (r->cause != CAUSE_STOPPED)
		return (enum cause)r->cause;
	if (zygote != CAUSE_NONE)
		return zygote;
	return l->ending != CAUSE_NONE ? l->ending : CAUSE_STOPPED;
}

static enum cause by_signal(const struct live *l, int sig, enum cause zygote)
{
	if (sig == SIGSYS)
		return CAUSE_VIOLATION;
	if (sig == SIGXCPU)
		return CAUSE_CPU;
	if (zygote != CAUSE_NONE && zygote != CAUSE_EXITED)
		return zygote;
	return sig == SIGKILL && l->ending != CAUSE_NONE ? l->ending : CAUSE_CRASHED;
}

static enum cause judge(const struct live *l, const struct slot_report *r,
			const struct msg_zyg_exited *m)
{
	enum cause zygote = m->cause < CAUSE_COUNT ? (enum cause)m->cause : CAUSE_NONE;

	if (WIFSIGNALED(m->wait_status))
		return by_signal(l, WTERMSIG(m->wait_status), zygote);
	if (WIFEXITED(m->wait_status) && WEXITSTATUS(m->wait_status) == 0 && r->done == 1)
		return claimed(l, r, zygote);
	if (r->done == 1 && r->cause == CAUSE_FAILED)
		return CAUSE_FAILED;
	return zygote != CAUSE_NONE ? zygote : CAUSE_CRASHED;
}

static void take_usage(struct live *l, const struct slot_report *r, const struct msg_zyg_exited *m)
{
	struct usage *u = &l->inst->out->usage;

	*u = (struct usage){
		.fuel = r->fuel_used,
		.cpu_ns = m->cpu_ns,
		.wall_ns = m->wall_ns,
		.memory_peak = r->memory_peak,
		.rss = m->rss_bytes,
		.host_calls = r->host_calls,
		.denied = r->denied,
		.bytes_read = r->bytes_read,
		.bytes_written = r->bytes_written,
		.start_ns = r->first_ns > l->asked_ns ? r->first_ns - l->asked_ns : 0,
	};
}

static void take_report(struct live *l, const struct slot_report *r, enum cause cause)
{
	struct outcome *o = l->inst->out;

	o->status = cause == CAUSE_EXITED ? r->status : 0;
	if (r->done == 1 && r->message[0] != '\0')
		o->message = text_escape(r->message, strlen(r->message));
}

/* The instance that @z means; the newest, which speak most, come first. */
static struct live *live_of(struct zygote *z, uint64_t seq)
{
	struct live *l = z->lives;

	while (l != NULL && (l->seq != seq || seq == 0))
		l = l->next_of_zygote;
	return l;
}

int live_started(struct zygote *z, const struct msg_zyg_started *m)
{
	struct live *l = live_of(z, m->seq);

	if (l == NULL)
		return -1;
	l->inst->pid = m->pid;
	l->inst->out->started = now_real();
	instance_changed(l->inst);
	live_runs(l);
	return 0;
}

/* One that it told of and that was not taken over. */
static int stranger_ended(struct zygote *z)
{
	if (z->strangers == 0)
		return -1;
	z->strangers--;
	return 0;
}

int live_exited(struct zygote *z, const struct msg_zyg_exited *m)
{
	struct live *l = live_of(z, m->seq);
	struct slot_report r;
	enum cause cause;

	if (l == NULL)
		return stranger_ended(z);
	l->ended = m->finished < INT64_MAX ? (int64_t)m->finished : 0;
	(void)live_drain(l, true);
	slot_report(&l->slot, &r);
	cause = judge(l, &r, m);
	if (cause == CAUSE_VIOLATION)
		audit_event(l->front->audit, l->inst, "kernel", "forbidden system call (SIGSYS)");
	if (cause == CAUSE_VIOLATION || cause == CAUSE_CRASHED)
		zygote_retire(z);
	take_usage(l, &r, m);
	take_report(l, &r, cause);
	audit_lost(l->front->audit, l->inst, atomic_load(&l->slot.audit.h->lost));
	live_finish(l, cause, NULL);
	return 0;
}

void live_lost(struct live *l)
{
	(void)live_drain(l, true);
	live_finish(l, l->ending != CAUSE_NONE ? l->ending : CAUSE_LOST, NULL);
}

/* Between its start and now, whatever its zygote says. */
static int64_t end_time(const struct live *l)
{
	int64_t now = now_real();

	return l->ended >= l->inst->out->started && l->ended != 0 && l->ended < now ? l->ended
										    : now;
}

void live_finish(struct live *l, enum cause cause, const struct err *e)
{
	struct front *f = l->front;
	struct instance *i = l->inst;
	struct err stays = { 0 };

	if (l->zyg != NULL) {
		i->end = (struct kept_end){ .zygote = l->zyg->pid, .seq = l->seq };
		zygote_detach(l->zyg, l);
	}
	i->out->cause = cause;
	i->out->finished = end_time(l);
	if (e != NULL && i->out->message == NULL)
		i->out->message = text_escape(e->msg, strlen(e->msg));
	i->pid = 0;
	audit_settle(f->audit, l, true);
	audit_flush(f->audit);
	if (i->forget && record_drop(f, i, &stays) < 0) {
		front_log("%s", stays.msg);
		i->forget = false;
	}
	if (!i->forget) {
		record_save_ended(f, i);
		restart_plan(i);
	}
	instance_enter(f->instances, i, INST_EXITED, e);
	i->live = NULL;
	live_free(l);
	if (i->forget) {
		record_dropped(f, i);
		instance_free(f->instances, i);
	} else {
		restart_consider(i);
	}
}
