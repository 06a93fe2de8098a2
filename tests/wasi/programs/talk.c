/*
 * A connection as standard input, which says "hello" and no more.
 */
#include "wasi.h"

static u32 n;
static uint16_t flags;
static char buf[100];
static struct iov v = { buf, 3 };

void _start(void)
{
	TRY(sock_recv, 0, &v, 1, RI_PEEK, &n, &flags);
	told_text("received", buf, n);
	TRY(sock_recv, 0, &v, 1, RI_WAITALL, &n, &flags);
	told_text("received", buf, n);
	TRY(fd_read, 0, &v, 1, &n);
	told_text("read", buf, n);
	TRY(sock_recv, 0, &v, 1, RI_WAITALL, &n, &flags);
	told("received", n);
	TRY(sock_send, 0, &v, 1, 0, &n);
	told("sent", n);
	TRY(sock_shutdown, 0, SD_WR);
	TRY(sock_send, 0, &v, 1, 0, &n);
	TRY(fd_write, 0, &v, 1, &n);
}
