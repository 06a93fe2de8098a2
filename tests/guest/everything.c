/*
 * Calls every function of WASI preview 1 once, with arguments that could work,
 * and has no start-up code that would call any before. Built with
 * -nostartfiles. When all are refused it ends in a trap: proc_exit returned.
 */
#include <wasi/api.h>

static uint8_t buf[256];
static uint8_t *ptrs[16];
static __wasi_iovec_t iov = { buf, 16 };
static __wasi_ciovec_t ciov = { buf, 16 };
static __wasi_subscription_t sub = { .u.tag = __WASI_EVENTTYPE_CLOCK };
static union {
	__wasi_size_t size;
	__wasi_timestamp_t time;
	__wasi_fdstat_t fdstat;
	__wasi_filestat_t filestat;
	__wasi_prestat_t prestat;
	__wasi_filesize_t filesize;
	__wasi_event_t event;
	__wasi_fd_t fd;
	__wasi_roflags_t roflags;
} out[2];

static void environment(void)
{
	(void)__wasi_args_get(ptrs, buf);
	(void)__wasi_args_sizes_get(&out[0].size, &out[1].size);
	(void)__wasi_environ_get(ptrs, buf);
	(void)__wasi_environ_sizes_get(&out[0].size, &out[1].size);
	(void)__wasi_clock_res_get(0, &out[0].time);
	(void)__wasi_clock_time_get(0, 1, &out[0].time);
	(void)__wasi_random_get(buf, 16);
	(void)__wasi_poll_oneoff(&sub, &out[0].event, 1, &out[1].size);
	(void)__wasi_sched_yield();
}

/* 1 is standard output, a file here; 3 a directory. */
static void descriptors(void)
{
	(void)__wasi_fd_advise(1, 0, 0, 0);
	(void)__wasi_fd_allocate(1, 0, 1);
	(void)__wasi_fd_close(1);
	(void)__wasi_fd_datasync(1);
	(void)__wasi_fd_fdstat_get(1, &out[0].fdstat);
	(void)__wasi_fd_fdstat_set_flags(1, 0);
	(void)__wasi_fd_fdstat_set_rights(1, 0, 0);
	(void)__wasi_fd_filestat_get(1, &out[0].filestat);
	(void)__wasi_fd_filestat_set_size(1, 0);
	(void)__wasi_fd_filestat_set_times(1, 0, 0, 0);
	(void)__wasi_fd_prestat_get(3, &out[0].prestat);
	(void)__wasi_fd_prestat_dir_name(3, buf, 16);
	(void)__wasi_fd_pread(0, &iov, 1, 0, &out[0].size);
	(void)__wasi_fd_pwrite(1, &ciov, 1, 0, &out[0].size);
	(void)__wasi_fd_read(0, &iov, 1, &out[0].size);
	(void)__wasi_fd_readdir(3, buf, 64, 0, &out[0].size);
	(void)__wasi_fd_renumber(1, 2);
	(void)__wasi_fd_seek(1, 0, 0, &out[0].filesize);
	(void)__wasi_fd_sync(1);
	(void)__wasi_fd_tell(1, &out[0].filesize);
	(void)__wasi_fd_write(1, &ciov, 1, &out[0].size);
}

static void paths(void)
{
	(void)__wasi_path_create_directory(3, "new");
	(void)__wasi_path_filestat_get(3, 1, "a", &out[0].filestat);
	(void)__wasi_path_filestat_set_times(3, 1, "a", 0, 0, 0);
	(void)__wasi_path_link(3, 0, "a", 3, "b");
	(void)__wasi_path_open(3, 1, "a", 0, 2, 2, 0, &out[0].fd);
	(void)__wasi_path_readlink(3, "l", buf, 16, &out[0].size);
	(void)__wasi_path_remove_directory(3, "d");
	(void)__wasi_path_rename(3, "a", 3, "b");
	(void)__wasi_path_symlink("a", 3, "b");
	(void)__wasi_path_unlink_file(3, "a");
}

static void sockets(void)
{
	(void)__wasi_sock_accept(2, 0, &out[0].fd);
	(void)__wasi_sock_recv(2, &iov, 1, 0, &out[0].size, &out[1].roflags);
	(void)__wasi_sock_send(2, &ciov, 1, 0, &out[0].size);
	(void)__wasi_sock_shutdown(2, 1);
}

__attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_raise"))) extern int
proc_raise(int signal);

void _start(void)
{
	environment();
	descriptors();
	paths();
	sockets();
	(void)proc_raise(0);
	__wasi_proc_exit(0);
}
