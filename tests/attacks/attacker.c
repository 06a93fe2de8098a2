/*
 * A guest that attacks. Its arguments are steps, each a verb and what it takes,
 * one after another; the first that fails ends it. What it says:
 *
 *	saw TEXT	something was read, listed, or told about
 *	reached		something answered that no guest may reach
 *	ended N		the WASI errno of the last step; 0: all were done
 *
 * Whether that was an escape is judged by who laid out the files. Calls are
 * made raw: nothing of the C library stands between.
 *
 * A directory is /ro or /rw as granted, #N by number, or @ for what was opened
 * last. In a path, %XX is a byte, and {TEXT*N} is TEXT so many times.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW
#define READ   __WASI_RIGHTS_FD_READ
#define WRITE  __WASI_RIGHTS_FD_WRITE
#define CREAT  __WASI_OFLAGS_CREAT
#define TRUNC  __WASI_OFLAGS_TRUNC
#define NOW    (__WASI_FSTFLAGS_ATIM_NOW | __WASI_FSTFLAGS_MTIM_NOW)
#define ALL    ((1ull << 30) - 1)

#define IMPORT(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))

/* With lengths, which the C library's own wrappers take from the NUL. */
IMPORT(path_open)
int sys_open(uint32_t fd, int follow, const char *p, size_t n, int oflags, uint64_t rights,
	     uint64_t inherit, int flags, uint32_t *ret);
IMPORT(path_filestat_get)
int sys_stat(uint32_t fd, int follow, const char *p, size_t n, void *ret);
IMPORT(path_filestat_set_times)
int sys_times(uint32_t fd, int follow, const char *p, size_t n, uint64_t a, uint64_t m, int flags);
IMPORT(path_create_directory) int sys_mkdir(uint32_t fd, const char *p, size_t n);
IMPORT(path_remove_directory) int sys_rmdir(uint32_t fd, const char *p, size_t n);
IMPORT(path_unlink_file) int sys_unlink(uint32_t fd, const char *p, size_t n);
IMPORT(path_symlink)
int sys_symlink(const char *target, size_t tn, uint32_t fd, const char *p, size_t n);
IMPORT(path_readlink)
int sys_readlink(uint32_t fd, const char *p, size_t n, char *buf, size_t size, size_t *ret);
IMPORT(path_rename)
int sys_rename(uint32_t fd, const char *p, size_t n, uint32_t to, const char *q, size_t m);
IMPORT(path_link)
int sys_link(uint32_t fd, int follow, const char *p, size_t n, uint32_t to, const char *q,
	     size_t m);

struct text {
	char *p;
	size_t n;
};

static char **next; /* argument to be taken */
static uint32_t last;

static char *take(void)
{
	if (*next == NULL) {
		puts("usage: VERB WHAT...");
		exit(2);
	}
	return *next++;
}

static uint32_t granted(const char *name)
{
	__wasi_prestat_t st;
	char buf[64];

	for (uint32_t fd = 3; __wasi_fd_prestat_get(fd, &st) == 0; fd++)
		if (st.u.dir.pr_name_len == strlen(name) &&
		    __wasi_fd_prestat_dir_name(fd, (uint8_t *)buf, sizeof(buf)) == 0 &&
		    memcmp(buf, name, strlen(name)) == 0)
			return fd;
	printf("no grant %s\n", name);
	exit(2);
}

static uint32_t take_dir(void)
{
	const char *s = take();

	if (s[0] == '#')
		return (uint32_t)atoi(s + 1);
	return s[0] == '@' ? last : granted(s);
}

static void append(struct text *t, const char *p, size_t n)
{
	t->p = realloc(t->p, t->n + n + 1);
	memcpy(t->p + t->n, p, n);
	t->n += n;
	t->p[t->n] = '\0';
}

static struct text take_path(void)
{
	struct text t = { NULL, 0 };

	append(&t, "", 0);
	for (const char *s = take(); *s != '\0';) {
		const char *star = *s == '{' ? strchr(s, '*') : NULL;

		if (*s == '%') {
			char hex[3] = { s[1], s[2], 0 }, byte = (char)strtol(hex, NULL, 16);

			append(&t, &byte, 1);
			s += 3;
		} else if (star != NULL) {
			for (int n = atoi(star + 1); n > 0; n--)
				append(&t, s + 1, (size_t)(star - s - 1));
			s = strchr(star, '}') + 1;
		} else {
			append(&t, s++, 1);
		}
	}
	return t;
}

static void saw(const char *p, size_t n)
{
	printf("saw ");
	for (size_t i = 0; i < n; i++)
		putchar(p[i] >= ' ' && p[i] < 127 ? p[i] : '.');
	putchar('\n');
}

/* ---- descriptors -------------------------------------------------------- */

