/*
 * Sockets that were granted: 0 listens and has two connections waiting, the
 * second of which is gone already; 2 is a connection whose peer has closed.
 */
#include "wasi.h"

static u32 n, conn;
static uint16_t flags;
static char buf[65536];
static struct iov v = { buf, 100 }, out = { BAD, 10 }, six[2] = { { buf, 2 }, { buf + 2, 4 } };
static struct iov all = { buf, sizeof(buf) }, many[MANY_IOV];
static struct fdstat st;

static void accepting(void)
{
	TRY(fd_fdstat_get, 0, &st);
	told("type", st.filetype);
	told("rights", st.rights);
	told("inheriting", st.inherit);
	TRY(sock_accept, 99, 0, &n);
	TRY(sock_accept, 1, 0, &n);
	TRY(sock_accept, 2, 0, &n);
	TRY(sock_accept, 0, FDF_APPEND, &n);
	TRY(sock_accept, 0, 0, BAD);
	TRY(sock_accept, 0, 0, &conn);
	told("number", conn);
	TRY(fd_fdstat_get, conn, &st);
	told("rights", st.rights);
	TRY(sock_accept, 0, FDF_NONBLOCK, &n);
	TRY(fd_fdstat_get, n, &st);
	told("flags", st.flags);
	TRY(sock_shutdown, n, SD_WR);
	TRY(fd_close, n);
	TRY(fd_fdstat_set_flags, 0, FDF_NONBLOCK);
	TRY(sock_accept, 0, 0, &n);
	while (path_open(3, 0, P("f"), 0, R_FD_READ, 0, 0, &n) == WE_OK)
		;
	TRY(sock_accept, 0, 0, &n);
	TRY(fd_close, conn + 1);
}

/* The peer sends "hello", and later "abc" and "def" one by one. */
static void receiving(void)
{
	TRY(sock_recv, conn, &v, 1, RI_PEEK, &n, &flags);
	told_text("received", buf, n);
	TRY(sock_recv, conn, &v, 1, 0, &n, &flags);
	told_text("received", buf, n);
	told("flags", flags);
	TRY(sock_send, conn, &v, 1, 0, &n);
	told("sent", n);
	TRY(sock_recv, conn, six, 2, RI_WAITALL, &n, &flags);
	told_text("received", buf, n);
	TRY(sock_recv, 99, &v, 1, 0, &n, &flags);
	TRY(sock_recv, 1, &v, 1, 0, &n, &flags);
	TRY(sock_recv, 0, &v, 1, 0, &n, &flags);
	TRY(sock_recv, conn, &v, 1, 4, &n, &flags);
	TRY(sock_recv, conn, many, MANY_IOV, 0, &n, &flags);
	TRY(sock_recv, conn, &out, 1, 0, &n, &flags);
	TRY(fd_fdstat_set_flags, conn, FDF_NONBLOCK);
	TRY(sock_recv, conn, &v, 1, 0, &n, &flags);
}

static void sending(void)
{
	TRY(sock_send, 99, &v, 1, 0, &n);
	TRY(sock_send, 1, &v, 1, 0, &n);
	TRY(sock_send, 0, &v, 1, 0, &n);
	TRY(sock_send, conn, &v, 1, 1, &n);
	TRY(sock_send, conn, many, MANY_IOV, 0, &n);
	TRY(sock_send, conn, &out, 1, 0, &n);
	while (sock_send(conn, &all, 1, 0, &n) == WE_OK)
		;
	TRY(sock_send, conn, &all, 1, 0, &n);
}

static void ending(void)
{
	TRY(sock_shutdown, 99, SD_WR);
	TRY(sock_shutdown, 1, SD_WR);
	TRY(sock_shutdown, 0, SD_WR);
	TRY(sock_shutdown, conn, 0);
	TRY(sock_shutdown, conn, 4);
	TRY(sock_shutdown, conn, SD_WR);
	TRY(sock_send, conn, &v, 1, 0, &n);
	TRY(sock_send, 2, &v, 1, 0, &n);
	TRY(fd_write, 2, &v, 1, &n);
	TRY(sock_shutdown, conn, SD_RD | SD_WR);
	TRY(sock_recv, 2, &v, 1, 0, &n, &flags);
	told("received", n);
}

void _start(void)
{
	accepting();
	receiving();
	sending();
	ending();
}
