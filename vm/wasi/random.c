/*
 * Randomness, from the kernel.
 */
#include <errno.h>

#include "vm/wasi/guest.h"
#include "vm/wasi/sys.h"

enum werr call_random_get(struct call *c)
{
	uint64_t len = c->a[1], done = 0;
	uint8_t *p;

	if (!c->w->cfg.random)
		return WE_NOSYS;
	if (len > LIM_RANDOM_BYTES)
		return WE_INVAL;
	p = vm_caller_mem(c->vm, c->a[0], len);
	if (p == NULL)
		return WE_FAULT;
	while (done < len) {
		int64_t n = sys_random(c->w, p + done, len - done);

		if (n < 0 && n != -EINTR)
			return werr_of(n);
		done += n > 0 ? (uint64_t)n : 0;
	}
	return call_moved(c, len);
}