static int see_fd(uint32_t fd)
{
	char buf[4096];
	__wasi_iovec_t iov = { (uint8_t *)buf, sizeof(buf) };
	__wasi_size_t n = 0;
	int e = __wasi_fd_read(fd, &iov, 1, &n);

	if (e == 0)
		saw(buf, n < 200 ? n : 200);
	return e;
}

static int write_fd(uint32_t fd)
{
	__wasi_ciovec_t iov = { (const uint8_t *)"attacked", 8 };
	__wasi_size_t n;

	return __wasi_fd_write(fd, &iov, 1, &n);
}

/* Opens with what it takes to @last. */
static int open_next(int oflags, uint64_t rights, int follow)
{
	uint32_t dir = take_dir();
	struct text t = take_path();

	return sys_open(dir, follow, t.p, t.n, oflags, rights, ALL, 0, &last);
}

static int do_read(void)
{
	int e = open_next(0, READ, FOLLOW);

	return e != 0 ? e : see_fd(last);
}

static int do_write(void)
{
	int e = open_next(0, WRITE, FOLLOW);

	return e != 0 ? e : write_fd(last);
}

static int do_create(void)
{
	int e = open_next(CREAT, WRITE, FOLLOW);

	return e != 0 ? e : write_fd(last);
}

/* Without asking for anything that writes. */
static int do_make(void)
{
	return open_next(CREAT, READ, FOLLOW);
}

static int do_truncate(void)
{
	return open_next(TRUNC, READ, FOLLOW);
}

static int do_open(void)
{
	return open_next(0, ALL & ~(uint64_t)WRITE, FOLLOW);
}

static int do_opendir(void)
{
	return open_next(__WASI_OFLAGS_DIRECTORY, ALL & ~(uint64_t)WRITE, FOLLOW);
}

/* A device is no file: that it answers at all is too much. */
static int do_device(void)
{
	int e = do_read();

	if (e == 0)
		puts("reached");
	return e;
}

static int do_see(void)
{
	return see_fd(take_dir());
}

static int do_put(void)
{
	return write_fd(take_dir());
}

static int do_resize(void)
{
	return __wasi_fd_filestat_set_size(take_dir(), 0);
}

static int do_allocate(void)
{
	return __wasi_fd_allocate(take_dir(), 0, 65536);
}

static int do_touchfd(void)
{
	return __wasi_fd_filestat_set_times(take_dir(), 0, 0, NOW);
}

static int do_rights(void)
{
	return __wasi_fd_fdstat_set_rights(take_dir(), ALL, ALL);
}

static int do_close(void)
{
	return __wasi_fd_close(take_dir());
}

static int do_renumber(void)
{
	uint32_t from = take_dir();

	return __wasi_fd_renumber(from, take_dir());
}

/* From a cookie that no listing gave; every name that comes back is told. */
static int do_list(void)
{
	uint32_t dir = take_dir();
	uint64_t cookie = strtoull(take(), NULL, 0);
	static char buf[16384];
	__wasi_size_t n = 0;
	int e = __wasi_fd_readdir(dir, (uint8_t *)buf, sizeof(buf), cookie, &n);

	for (size_t at = 0; e == 0 && at + 24 <= n;) {
		uint64_t inode;
		uint32_t len;

		memcpy(&inode, buf + at + 8, 8);
		memcpy(&len, buf + at + 16, 4);
		if (len > n - at - 24)
			break;
		printf("saw inode %llu\n", (unsigned long long)inode);
		saw(buf + at + 24, len);
		at += 24 + len;
	}
	return e;
}

/* ---- paths -------------------------------------------------------------- */

static int do_stat(void)
{
	uint32_t dir = take_dir();
	struct text t = take_path();
	__wasi_filestat_t st;
	int e = sys_stat(dir, FOLLOW, t.p, t.n, &st);

	if (e == 0)
		printf("saw inode %llu\n", (unsigned long long)st.ino);
	return e;
}

static int do_touch(void)
{
	uint32_t dir = take_dir();
	struct text t = take_path();

	return sys_times(dir, FOLLOW, t.p, t.n, 0, 0, NOW);
}

static int one_path(int (*call)(uint32_t, const char *, size_t))
{
	uint32_t dir = take_dir();
	struct text t = take_path();

	return call(dir, t.p, t.n);
}

static int do_mkdir(void)
{
	return one_path(sys_mkdir);
}

static int do_rmdir(void)
{
	return one_path(sys_rmdir);
}

static int do_unlink(void)
{
	return one_path(sys_unlink);
}

static int do_symlink(void)
{
	struct text target = take_path();
	uint32_t dir = take_dir();
	struct text t = take_path();

	return sys_symlink(target.p, target.n, dir, t.p, t.n);
}

