/*
 * Every function once, with arguments that would work, under a policy that
 * denies all of them but writing this transcript and opening "open". 0 is a
 * listener, 2 a connection, 3 a directory, 4 a file.
 */
#include "wasi.h"

static u32 n, m;
static u64 at;
static uint16_t flags;
static char *list[8], buf[300];
static struct iov v = { buf, 4 };
static struct fdstat st;
static struct filestat fst;
static struct sub sub = { .type = EVENT_CLOCK };
static struct event event;

static void surroundings(void)
{
	TRY(args_get, list, buf);
	TRY(args_sizes_get, &n, &m);
	TRY(environ_get, list, buf);
	TRY(environ_sizes_get, &n, &m);
	TRY(clock_res_get, 1, &at);
	TRY(clock_time_get, 1, 0, &at);
	TRY(poll_oneoff, &sub, &event, 1, &n);
	TRY(proc_raise, 6);
	TRY(sched_yield);
	TRY(random_get, buf, 4);
}

static void descriptors(void)
{
	TRY(fd_advise, 4, 0, 1, 0);
	TRY(fd_allocate, 4, 0, 1);
	TRY(fd_close, 4);
	TRY(fd_datasync, 4);
	TRY(fd_fdstat_get, 4, &st);
	TRY(fd_fdstat_set_flags, 4, 0);
	TRY(fd_fdstat_set_rights, 4, 0, 0);
	TRY(fd_filestat_get, 4, &fst);
	TRY(fd_filestat_set_size, 4, 0);
	TRY(fd_filestat_set_times, 4, 0, 0, 0);
	TRY(fd_pread, 4, &v, 1, 0, &n);
	TRY(fd_prestat_get, 3, &at);
	TRY(fd_prestat_dir_name, 3, buf, 9);
	TRY(fd_pwrite, 4, &v, 1, 0, &n);
	TRY(fd_read, 4, &v, 1, &n);
	TRY(fd_readdir, 3, buf, 100, 0, &n);
	TRY(fd_renumber, 4, 3);
	TRY(fd_seek, 4, 0, SET, &at);
	TRY(fd_sync, 4);
	TRY(fd_tell, 4, &at);
	TRY(fd_write, 4, &v, 1, &n);
}

static void paths(void)
{
	TRY(path_create_directory, 3, P("new"));
	TRY(path_filestat_get, 3, 1, P("f"), &fst);
	TRY(path_filestat_set_times, 3, 1, P("f"), 0, 0, 0);
	TRY(path_link, 3, 0, P("f"), 3, P("new"));
	TRY(path_open, 3, 1, P("f"), 0, R_FD_READ, 0, 0, &n);
	TRY(path_open, 3, 1, P("none"), 0, R_FD_READ, 0, 0, &n);
	TRY(path_readlink, 3, P("ln"), buf, 9, &n);
	TRY(path_remove_directory, 3, P("e"));
	TRY(path_rename, 3, P("f"), 3, P("new"));
	TRY(path_symlink, P("f"), 3, P("new"));
	TRY(path_unlink_file, 3, P("f"));
	TRY(path_unlink_file, 3, P("none"));
}

void _start(void)
{
	if (opened(3, "open", 0, R_FILE) != 4)
		say("the file is not 4\n");
	surroundings();
	descriptors();
	paths();
#ifndef UNSTABLE
	TRY(sock_accept, 0, 0, &n);
#endif
	TRY(sock_recv, 2, &v, 1, 0, &n, &flags);
	TRY(sock_send, 2, &v, 1, 0, &n);
	TRY(sock_shutdown, 2, SD_WR);
	proc_exit(0);
}
