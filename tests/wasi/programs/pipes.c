/*
 * A full pipe at 2, whose reader reads nothing, and its nonblocking writer.
 */
#include "wasi.h"

static char buf[65536];
static struct iov v = { buf, sizeof(buf) };

void _start(void)
{
	u32 n = 0, e;

	TRY(fd_fdstat_set_flags, 2, FDF_NONBLOCK);
	do
		e = fd_write(2, &v, 1, &n);
	while (e == WE_OK);
	TRY(fd_write, 2, &v, 1, &n);
	proc_exit(0);
}
