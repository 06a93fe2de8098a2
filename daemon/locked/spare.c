/*
 * Spares of one zygote. A start wakes a process that is already there; the
 * fork that replaces it comes when the channel has been quiet for a moment,
 * so that it takes no processor from the start itself.
 */
#include "daemon/locked/spare.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#define QUIET_NS 300000ull	/* after a start, before the next spare is forked */
#define IDLE_NS	 10000000000ull /* unused for so long: all but one are let go */
#define RETRY_NS 100000000ull	/* after a fork that failed */

static uint64_t now_ns(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int spares_fork(struct spares *s, const struct guest *g)
{
	struct spare *new = &s->at[s->n];
	int pair[2], r;

	if (s->n == SPARES_MAX)
		return -EAGAIN;
	r = ipc_pair(pair, false);
	if (r < 0)
		return r;
	new->pid = fork();
	if (new->pid == 0)
		worker_run(g, pair[1]);
	r = new->pid < 0 ? -errno : 0;
	(void)close(pair[1]);
	new->channel = pair[0];
	if (r < 0)
		(void)close(pair[0]);
	else
		s->n++;
	return r;
}

static struct spare take(struct spares *s, uint32_t i)
{
	struct spare r = s->at[i];

	s->n--;
	memmove(&s->at[i], &s->at[i + 1], (s->n - i) * sizeof(s->at[0]));
	return r;
}

/* Its end of the channel gone, it leaves; who it was is known to nobody then,
 * and it is reaped as such. */
static void let_go(struct spares *s)
{
	struct spare last = take(s, s->n - 1);

	(void)close(last.channel);
}

pid_t spares_start(struct spares *s, const struct guest *g, struct ipc_msg *m)
{
	if (s->n == 0 && s->want < SPARES_MAX)
		s->want++;
	s->fork_at = now_ns() + QUIET_NS;
	s->shrink_at = s->fork_at + IDLE_NS;
	for (;;) {
		int r = s->n == 0 ? spares_fork(s, g) : 0;
		struct spare one;

		if (r < 0)
			return r;
		one = take(s, 0);
		r = ipc_send(one.channel, IPC_zyg_start, &m->body.zyg_start, m->fds, m->n_fds);
		(void)close(one.channel);
		if (r == 0)
			return one.pid;
		if (r != -EPIPE)
			return r;
	}
}

uint64_t spares_due(const struct spares *s, uint64_t now)
{
	uint64_t at = s->n < s->want ? s->fork_at : s->want > 1 ? s->shrink_at : UINT64_MAX;

	return at == UINT64_MAX ? at : at > now ? at - now : 0;
}

void spares_keep(struct spares *s, const struct guest *g, uint64_t now)
{
	if (spares_due(s, now) != 0)
		return;
	if (s->n >= s->want) {
		s->want = 1;
		while (s->n > 1)
			let_go(s);
	} else if (spares_fork(s, g) < 0) {
		s->fork_at = now + RETRY_NS;
	}
}

bool spares_reaped(struct spares *s, pid_t pid)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->at[i].pid != pid)
			continue;
		(void)close(take(s, i).channel);
		return true;
	}
	return false;
}
