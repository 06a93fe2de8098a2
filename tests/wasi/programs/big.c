/*
 * "big" is larger than the budget of all that is written: nothing is written
 * so far behind its beginning.
 */
#include "wasi.h"

void _start(void)
{
	u32 f = opened(3, "big", 0, R_FILE), n = 0;
	struct iov v = { "x", 1 };
	u64 at;

	TRY(fd_pwrite, f, &v, 1, 2 << 20, &n);
	TRY(fd_seek, f, 2 << 20, SET, &at);
	TRY(fd_write, f, &v, 1, &n);
}
