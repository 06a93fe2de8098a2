/*
 * Who asks: read from the kernel, judged against the administrator's file.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/priv/priv.h"

static bool address_of(int fd, struct sockaddr_un *a, socklen_t *len)
{
	*len = sizeof(*a);
	return getsockname(fd, (struct sockaddr *)a, len) == 0 && a->sun_family == AF_UNIX;
}

/* Accepted at our own socket: else the front could show us its end of any
 * connection to a process of root's (this channel, or another daemon), or the
 * listening socket itself, and be taken for root. */
static bool is_client(const struct priv *p, int fd)
{
	struct sockaddr_un ours, theirs;
	socklen_t our_len, their_len, len = sizeof(int);
	int listening = 1;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && !listening &&
	       address_of(p->listener, &ours, &our_len) && address_of(fd, &theirs, &their_len) &&
	       our_len > sizeof(sa_family_t) && our_len == their_len &&
	       memcmp(&ours, &theirs, our_len) == 0;
}

int identity_judge(const struct priv *p, int client_fd, const char *name,
		   const struct config_tenant **ret, struct err *e)
{
	const struct config_tenant *t;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!is_client(p, client_fd))
		return err_set(e, ERR_PERM, "this is no connection of a client");
	if (getsockopt(client_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return err_set(e, ERR_PERM, "the client's connection tells no peer");
	t = config_tenant_for(p->config, cred.uid, name);
	if (t == NULL)
		return err_set(e, ERR_PERM, "uid %u may not act for tenant \"%s\"", cred.uid, name);
	*ret = t;
	return 0;
}
