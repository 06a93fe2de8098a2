/*
 * Nothing was granted, not even randomness; then a signal ends the guest.
 */
#include "wasi.h"

void _start(void)
{
	u32 n = 0, bytes = 0;

	TRY(random_get, &n, 4);
	TRY(args_sizes_get, &n, &bytes);
	told("count", n);
	TRY(environ_sizes_get, &n, &bytes);
	told("count", n);
	TRY(fd_prestat_get, 3, &n);
	TRY(proc_raise, 6 /* abrt */);
	say("this is not reached\n");
}
