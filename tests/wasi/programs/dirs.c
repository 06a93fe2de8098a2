/*
 * Listing a directory that changes: whatever the buffer, and whatever comes
 * and goes between two calls, what stays is listed once. 3 is a directory, 4
 * the same read only, 5 a file system in memory.
 */
#include "wasi.h"

enum { STAY = 400, NOISE = 300 };

static u32 n;
static char buf[8192];
static uint8_t seen[STAY];

static void make(u32 dir, const char *kind, u32 i)
{
	char name[40];
	u32 len = (u32)snprintf(name, sizeof(name), "%s-%u", kind, i), fd = 0;

	if (path_open(dir, 0, name, len, OF_CREAT, 0, 0, 0, &fd) == WE_OK)
		(void)fd_close(fd);
}

static void drop(u32 dir, const char *kind, u32 i)
{
	char name[40];
	u32 len = (u32)snprintf(name, sizeof(name), "%s-%u", kind, i);

	(void)path_unlink_file(dir, name, len);
}

static u32 number_of(const char *name, u32 len)
{
	u32 i = 0;

	for (u32 at = 5; at < len; at++)
		i = i * 10 + (u32)(name[at] - '0');
	return i;
}

/* Counts the entries of a full answer; *@cookie goes behind the last. */
static u32 count(u32 used, u64 *cookie)
{
	u32 at = 0, entries = 0;
	struct dirent d;

	for (; at + sizeof(d) <= used; at += sizeof(d) + d.namlen, entries++) {
		memcpy(&d, buf + at, sizeof(d));
		if (at + sizeof(d) + d.namlen > used)
			break;
		if (d.namlen > 5 && memcmp(buf + at + sizeof(d), "stay-", 5) == 0)
			seen[number_of(buf + at + sizeof(d), d.namlen)]++;
		*cookie = d.next;
	}
	return entries;
}

static void tell_seen(void)
{
	u32 once = 0, wrong = 0;

	for (u32 i = 0; i < STAY; i++) {
		once += seen[i] == 1;
		wrong += seen[i] > 1;
	}
	told("once", once);
	told("more than once", wrong);
}

/* Lists @dir by @size bytes while others come and go. */
static void list(u32 dir, u32 size)
{
	u64 cookie = 0;
	u32 step = 0;

	memset(seen, 0, sizeof(seen));
	for (;; step++) {
		if (fd_readdir(dir, buf, size, cookie, &n) != WE_OK || n == 0)
			break;
		if (count(n, &cookie) == 0)
			break;
		drop(dir, "gone", (step * 7) % NOISE);
		make(dir, "come", step % NOISE);
		drop(dir, "come", (step + NOISE / 2) % NOISE);
		if (n < size)
			break;
	}
	told("bytes of buffer", size);
	tell_seen();
}

static void lists(u32 dir)
{
	for (u32 i = 0; i < STAY; i++)
		make(dir, "stay", i);
	for (u32 size = 280; size < sizeof(buf); size *= 3) {
		for (u32 i = 0; i < NOISE; i++)
			make(dir, "gone", i);
		list(dir, size);
	}
}

static void wrong(void)
{
	u32 f = opened(3, "f", 0, R_FILE), d = opened(3, "d", OF_DIRECTORY, R_PATH_OPEN);

	TRY(fd_readdir, 99, buf, 100, 0, &n);
	TRY(fd_readdir, f, buf, 100, 0, &n);
	TRY(fd_readdir, 1, buf, 100, 0, &n);
	TRY(fd_readdir, d, buf, 100, 0, &n);
	TRY(fd_readdir, 3, BAD, 100, 0, &n);
	TRY(fd_readdir, 3, buf, 100, UINT64_MAX, &n);
	TRY(fd_readdir, 4, buf, 100, 0, &n);
	told("bytes", n);
	TRY(fd_readdir, 4, buf, 0, 0, &n);
	told("bytes", n);
}

void _start(void)
{
	lists(3);
	lists(5);
	wrong();
}
