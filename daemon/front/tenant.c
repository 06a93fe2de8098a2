/* Who asks: see tenant.h. */
#include "daemon/front/tenant.h"

#include <sys/socket.h>

int tenant_of(const struct front *f, int conn, const char *name, struct who *ret, struct err *e)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	const struct config_tenant *t;

	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return err_set(e, ERR_PERM, "the kernel does not say who asks");
	t = config_tenant_for(f->config, peer.uid, name);
	if (t == NULL && name != NULL) {
		(void)err_set(e, ERR_PERM, "uid %u may not act for that tenant",
			      (unsigned)peer.uid);
		return err_hint(e, "leave out the header "
				   "Wasmd-Tenant"
				   ", or ask the "
				   "administrator");
	}
	if (t == NULL) {
		(void)err_set(e, ERR_PERM, "uid %u is no client of any tenant", (unsigned)peer.uid);
		return err_hint(e, "the administrator adds it to \"clients\" of a tenant in %s",
				CONFIG_DEFAULT_PATH);
	}
	*ret = (struct who){ .tenant = t, .uid = peer.uid, .conn = conn };
	return 0;
}
