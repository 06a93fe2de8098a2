/*
 * hostcalls DIR: what single calls cost, in nanoseconds of processor time, so
 * that what else the machine does counts little: `name ns` a line on standard
 * error, standard output being a null file. Built for WASI it makes host calls,
 * built natively the system calls they stand for. DIR holds `block`, of some
 * 64 KiB blocks, and `file`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifdef __wasi__
#include <wasi/api.h>
#endif

#define BLOCK (64 << 10)
#define TURNS 7 /* the median is told */

_Alignas(4096) static char buf[BLOCK];
static int dir; /* the granted directory */

static void need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "hostcalls: %s failed, errno %d\n", what, errno);
	exit(1);
}

#ifdef __wasi__

static uint64_t now(void)
{
	__wasi_timestamp_t t = 0;

	need(__wasi_clock_time_get(2, 1, &t) == 0, "the process's clock"); /* as preview 1 has it */
	return t;
}

static void read_clock(void)
{
	__wasi_timestamp_t t;

	need(__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1, &t) == 0, "clock_time_get");
}

static size_t read_block(int fd)
{
	__wasi_iovec_t v = { (uint8_t *)buf, BLOCK };
	__wasi_size_t n = 0;

	need(__wasi_fd_read(fd, &v, 1, &n) == 0, "fd_read");
	return n;
}

static void write_byte(int fd)
{
	__wasi_ciovec_t v = { (const uint8_t *)buf, 1 };
	__wasi_size_t n = 0;

	need(__wasi_fd_write(fd, &v, 1, &n) == 0 && n == 1, "fd_write");
}

static void open_close(const char *name)
{
	__wasi_rights_t r = __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_SEEK;
	__wasi_fd_t fd = 0;

	need(__wasi_path_open(dir, 0, name, 0, r, 0, 0, &fd) == 0, "path_open");
	need(__wasi_fd_close(fd) == 0, "fd_close");
}

#else

static uint64_t now(void)
{
	struct timespec ts;

	need(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0, "the process's clock");
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void read_clock(void)
{
	struct timespec ts;

	need(clock_gettime(CLOCK_MONOTONIC, &ts) == 0, "clock_gettime");
}

static size_t read_block(int fd)
{
	ssize_t n = read(fd, buf, BLOCK);

	need(n >= 0, "read");
	return (size_t)n;
}

static void write_byte(int fd)
{
	need(write(fd, buf, 1) == 1, "write");
}

static void open_close(const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	need(fd >= 0, "openat");
	need(close(fd) == 0, "close");
}

#endif

static double turn_clock(void)
{
	enum { N = 100000 };
	uint64_t t = now();

	for (int i = 0; i < N; i++)
		read_clock();
	return (double)(now() - t) / N;
}

static double turn_read(void)
{
	static int fd = -1;
	uint64_t t, blocks = 0;

	if (fd < 0)
		fd = openat(dir, "block", O_RDONLY);
	need(fd >= 0, "open block");
	t = now();
	for (int k = 0; k < 16; k++) {
		need(lseek(fd, 0, SEEK_SET) == 0, "lseek");
		while (read_block(fd) == BLOCK)
			blocks++;
	}
	need(blocks > 0, "reading blocks");
	return (double)(now() - t) / (double)blocks;
}

static double turn_write(void)
{
	enum { N = 50000 };
	uint64_t t = now();

	for (int i = 0; i < N; i++)
		write_byte(1);
	return (double)(now() - t) / N;
}

static double turn_open(void)
{
	enum { N = 20000 };
	uint64_t t = now();

	for (int i = 0; i < N; i++)
		open_close("file");
	return (double)(now() - t) / N;
}

static const struct {
	const char *name;
	double (*turn)(void);
} rows[] = {
	{ "clock_time_get", turn_clock },
	{ "fd_read", turn_read },
	{ "fd_write", turn_write },
	{ "path_open", turn_open },
};

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double ns[TURNS];

	dir = argc > 1 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;
	need(dir >= 0, "opening the directory");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int k = 0; k < TURNS; k++)
			ns[k] = rows[i].turn();
		qsort(ns, TURNS, sizeof(ns[0]), by_size);
		fprintf(stderr, "%s %.1f\n", rows[i].name, ns[TURNS / 2]);
	}
	return 0;
}
