/*
 * Confinement that a program asks for itself, by its role alone.
 */
#include "daemon/locked/self.h"

#include <sys/mman.h>

#include "daemon/locked/confine.h"
#include "daemon/locked/filter.h"

#ifdef WASMD_SANITIZED
/* At exit the leak check would trace us from a thread that the filter kills,
 * and wait for it for ever. */
int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
	return 1;
}
#endif

int confine_self(enum role role, struct err *e)
{
	struct confine c = { .role = role, .drop_caps = role != ROLE_PRIV };
	CLEANUP(close_p) int fd = -1;
	int r;

	if (filter_memfd(role, &fd, e) < 0 || confine_filter(fd, &c.filter, e) < 0)
		return e->code;
	r = confine(&c, e);
	(void)munmap(c.filter.filter, c.filter.len * sizeof(struct sock_filter));
	return r;
}