static int do_readlink(void)
{
	uint32_t dir = take_dir();
	struct text t = take_path();
	char buf[200];
	size_t n = 0;
	int e = sys_readlink(dir, t.p, t.n, buf, sizeof(buf), &n);

	if (e == 0)
		saw(buf, n);
	return e;
}

static int do_rename(void)
{
	uint32_t dir = take_dir(), to;
	struct text t = take_path(), u;

	to = take_dir();
	u = take_path();
	return sys_rename(dir, t.p, t.n, to, u.p, u.n);
}

static int link_paths(int follow)
{
	uint32_t dir = take_dir(), to;
	struct text t = take_path(), u;

	to = take_dir();
	u = take_path();
	return sys_link(dir, follow, t.p, t.n, to, u.p, u.n);
}

static int do_link(void)
{
	return link_paths(0);
}

static int do_linkto(void)
{
	return link_paths(FOLLOW);
}

/* ---- together with the host --------------------------------------------- */

/* The host moves something once it sees /rw/ready, and makes /rw/moved. */
static int do_await(void)
{
	uint32_t rw = granted("/rw");
	__wasi_filestat_t st;
	int e = sys_mkdir(rw, "ready", 5);

	while (e == 0 && sys_stat(rw, 0, "moved", 5, &st) != 0)
		(void)__wasi_sched_yield();
	return e;
}

enum { AT_PIPE = 6 }; /* of the tries: a file that is never empty, or a pipe */

/* What may be in sight while the host exchanges things: read, create, list.
 * The first @kinds of the tries, by turns. */
static int race_once(uint32_t rw, unsigned turn, unsigned kinds, uint32_t *fd)
{
	static const struct {
		const char *path;
		int oflags;
		uint64_t rights;
	} tries[] = {
		{ "swap/file", 0, READ },
		{ "swap/made", CREAT, WRITE },
		{ "swap", __WASI_OFLAGS_DIRECTORY, READ | __WASI_RIGHTS_FD_READDIR },
		{ "swapfile", 0, READ },
		{ "deep/../swap/sub/../file", 0, READ },
		{ "swapfile", TRUNC, WRITE },
		{ "swappipe", 0, READ },
		{ "swappipe", 0, WRITE },
	};
	unsigned i = turn % kinds;

	return sys_open(rw, FOLLOW, tries[i].path, strlen(tries[i].path), tries[i].oflags,
			tries[i].rights, ALL, 0, fd);
}

/* Does what was opened say that it is the outside's, or is it a pipe, which
 * has nothing to read? */
static int is_outside(uint32_t fd, int may_be_pipe)
{
	char buf[512] = { 0 };
	__wasi_iovec_t iov = { (uint8_t *)buf, sizeof(buf) - 1 };
	__wasi_size_t n = 0;

	if (__wasi_fd_read(fd, &iov, 1, &n) == 0 && may_be_pipe && n == 0)
		return 1;
	if (n == 0 && __wasi_fd_readdir(fd, (uint8_t *)buf, sizeof(buf), 0, &n) != 0)
		return 0;
	for (size_t i = 0; i + 6 <= sizeof(buf); i++)
		if (memcmp(buf + i, "TOKEN-", 6) == 0)
			return 1;
	return 0;
}

static int do_race(void)
{
	uint32_t rw = granted("/rw"), fd;
	unsigned tries = (unsigned)atoi(take()), kinds = (unsigned)atoi(take());
	unsigned opened = 0, refused = 0, out = 0;

	for (unsigned i = 0; i < tries; i++) {
		if (race_once(rw, i, kinds, &fd) != 0) {
			refused++;
			continue;
		}
		opened++;
		out += (unsigned)is_outside(fd, i % kinds == AT_PIPE);
		(void)__wasi_fd_close(fd);
	}
	printf("race tries %u opened %u refused %u outside %u\n", tries, opened, refused, out);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void);
} verbs[] = {
#define VERB(name) { #name, do_##name }
	VERB(read),    VERB(write),  VERB(create), VERB(make),	   VERB(truncate), VERB(open),
	VERB(opendir), VERB(device), VERB(see),	   VERB(put),	   VERB(resize),   VERB(allocate),
	VERB(touchfd), VERB(rights), VERB(close),  VERB(renumber), VERB(list),	   VERB(stat),
	VERB(touch),   VERB(mkdir),  VERB(rmdir),  VERB(unlink),   VERB(symlink),  VERB(readlink),
	VERB(rename),  VERB(link),   VERB(linkto), VERB(await),	   VERB(race),
#undef VERB
};

static int run(const char *name)
{
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return verbs[i].run();
	printf("no verb %s\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	int e = 0;

	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (next = argv + 1; *next != NULL && e == 0;)
		e = run(take());
	printf("ended %d\n", e);
	return 0;
}
