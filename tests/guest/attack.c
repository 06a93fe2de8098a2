/*
 * Tries to get out of what is granted: a read-only directory at /ro and a
 * writable one at /rw, in which the test has laid links and a pipe. Prints
 * "attempt: errno" for each, and "attempt: DONE" for one that succeeded.
 *
 * Calls are made raw, so that nothing of the C library stands between.
 */
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW
#define READ   __WASI_RIGHTS_FD_READ
#define WRITE  __WASI_RIGHTS_FD_WRITE
#define CREAT  __WASI_OFLAGS_CREAT
#define TRUNC  __WASI_OFLAGS_TRUNC

static __wasi_fd_t ro, rw;

static void tell(const char *attempt, __wasi_errno_t e)
{
	if (e == 0)
		printf("%s: DONE\n", attempt);
	else
		printf("%s: %s\n", attempt,
		       e == __WASI_ERRNO_NOTCAPABLE ? "ENOTCAPABLE" : strerror(e));
}

static __wasi_errno_t open_at(__wasi_fd_t dir, const char *path, __wasi_oflags_t oflags,
			      __wasi_rights_t rights)
{
	__wasi_fd_t fd;
	__wasi_errno_t e = __wasi_path_open(dir, FOLLOW, path, oflags, rights, rights, 0, &fd);

	if (e == 0)
		(void)__wasi_fd_close(fd);
	return e;
}

static __wasi_fd_t granted(const char *name)
{
	__wasi_prestat_t st;
	char buf[64];

	for (__wasi_fd_t fd = 3; __wasi_fd_prestat_get(fd, &st) == 0; fd++) {
		if (st.u.dir.pr_name_len != strlen(name))
			continue;
		if (__wasi_fd_prestat_dir_name(fd, (uint8_t *)buf, sizeof(buf)) == 0 &&
		    memcmp(buf, name, strlen(name)) == 0)
			return fd;
	}
	return (__wasi_fd_t)-1;
}

static void outside(void)
{
	static const char *const paths[] = {
		"..",
		"../outside.txt",
		"d/../../outside.txt",
		"d/d/../../../outside.txt",
		"/etc/passwd",
		"/",
		"abs-link",
		"up-link",
		"d/up2-link",
		"chain-link",
		"dir-up/x",
		"./../outside.txt",
		"up-link/",
		"abs-link/",
		"loop-link",
	};
	char line[100];

	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		snprintf(line, sizeof(line), "open %s", paths[i]);
		tell(line, open_at(ro, paths[i], 0, READ));
	}
	tell("create ../new", open_at(rw, "../new", CREAT, WRITE));
	tell("create dangling-up", open_at(rw, "dangling-up", CREAT, WRITE));
	tell("create dangling-abs", open_at(rw, "dangling-abs", CREAT, WRITE));
}

static void names_outside(void)
{
	__wasi_filestat_t st;

	tell("stat ..", __wasi_path_filestat_get(ro, FOLLOW, "..", &st));
	tell("stat up-link", __wasi_path_filestat_get(ro, FOLLOW, "up-link", &st));
	tell("mkdir ../x", __wasi_path_create_directory(rw, "../x"));
	tell("mkdir up-dir/x", __wasi_path_create_directory(rw, "up-dir/x"));
	tell("unlink ../outside.txt", __wasi_path_unlink_file(rw, "../outside.txt"));
	tell("rmdir ..", __wasi_path_remove_directory(rw, ".."));
	tell("rename in to ../x", __wasi_path_rename(rw, "mine.txt", rw, "../x"));
	tell("rename ../outside.txt in", __wasi_path_rename(rw, "../outside.txt", rw, "x"));
	tell("link ../outside.txt in", __wasi_path_link(rw, 0, "../outside.txt", rw, "x"));
	tell("link up-link followed", __wasi_path_link(rw, FOLLOW, "up-file", rw, "x"));
	tell("symlink /etc/passwd", __wasi_path_symlink("/etc/passwd", rw, "x"));
	tell("symlink over ../x", __wasi_path_symlink("a", rw, "../x"));
}

static void read_only(void)
{
	tell("ro truncate", open_at(ro, "file.txt", TRUNC, READ));
	tell("ro open for writing", open_at(ro, "file.txt", 0, WRITE));
	tell("ro create", open_at(ro, "new", CREAT, READ));
	tell("ro unlink", __wasi_path_unlink_file(ro, "file.txt"));
	tell("ro mkdir", __wasi_path_create_directory(ro, "new"));
	tell("ro rmdir", __wasi_path_remove_directory(ro, "d"));
	tell("ro rename within", __wasi_path_rename(ro, "file.txt", ro, "new"));
	tell("ro rename out", __wasi_path_rename(ro, "file.txt", rw, "new"));
	tell("ro rename in", __wasi_path_rename(rw, "mine.txt", ro, "new"));
	tell("ro link out", __wasi_path_link(ro, 0, "file.txt", rw, "new"));
	tell("ro link in", __wasi_path_link(rw, 0, "mine.txt", ro, "new"));
	tell("ro symlink", __wasi_path_symlink("a", ro, "new"));
	tell("ro times",
	     __wasi_path_filestat_set_times(ro, 0, "file.txt", 0, 0, __WASI_FSTFLAGS_MTIM_NOW));
	tell("ro more rights", __wasi_fd_fdstat_set_rights(ro, ~0ull, ~0ull));
}

/* Through a file and a directory that were opened with all rights there are. */
static void read_only_opened(void)
{
	__wasi_rights_t all = ~(__wasi_rights_t)WRITE;
	__wasi_ciovec_t iov = { (const uint8_t *)"x", 1 };
	__wasi_fd_t fd, dir;
	__wasi_size_t n;

	if (__wasi_path_open(ro, 0, "file.txt", 0, all, all, 0, &fd) != 0 ||
	    __wasi_path_open(ro, 0, "d", __WASI_OFLAGS_DIRECTORY, all, ~0ull, 0, &dir) != 0)
		return;
	tell("ro write", __wasi_fd_write(fd, &iov, 1, &n));
	tell("ro pwrite", __wasi_fd_pwrite(fd, &iov, 1, 0, &n));
	tell("ro resize", __wasi_fd_filestat_set_size(fd, 0));
	tell("ro allocate", __wasi_fd_allocate(fd, 0, 100));
	tell("ro touch", __wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_ATIM_NOW));
	tell("ro create below", open_at(dir, "new", CREAT, READ));
	tell("ro truncate below", open_at(dir, "deep.txt", TRUNC, READ));
	tell("ro up from below", open_at(dir, "../file.txt", 0, READ));
}

static void others(void)
{
	__wasi_size_t n;
	uint8_t buf[8];
	__wasi_iovec_t iov = { buf, sizeof(buf) };

	tell("open fifo to read", open_at(rw, "fifo", 0, READ));
	tell("open fifo to write", open_at(rw, "fifo", 0, WRITE));
	tell("read a directory", __wasi_fd_read(ro, &iov, 1, &n));
	tell("read no descriptor", __wasi_fd_read(1000, &iov, 1, &n));
	tell("path below a stream", open_at(1, "x", 0, READ));
	tell("empty path", open_at(ro, "", 0, READ));
	iov.buf_len = 0xfffffff0u;
	tell("read beyond memory", __wasi_fd_read(0, &iov, 1, &n));
}

int main(void)
{
	ro = granted("/ro");
	rw = granted("/rw");
	outside();
	names_outside();
	read_only();
	read_only_opened();
	others();
	return 0;
}
