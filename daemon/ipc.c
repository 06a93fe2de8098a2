/*
 * Messages between our processes: one datagram each, u32 type and the body,
 * with descriptors. Judged by the table of ipc.def and by nothing else.
 */
#include "daemon/ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

struct ipc_rule {
	uint32_t len;
	uint8_t from, to, fds;
	bool known;
};

static struct ipc_rule ipc_rule(uint32_t type)
{
	switch (type) {
#define MSG(name, num, from, to, fds, why)                                                      \
	case num:                                                                               \
		return (struct ipc_rule){ sizeof(struct msg_##name), IPC_##from, IPC_##to, fds, \
					  true };
		WASMD_MSGS(MSG)
#undef MSG
	default:
		return (struct ipc_rule){ 0 };
	}
}

#define MSG(name, num, from, to, fds, why) \
	_Static_assert((fds) <= IPC_MAX_FDS, "fits struct ipc_msg");
WASMD_MSGS(MSG)
#undef MSG

/* Room for every descriptor a message may carry, aligned for a cmsghdr. */
union ipc_control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * IPC_MAX_FDS)];
};

int ipc_pair(int ret[2], bool nonblock)
{
	int type = SOCK_SEQPACKET | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0);

	return socketpair(AF_UNIX, type, 0, ret) < 0 ? -errno : 0;
}

static int send_with(int flags, int fd, enum ipc_type type, const void *body, const int *fds,
		     size_t n_fds)
{
	struct ipc_rule rule = ipc_rule(type);
	uint32_t head = type;
	union ipc_control ctl = { 0 };
	struct iovec iov[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)body, rule.len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (!rule.known || n_fds > rule.fds)
		return -EINVAL;
	if (n_fds != 0) {
		mh.msg_control = ctl.room;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		n = sendmsg(fd, &mh, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int ipc_send(int fd, enum ipc_type type, const void *body, const int *fds, size_t n_fds)
{
	return send_with(0, fd, type, body, fds, n_fds);
}

int ipc_try_send(int fd, enum ipc_type type, const void *body, const int *fds, size_t n_fds)
{
	return send_with(MSG_DONTWAIT, fd, type, body, fds, n_fds);
}

/* Takes over every descriptor that came along, so that none can leak. */
static void take_fds(struct msghdr *mh, struct ipc_msg *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (m->n_fds < IPC_MAX_FDS)
				m->fds[m->n_fds++] = fd;
			else
				(void)close(fd);
		}
	}
}

static int recv_with(int flags, int fd, enum ipc_end me, enum ipc_end peer, struct ipc_msg *m)
{
	union ipc_control ctl;
	struct iovec iov[2] = { { &m->type, sizeof(m->type) }, { &m->body, sizeof(m->body) } };
	struct msghdr mh = { .msg_iov = iov,
			     .msg_iovlen = 2,
			     .msg_control = ctl.room,
			     .msg_controllen = sizeof(ctl.room) };
	struct ipc_rule rule;
	ssize_t n;

	m->n_fds = 0;
	m->type = 0;
	do
		n = recvmsg(fd, &mh, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	take_fds(&mh, m);
	if (n == 0 && m->n_fds == 0)
		return -EPIPE;
	rule = ipc_rule(m->type);
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && rule.known &&
	    (size_t)n == sizeof(m->type) + rule.len && rule.from == peer && rule.to == me &&
	    m->n_fds <= rule.fds)
		return 1;
	ipc_msg_done(m);
	return -EPROTO;
}

int ipc_recv(int fd, enum ipc_end me, enum ipc_end peer, struct ipc_msg *m)
{
	return recv_with(0, fd, me, peer, m);
}

int ipc_try_recv(int fd, enum ipc_end me, enum ipc_end peer, struct ipc_msg *m)
{
	return recv_with(MSG_DONTWAIT, fd, me, peer, m);
}

void ipc_msg_done(struct ipc_msg *m)
{
	for (uint32_t i = 0; i < m->n_fds; i++)
		close_p(&m->fds[i]);
	m->n_fds = 0;
}

bool ipc_str_ok(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}
