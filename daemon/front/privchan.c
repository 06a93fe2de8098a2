/* Asking priv: see privchan.h. */
#include "daemon/front/privchan.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/front/channel.h"
#include "daemon/front/zygotes.h"

struct priv_call {
	struct priv_call *next;
	uint64_t req;
	priv_fn *done; /* NULL: forgotten */
	void *arg;
};

struct privchan {
	struct front *front;
	struct channel *channel;
	struct priv_call *calls;
	uint64_t last_req;
	uint32_t n_found; /* of fences.n_found */
};

/* The call numbered @req, unlinked, or NULL. */
static struct priv_call *call_take(struct privchan *p, uint64_t req)
{
	for (struct priv_call **at = &p->calls; *at != NULL; at = &(*at)->next)
		if ((*at)->req == req) {
			struct priv_call *c = *at;

			*at = c->next;
			return c;
		}
	return NULL;
}

static int call_finish(struct privchan *p, uint64_t req, int *fd, int64_t pid, const struct err *e)
{
	struct priv_call *c = call_take(p, req);

	if (c == NULL)
		return -1;
	if (c->done != NULL)
		c->done(c->arg, fd, pid, e);
	free(c);
	return 0;
}

static int on_failed(struct privchan *p, const struct msg_priv_failed *m)
{
	struct err e = { .code = m->code < 0 ? m->code : ERR_INTERNAL };
	int none = -1;

	if (!ipc_str_ok(m->msg, sizeof(m->msg)) || !ipc_str_ok(m->hint, sizeof(m->hint)))
		return -1;
	(void)snprintf(e.msg, sizeof(e.msg), "%s", m->msg);
	(void)snprintf(e.hint, sizeof(e.hint), "%s", m->hint);
	return call_finish(p, m->req, &none, 0, &e);
}

static int on_fences(struct privchan *p, const struct msg_priv_fences *m)
{
	if (p->front->fences_known || !ipc_str_ok(m->missing, sizeof(m->missing)))
		return -1;
	p->front->fences = *m;
	p->front->fences_known = true;
	return 0;
}

/* Only at the start, as many as it said. */
static int on_found(struct privchan *p, struct ipc_msg *m)
{
	const struct msg_priv_found *found = &m->body.priv_found;

	if (!p->front->fences_known || p->n_found >= p->front->fences.n_found || m->n_fds != 1 ||
	    !ipc_str_ok(found->tenant, sizeof(found->tenant)))
		return -1;
	p->n_found++;
	zygote_found(p->front, found, fd_take(&m->fds[0]));
	return 0;
}

bool privchan_told(const struct privchan *p)
{
	return p->front->fences_known && p->n_found == p->front->fences.n_found;
}

static int on_message(void *arg, struct ipc_msg *m)
{
	struct privchan *p = arg;

	switch (m->type) {
	case IPC_priv_ok:
		return m->n_fds != 1 ? -1
				     : call_finish(p, m->body.priv_ok.req, &m->fds[0],
						   m->body.priv_ok.pid, NULL);
	case IPC_priv_failed:
		return on_failed(p, &m->body.priv_failed);
	case IPC_priv_fences:
		return on_fences(p, &m->body.priv_fences);
	case IPC_priv_found:
		return on_found(p, m);
	default:
		return -1;
	}
}

/* Without priv nothing can be started any more: end, and be started again. */
static void on_gone(void *arg, const char *why)
{
	struct privchan *p = arg;

	if (!p->front->ending)
		front_log("the privileged process: %s", why);
	(void)sd_event_exit(p->front->loop, p->front->ending ? 0 : 1);
}

static const struct channel_ops priv_ops = { on_message, on_gone };

int privchan_new(struct front *f, int fd, struct err *e)
{
	struct privchan *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_nomem(e);
	p->front = f;
	if (channel_new(f->loop, fd, IPC_PRIV, &priv_ops, p, &p->channel) < 0) {
		free(p);
		return err_nomem(e);
	}
	f->priv = p;
	return 0;
}

struct privchan *privchan_free(struct privchan *p)
{
	if (p == NULL)
		return NULL;
	while (p->calls != NULL)
		free(call_take(p, p->calls->req));
	(void)channel_free(p->channel);
	free(p);
	return NULL;
}

static int ask(struct privchan *p, enum ipc_type type, const void *body, size_t len, const int *fds,
	       size_t n_fds, struct priv_call *c, struct err *e)
{
	if (channel_send(p->channel, type, body, len, fds, n_fds) < 0) {
		free(c);
		return err_set(e, ERR_BUSY, "the privileged process does not answer");
	}
	c->next = p->calls;
	p->calls = c;
	return 0;
}

static struct priv_call *call_new(struct privchan *p, priv_fn *done, void *arg, struct err *e)
{
	struct priv_call *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	*c = (struct priv_call){ .req = ++p->last_req, .done = done, .arg = arg };
	return c;
}

int priv_zygote(struct privchan *p, const char *tenant, const uint8_t *digest, int client,
		int module, priv_fn *done, void *arg, struct priv_call **ret, struct err *e)
{
	struct priv_call *c = call_new(p, done, arg, e);
	struct msg_priv_zygote m = { 0 };
	const int fds[] = { client, module };

	if (c == NULL)
		return e->code;
	m.req = c->req;
	(void)snprintf(m.tenant, sizeof(m.tenant), "%s", tenant);
	memcpy(m.digest, digest, sizeof(m.digest));
	if (ask(p, IPC_priv_zygote, &m, sizeof(m), fds, 2, c, e) < 0)
		return e->code;
	*ret = c;
	return 0;
}

int priv_mount(struct privchan *p, const char *tenant, const char *host, uint64_t tmpfs, bool write,
	       int client, priv_fn *done, void *arg, struct priv_call **ret, struct err *e)
{
	struct priv_call *c = call_new(p, done, arg, e);
	struct msg_priv_mount m = { 0 };

	if (c == NULL)
		return e->code;
	m.req = c->req;
	m.write = write;
	m.tmpfs_kib = host == NULL ? (uint32_t)((tmpfs + 1023) / 1024) : 0;
	(void)snprintf(m.tenant, sizeof(m.tenant), "%s", tenant);
	if ((size_t)snprintf(m.host, sizeof(m.host), "%s", host != NULL ? host : "") >=
	    sizeof(m.host)) {
		free(c);
		return err_set(e, ERR_LIMIT, "the host path of a mount is longer than %zu bytes",
			       sizeof(m.host) - 1);
	}
	if (ask(p, IPC_priv_mount, &m, sizeof(m), &client, 1, c, e) < 0)
		return e->code;
	*ret = c;
	return 0;
}

void priv_end(struct privchan *p, int64_t pid)
{
	const struct msg_priv_end m = { .pid = pid };

	if (p != NULL && pid > 0 &&
	    channel_send(p->channel, IPC_priv_end, &m, sizeof(m), NULL, 0) < 0)
		front_log("a zygote that is not trusted any more can't be ended");
}

void priv_serving(struct privchan *p)
{
	const struct msg_priv_serving m = { .version = IPC_VERSION };

	(void)!channel_send(p->channel, IPC_priv_serving, &m, sizeof(m), NULL, 0);
}

void priv_forget(struct priv_call *c)
{
	if (c != NULL)
		c->done = NULL;
}
