/*
 * Reading, writing and what lies between: places, sizes, times. 3 is a
 * directory, 4 the same read only, 5 a file system of 64 KiB; 0 an empty pipe.
 */
#include "wasi.h"

static u32 f, bare, n;
static u64 at;
static char buf[100000];
static struct iov v = { buf, 10 }, out = { BAD, 10 }, all = { buf, sizeof(buf) };
static struct iov many[MANY_IOV];
static struct filestat fst;

static void reading(void)
{
	TRY(fd_read, f, &v, 1, &n);
	told_text("read", buf, n);
	TRY(fd_read, f, &v, 1, &n);
	told("at the end", n);
	TRY(fd_read, 99, &v, 1, &n);
	TRY(fd_read, 3, &v, 1, &n);
	TRY(fd_read, bare, &v, 1, &n);
	TRY(fd_read, f, many, MANY_IOV, &n);
	TRY(fd_read, f, BAD, 1, &n);
	TRY(fd_read, f, &out, 1, &n);
	TRY(fd_fdstat_set_flags, 0, FDF_NONBLOCK);
	TRY(fd_read, 0, &v, 1, &n);
	TRY(fd_pread, f, &v, 1, 1, &n);
	told_text("read", buf, n);
	TRY(fd_pread, 99, &v, 1, 0, &n);
	TRY(fd_pread, 0, &v, 1, 0, &n);
	TRY(fd_pread, bare, &v, 1, 0, &n);
	TRY(fd_pread, f, &v, 1, UINT64_MAX, &n);
	TRY(fd_pread, f, many, MANY_IOV, 0, &n);
	TRY(fd_pread, f, &out, 1, 0, &n);
}

/* To read at a place takes the right to go there. */
static void reading_anywhere(void)
{
	u32 r = opened(3, "f", 0, R_FD_READ), w = opened(3, "f", 0, R_FD_WRITE | R_FD_TELL);

	TRY(fd_read, r, &v, 1, &n);
	TRY(fd_pread, r, &v, 1, 0, &n);
	TRY(fd_pwrite, w, &v, 1, 0, &n);
	TRY(fd_tell, w, &at);
	TRY(fd_seek, w, 0, CUR, &at);
	TRY(fd_seek, w, 1, CUR, &at);
}

static void writing(void)
{
	memcpy(buf, "0123456789", 10);
	TRY(fd_write, f, &v, 1, &n);
	told("written", n);
	TRY(fd_write, 99, &v, 1, &n);
	TRY(fd_write, 0, &v, 1, &n);
	TRY(fd_write, bare, &v, 1, &n);
	TRY(fd_write, f, many, MANY_IOV, &n);
	TRY(fd_write, f, &out, 1, &n);
	TRY(fd_write, f, BAD, 1, &n);
	TRY(fd_pwrite, f, &v, 1, 2, &n);
	TRY(fd_pwrite, 99, &v, 1, 0, &n);
	TRY(fd_pwrite, 1, &v, 1, 0, &n);
	TRY(fd_pwrite, bare, &v, 1, 0, &n);
	TRY(fd_pwrite, f, &v, 1, UINT64_MAX, &n);
	TRY(fd_pwrite, f, many, MANY_IOV, 0, &n);
	TRY(fd_pwrite, f, &out, 1, 0, &n);
}

static void places(void)
{
	TRY(fd_tell, f, &at);
	told("at", at);
	TRY(fd_seek, f, 2, SET, &at);
	told("at", at);
	TRY(fd_seek, f, (u64)-1, CUR, &at);
	told("at", at);
	TRY(fd_seek, f, (u64)-4, END, &at);
	told("at", at);
	TRY(fd_seek, f, (u64)-1, SET, &at);
	TRY(fd_seek, f, 0, 3, &at);
	TRY(fd_seek, f, 0, SET, BAD);
	TRY(fd_seek, 99, 0, SET, &at);
	TRY(fd_seek, 1, 0, SET, &at);
	TRY(fd_seek, 3, 0, SET, &at);
	TRY(fd_seek, bare, 0, SET, &at);
	TRY(fd_tell, f, BAD);
	TRY(fd_tell, 99, &at);
	TRY(fd_tell, 1, &at);
	TRY(fd_tell, 3, &at);
}

static void sizes(void)
{
	TRY(fd_filestat_set_size, f, 3);
	TRY(fd_filestat_get, f, &fst);
	told("size", fst.size);
	TRY(fd_filestat_set_size, f, UINT64_MAX);
	TRY(fd_filestat_set_size, 99, 0);
	TRY(fd_filestat_set_size, bare, 0);
	TRY(fd_allocate, f, 0, 100);
	TRY(fd_filestat_get, f, &fst);
	told("size", fst.size);
	TRY(fd_allocate, f, 0, 0);
	TRY(fd_allocate, f, INT64_MAX, 1);
	TRY(fd_allocate, 99, 0, 1);
	TRY(fd_allocate, bare, 0, 1);
	TRY(fd_filestat_set_times, f, 5000000001, 7000000002, FST_ATIM | FST_MTIM);
	TRY(fd_filestat_get, f, &fst);
	told("read", fst.atim);
	told("changed", fst.mtim);
	TRY(fd_filestat_set_times, f, 0, 0, FST_ATIM | FST_ATIM_NOW);
	TRY(fd_filestat_set_times, f, 0, 0, 16);
	TRY(fd_filestat_set_times, 99, 0, 0, 0);
	TRY(fd_filestat_set_times, bare, 0, 0, FST_ATIM_NOW);
	TRY(fd_filestat_set_times, 4, 0, 0, FST_ATIM_NOW);
}

static void a_full_disk(void)
{
	u32 full = opened(5, "full", OF_CREAT, R_FILE);

	TRY(fd_allocate, full, 0, 1 << 20);
	TRY(fd_write, full, &all, 1, &n);
	told("some", n > 0 && n < sizeof(buf));
	TRY(fd_write, full, &all, 1, &n);
	TRY(fd_pwrite, full, &all, 1, 1 << 16, &n);
}

void _start(void)
{
	f = opened(3, "f", 0, R_FILE);
	bare = opened(3, "f", 0, 0);
	reading();
	reading_anywhere();
	writing();
	places();
	sizes();
	a_full_disk();
}
