/* A message channel in the event loop: see channel.h. */
#include "daemon/front/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#define CHANNEL_BATCH 64   /* messages per wake-up: others want their turn */
#define CHANNEL_QUEUE 8192 /* messages waiting; more means a peer that sleeps */

struct queued {
	struct queued *next;
	enum ipc_type type;
	size_t n_fds;
	int fds[IPC_MAX_FDS]; /* duplicates */
	union ipc_body body;
};

struct channel {
	int fd;
	enum ipc_end peer;
	const struct channel_ops *ops;
	void *arg;
	sd_event_source *source;
	struct queued *first, **last;
	size_t n_queued;
	bool inside, doomed; /* freed in a callback: gone when that returns */
};

static struct queued *queued_free(struct queued *q)
{
	for (size_t i = 0; i < q->n_fds; i++)
		fd_clear(&q->fds[i]);
	free(q);
	return NULL;
}

static int queue_push(struct channel *c, enum ipc_type type, const void *body, size_t body_len,
		      const int *fds, size_t n_fds)
{
	struct queued *q = c->n_queued < CHANNEL_QUEUE ? calloc(1, sizeof(*q)) : NULL;

	if (q == NULL)
		return -ENOBUFS;
	q->type = type;
	memcpy(&q->body, body, body_len);
	for (size_t i = 0; i < n_fds; i++) {
		q->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (q->fds[i] < 0) {
			(void)queued_free(q);
			return -EMFILE;
		}
		q->n_fds++;
	}
	*c->last = q;
	c->last = &q->next;
	c->n_queued++;
	return sd_event_source_set_io_events(c->source, EPOLLIN | EPOLLOUT);
}

int channel_send(struct channel *c, enum ipc_type type, const void *body, size_t body_len,
		 const int *fds, size_t n_fds)
{
	int r = -EAGAIN;

	if (c->first == NULL)
		r = ipc_try_send(c->fd, type, body, fds, n_fds);
	return r == -EAGAIN ? queue_push(c, type, body, body_len, fds, n_fds) : r;
}

/* 0 when all is sent or the socket is full again. */
static int queue_flush(struct channel *c)
{
	while (c->first != NULL) {
		struct queued *q = c->first;
		int r = ipc_try_send(c->fd, q->type, &q->body, q->fds, q->n_fds);

		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		c->first = q->next;
		if (c->first == NULL)
			c->last = &c->first;
		c->n_queued--;
		(void)queued_free(q);
	}
	return sd_event_source_set_io_events(c->source, EPOLLIN);
}

/* Reads a batch; -EPIPE or -EPROTO ends the channel. */
static int receive_batch(struct channel *c)
{
	for (int i = 0; i < CHANNEL_BATCH && !c->doomed; i++) {
		struct ipc_msg m;
		int r = ipc_try_recv(c->fd, IPC_FRONT, c->peer, &m);

		if (r <= 0)
			return r;
		r = c->ops->message(c->arg, &m);
		ipc_msg_done(&m);
		if (r < 0)
			return -EPROTO;
	}
	return 0;
}

static int channel_wake(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct channel *c = arg;
	int r = 0;

	c->inside = true;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		r = receive_batch(c);
	if (r == 0 && !c->doomed && c->first != NULL)
		r = queue_flush(c);
	if (r < 0 && !c->doomed) {
		(void)sd_event_source_set_enabled(c->source, SD_EVENT_OFF);
		c->ops->gone(c->arg, r == -EPROTO ? "it broke the protocol" : "it is gone");
	}
	c->inside = false;
	if (c->doomed)
		(void)channel_free(c);
	return 0;
}

int channel_new(sd_event *loop, int fd, enum ipc_end peer, const struct channel_ops *ops, void *arg,
		struct channel **ret)
{
	struct channel *c = calloc(1, sizeof(*c));

	if (c == NULL || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
	    sd_event_add_io(loop, &c->source, fd, EPOLLIN, channel_wake, c) < 0) {
		free(c);
		(void)close(fd);
		return -ENOMEM;
	}
	c->fd = fd;
	c->peer = peer;
	c->ops = ops;
	c->arg = arg;
	c->last = &c->first;
	*ret = c;
	return 0;
}

int channel_fd(const struct channel *c)
{
	return c->fd;
}

struct channel *channel_free(struct channel *c)
{
	if (c == NULL)
		return NULL;
	if (c->inside) {
		c->doomed = true;
		return NULL;
	}
	while (c->first != NULL) {
		struct queued *q = c->first;

		c->first = q->next;
		(void)queued_free(q);
	}
	(void)sd_event_source_disable_unref(c->source);
	(void)close(c->fd);
	free(c);
	return NULL;
}
