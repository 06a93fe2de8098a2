/* Who is connected: see peers.h. */
#include "daemon/front/peers.h"

#include <sys/socket.h>

#include "wasmd/limits.h"

static void unlink_peer(struct peers *p, struct peer *x)
{
	*(x->prev != NULL ? &x->prev->next : &p->first) = x->next;
	*(x->next != NULL ? &x->next->prev : &p->last) = x->prev;
}

static void append(struct peers *p, struct peer *x)
{
	x->next = NULL;
	x->prev = p->last;
	*(p->last != NULL ? &p->last->next : &p->first) = x;
	p->last = x;
}

/* The library sees the end of its connection and closes it. */
static void dismiss(struct peer *x)
{
	x->leaves = true;
	(void)shutdown(x->fd, SHUT_RDWR);
}

static void dismiss_quietest(struct peers *p, const uid_t *uid, struct peer *otherwise)
{
	struct peer *x = p->first;

	while (x != NULL && (x->busy || x->leaves || (uid != NULL && x->uid != *uid)))
		x = x->next;
	dismiss(x != NULL ? x : otherwise);
}

/* The newest is the last: it gives way only when all others are busy. */
void peers_add(struct peers *p, struct peer *x, int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);
	size_t same = 0, all = 0;

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	*x = (struct peer){ .uid = peer.uid, .fd = fd };
	append(p, x);
	p->n++;
	for (const struct peer *y = p->first; y != NULL; y = y->next) {
		all += !y->leaves;
		same += !y->leaves && y->uid == x->uid;
	}
	if (same > LIM_CONNECTIONS_UID)
		dismiss_quietest(p, &x->uid, x);
	else if (all > LIM_CONNECTIONS)
		dismiss_quietest(p, NULL, x);
}

void peers_touch(struct peers *p, struct peer *x)
{
	unlink_peer(p, x);
	append(p, x);
}

void peers_remove(struct peers *p, struct peer *x)
{
	unlink_peer(p, x);
	p->n--;
}
