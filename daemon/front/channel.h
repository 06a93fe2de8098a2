/*
 * A message channel in the event loop: whole messages out (queued while the
 * socket is full), whole messages in, checked against ipc.def by ipc_recv.
 */
#ifndef FRONT_CHANNEL_H
#define FRONT_CHANNEL_H

#include "daemon/front/front.h"

struct channel;

struct channel_ops {
	/* One message. Negative: the peer broke the rules and is dropped. */
	int (*message)(void *arg, struct ipc_msg *m);
	/* The peer is gone or was dropped. The channel may be freed here. */
	void (*gone)(void *arg, const char *why);
};

/* Takes @fd. */
MUST_CHECK int channel_new(sd_event *loop, int fd, enum ipc_end peer, const struct channel_ops *ops,
			   void *arg, struct channel **ret);
struct channel *channel_free(struct channel *c);
int channel_fd(const struct channel *c);

/* @fds are borrowed. 0, or -errno when it can't even be queued. */
MUST_CHECK int channel_send(struct channel *c, enum ipc_type type, const void *body,
			    size_t body_len, const int *fds, size_t n_fds);

#endif
