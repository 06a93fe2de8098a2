/*
 * Who asks: read from the kernel, judged against the administrator's file.
 */
#include <errno.h>
#include <sys/socket.h>

#include "daemon/priv/priv.h"

int identity_judge(const struct config *c, int client_fd, const char *name,
		   const struct config_tenant **ret, struct err *e)
{
	const struct config_tenant *t;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(client_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.pid == 0)
		return err_set(e, ERR_PERM, "the client's connection tells no peer");
	t = config_tenant_for(c, cred.uid, name);
	if (t == NULL)
		return err_set(e, ERR_PERM, "uid %u may not act for tenant \"%s\"", cred.uid, name);
	*ret = t;
	return 0;
}
