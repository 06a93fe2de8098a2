/* Calls of a reactor's exports: see call.h. */
#include "daemon/front/call.h"

#include <string.h>
#include <sys/socket.h>

#include "daemon/front/channel.h"

struct calls {
	struct live *live;
	struct channel *channel;
	struct call_wait *first, **last;
	size_t n;		    /* sent and not answered, dropped ones included */
	uint64_t last_id, first_id; /* ids before the first are an earlier front's */
	size_t n_stale;		    /* answers to that one that may still come */
};

static int on_done(struct calls *c, const struct msg_call_done *m)
{
	struct call_wait *w = c->first;

	if (m->id < c->first_id && c->n_stale > 0) {
		c->n_stale--;
		return 0;
	}
	if (c->n == 0 || m->n_results > CALL_VALUES || !ipc_str_ok(m->message, sizeof(m->message)))
		return -1;
	c->n--;
	if (w == NULL || w->id != m->id)
		return 0; /* nobody waits for it any more */
	c->first = w->next;
	if (c->first == NULL)
		c->last = &c->first;
	w->on = NULL;
	w->done(w, m, NULL);
	return 0;
}

static int on_message(void *arg, struct ipc_msg *m)
{
	struct calls *c = arg;

	if (m->type == IPC_call_done && on_done(c, &m->body.call_done) == 0)
		return 0;
	front_log("instance %s answers what was not asked and is killed", c->live->inst->id);
	live_kill(c->live, CAUSE_CRASHED);
	return -1;
}

static void on_gone(void *arg, const char *why)
{
	/* The instance ends, or is being killed: its zygote tells. */
}

static const struct channel_ops call_ops = { on_message, on_gone };

/* Takes @fd. */
static int calls_over(struct live *l, int fd, struct err *e)
{
	struct calls *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)close(fd);
		return err_nomem(e);
	}
	c->live = l;
	c->last = &c->first;
	if (channel_new(l->front->loop, fd, IPC_WORKER, &call_ops, c, &c->channel) < 0) {
		free(c);
		return err_nomem(e);
	}
	l->calls = c;
	return 0;
}

int calls_open(struct live *l, struct err *e)
{
	int ends[2];

	if (ipc_pair(ends, false) < 0)
		return err_nomem(e);
	if (calls_over(l, ends[0], e) < 0) {
		(void)close(ends[1]);
		return e->code;
	}
	l->call_fd = ends[1];
	return 0;
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

int calls_adopt(struct live *l, int fd, struct err *e)
{
	if (option(fd, SO_DOMAIN) != AF_UNIX || option(fd, SO_TYPE) != SOCK_SEQPACKET) {
		(void)close(fd);
		return err_set(e, ERR_PEER, "the call channel is none");
	}
	if (calls_over(l, fd, e) < 0)
		return e->code;
	l->calls->first_id = l->calls->last_id = now_mono(); /* above all before */
	l->calls->n_stale = CALLS_MAX;
	return 0;
}

int calls_fd(const struct calls *c)
{
	return channel_fd(c->channel);
}

struct calls *calls_free(struct calls *c)
{
	struct err e = { 0 };

	if (c == NULL)
		return NULL;
	(void)err_set(&e, ERR_PEER, "the instance ended before it answered: it %s",
		      cause_info(c->live->inst->out->cause).text);
	while (c->first != NULL) {
		struct call_wait *w = c->first;

		c->first = w->next;
		w->on = NULL;
		w->done(w, NULL, &e);
	}
	(void)channel_free(c->channel);
	free(c);
	return NULL;
}

int call_send(struct instance *i, struct msg_call *m, struct call_wait *w, struct err *e)
{
	struct calls *c = i->live != NULL ? i->live->calls : NULL;

	if (!i->spec.reactor) {
		(void)err_set(e, ERR_STATE, "the instance is no reactor");
		return err_hint(e, "create it with \"reactor\": true to call its exports");
	}
	if (c == NULL || (i->state & (INST_STARTING | INST_RUNNING)) == 0)
		return err_set(e, ERR_STATE, "the instance is %s", inst_state_text(i->state));
	if (c->n >= CALLS_MAX)
		return err_set(e, ERR_QUOTA,
			       "%u calls wait at this instance, the most there may be", CALLS_MAX);
	m->id = ++c->last_id;
	if (channel_send(c->channel, IPC_call, m, sizeof(*m), NULL, 0) < 0)
		return err_set(e, ERR_PEER, "the instance does not take calls any more");
	*w = (struct call_wait){ .on = c, .id = m->id, .done = w->done };
	*c->last = w;
	c->last = &w->next;
	c->n++;
	return 0;
}

void call_drop(struct call_wait *w)
{
	struct calls *c = w->on;

	if (c == NULL)
		return;
	for (struct call_wait **at = &c->first; *at != NULL; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			if (w->next == NULL)
				c->last = at;
			break;
		}
	w->on = NULL;
}
