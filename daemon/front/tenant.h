/* Who asks: a connection's SO_PEERCRED -> a tenant of the configuration. */
#ifndef FRONT_TENANT_H
#define FRONT_TENANT_H

#include "daemon/front/front.h"

/* @name is the header Wasmd-Tenant or NULL. *ret borrows @conn. ERR_PERM for a
 * uid that nothing maps and for a tenant that does not list it, alike. */
MUST_CHECK int tenant_of(const struct front *f, int conn, const char *name, struct who *ret,
			 struct err *e);

#endif
