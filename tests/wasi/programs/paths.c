/*
 * Every call with a path, and all that a path can be wrong in. 3 is a
 * directory, 4 the same read only, 5 another file system; 0 is none.
 */
#include "wasi.h"

static u32 n;
static struct filestat fst;
static char buf[300], long_name[300];

static void tried(const char *fn, const char *dir, const char *path, u32 e)
{
	char line[400];

	(void)snprintf(line, sizeof(line), "%s %s %s", fn, dir, path);
	answered(line, e);
}

#define AT(fn, dir, path) tried(#fn, #dir, #path, fn##_at(dir, P(path)))

/* What is the same for each of them. */
#define EVERY_PATH(fn)                                                       \
	do {                                                                 \
		AT(fn, 99, "f");                                             \
		AT(fn, 0, "f");                                              \
		AT(fn, 3, "../f");                                           \
		AT(fn, 3, "/f");                                             \
		AT(fn, 3, "out/f");                                          \
		AT(fn, 3, "");                                               \
		AT(fn, 3, "none/f");                                         \
		AT(fn, 3, "f/f");                                            \
		AT(fn, 3, "loop/f");                                         \
		AT(fn, 3, "a\0b");                                           \
		AT(fn, 3, "\xff");                                           \
		AT(fn, 3, "\xed\xa0\x80");                                   \
		tried(#fn, "3", "no address", fn##_at(3, BAD, 200));         \
		tried(#fn, "3", "a long name", fn##_at(3, long_name, 300));  \
		tried(#fn, "3", "a long path", fn##_at(3, long_name, 5000)); \
	} while (0)

#define CALL_AT(name, ...)                               \
	static u32 name##_at(u32 dir, ptr path, u32 len) \
	{                                                \
		return __VA_ARGS__;                      \
	}

CALL_AT(path_create_directory, path_create_directory(dir, path, len))
CALL_AT(path_remove_directory, path_remove_directory(dir, path, len))
CALL_AT(path_unlink_file, path_unlink_file(dir, path, len))
CALL_AT(path_filestat_get, path_filestat_get(dir, 0, path, len, &fst))
CALL_AT(path_filestat_set_times, path_filestat_set_times(dir, 0, path, len, 9, 9, FST_MTIM))
CALL_AT(path_readlink, path_readlink(dir, path, len, buf, sizeof(buf), &n))
CALL_AT(path_open, path_open(dir, 0, path, len, 0, R_FD_READ, 0, 0, &n))
CALL_AT(path_symlink, path_symlink(P("f"), dir, path, len))
#define path_link_from_at(dir, ...)   path_link(dir, 0, __VA_ARGS__, 3, P("new"))
#define path_link_to_at(dir, ...)     path_link(3, 0, P("f"), dir, __VA_ARGS__)
#define path_rename_from_at(dir, ...) path_rename(dir, __VA_ARGS__, 3, P("new"))
#define path_rename_to_at(dir, ...)   path_rename(3, P("f"), dir, __VA_ARGS__)

static void directories(void)
{
	EVERY_PATH(path_create_directory);
	AT(path_create_directory, 4, "new");
	AT(path_create_directory, 3, "f");
	AT(path_create_directory, 3, "new/");
	AT(path_create_directory, 3, "new");
	AT(path_create_directory, 3, ".");
	EVERY_PATH(path_remove_directory);
	AT(path_remove_directory, 4, "new");
	AT(path_remove_directory, 3, "none");
	AT(path_remove_directory, 3, "d");
	AT(path_remove_directory, 3, "f");
	AT(path_remove_directory, 3, ".");
	AT(path_remove_directory, 3, "ln");
	AT(path_remove_directory, 3, "new/");
}

static void attributes(void)
{
	EVERY_PATH(path_filestat_get);
	AT(path_filestat_get, 3, "none");
	AT(path_filestat_get, 3, "f/");
	AT(path_filestat_get, 3, "f");
	told("size", fst.size);
	AT(path_filestat_get, 3, "ln");
	told("type", fst.filetype);
	TRY(path_filestat_get, 3, LOOKUP_FOLLOW, P("ln"), &fst);
	told("type", fst.filetype);
	TRY(path_filestat_get, 3, LOOKUP_FOLLOW, P("out"), &fst);
	TRY(path_filestat_get, 3, LOOKUP_FOLLOW, P("loop"), &fst);
	TRY(path_filestat_get, 3, 2, P("f"), &fst);
	TRY(path_filestat_get, 3, 0, P("f"), BAD);
	EVERY_PATH(path_filestat_set_times);
	AT(path_filestat_set_times, 4, "f");
	AT(path_filestat_set_times, 3, "none");
	AT(path_filestat_set_times, 3, "f");
	AT(path_filestat_get, 3, "f");
	told("changed", fst.mtim);
	TRY(path_filestat_set_times, 3, 0, P("f"), 0, 0, FST_MTIM | FST_MTIM_NOW);
	TRY(path_filestat_set_times, 3, 2, P("f"), 0, 0, 0);
}

static void links(void)
{
	EVERY_PATH(path_symlink);
	AT(path_symlink, 4, "new");
	AT(path_symlink, 3, "f");
	AT(path_symlink, 3, "new/");
	TRY(path_symlink, P("/etc"), 3, P("new"));
	TRY(path_symlink, P(""), 3, P("new"));
	TRY(path_symlink, BAD, 200, 3, P("new"));
	TRY(path_symlink, P("none"), 3, P("new"));
	EVERY_PATH(path_readlink);
	AT(path_readlink, 3, "none");
	AT(path_readlink, 3, "f");
	AT(path_readlink, 4, "new");
	told_text("target", buf, n);
	TRY(path_readlink, 3, P("new"), buf, 2, &n);
	told_text("target", buf, n);
	TRY(path_readlink, 3, P("new"), BAD, 20, &n);
	EVERY_PATH(path_unlink_file);
	AT(path_unlink_file, 4, "f");
	AT(path_unlink_file, 3, "none");
	AT(path_unlink_file, 3, "d");
	AT(path_unlink_file, 3, "d/");
	AT(path_unlink_file, 3, "f/");
	AT(path_unlink_file, 3, "new");
}

static void names(void)
{
	EVERY_PATH(path_link_from);
	EVERY_PATH(path_link_to);
	AT(path_link_from, 4, "f");
	AT(path_link_to, 4, "new");
	AT(path_link_from, 3, "none");
	AT(path_link_from, 3, "d");
	AT(path_link_to, 3, "d/x");
	AT(path_link_to, 5, "new");
	AT(path_link_to, 3, "new");
	TRY(path_link, 3, 2, P("f"), 3, P("other"));
	AT(path_unlink_file, 3, "new");
	EVERY_PATH(path_rename_from);
	EVERY_PATH(path_rename_to);
	AT(path_rename_from, 4, "f");
	AT(path_rename_to, 4, "new");
	AT(path_rename_from, 3, "none");
	AT(path_rename_from, 3, ".");
	AT(path_rename_to, 3, "d");
	AT(path_rename_to, 3, "new/");
	AT(path_rename_to, 5, "new");
	TRY(path_rename, 3, P("e"), 3, P("d"));
	TRY(path_rename, 3, P("e"), 3, P("f"));
	TRY(path_rename, 3, P("d"), 3, P("d/sub"));
	AT(path_rename_to, 3, "new");
	AT(path_rename_from, 3, "new");
	TRY(path_rename, 3, P("new"), 3, P("f"));
}

/* From one directory of a grant to another. */
static void elsewhere(void)
{
	u32 d = opened(3, "d", OF_DIRECTORY, R_DIR);

	TRY(path_link, 3, 0, P("f"), 3, P("e/f"));
	TRY(path_rename, 3, P("e/f"), 3, P("d/f"));
	TRY(path_rename, 3, P("e"), d, P("e"));
	TRY(path_rename, d, P("e"), 3, P("e"));
	TRY(path_link, 3, LOOKUP_FOLLOW, P("ln"), d, P("g"));
	TRY(path_symlink, P("../f"), d, P("l"));
	TRY(path_filestat_get, d, LOOKUP_FOLLOW, P("l"), &fst);
	TRY(path_filestat_get, 3, LOOKUP_FOLLOW, P("d/l"), &fst);
	told("links", fst.nlink);
	AT(path_unlink_file, 3, "d/f");
	AT(path_unlink_file, 3, "d/g");
	AT(path_unlink_file, 3, "d/l");
	TRY(fd_close, d);
}

static void opening(void)
{
	EVERY_PATH(path_open);
	AT(path_open, 3, "none");
	AT(path_open, 3, "f/");
	AT(path_open, 3, "fifo");
	AT(path_open, 3, "loop");
	AT(path_open, 3, "ln");
	TRY(path_open, 3, LOOKUP_FOLLOW, P("ln"), 0, R_FD_READ, 0, 0, &n);
	TRY(path_open, 3, LOOKUP_FOLLOW, P("out"), OF_CREAT, R_FD_READ, 0, 0, &n);
	TRY(path_open, 3, 0, P("f"), OF_CREAT | OF_EXCL, R_FD_READ, 0, 0, &n);
	TRY(path_open, 3, 0, P("f"), OF_DIRECTORY, R_FD_READ, 0, 0, &n);
	TRY(path_open, 3, 0, P("d"), OF_DIRECTORY, R_FD_READ | R_FD_WRITE, 0, 0, &n);
	TRY(path_open, 3, 0, P("d"), OF_TRUNC, R_FD_READ, 0, 0, &n);
	TRY(path_open, 3, 0, P("x/"), OF_CREAT, R_FD_READ, 0, 0, &n);
	TRY(path_open, 3, 0, P("d"), OF_DIRECTORY | OF_CREAT, R_FD_READ, 0, 0, &n);
	TRY(path_open, 3, 0, P("f"), 16, R_FD_READ, 0, 0, &n);
	TRY(path_open, 3, 0, P("f"), 0, R_FD_READ, 0, 32, &n);
	TRY(path_open, 3, 2, P("f"), 0, R_FD_READ, 0, 0, &n);
	TRY(path_open, 4, 0, P("f"), 0, R_FD_WRITE, 0, 0, &n);
	TRY(path_open, 4, 0, P("f"), OF_TRUNC, R_FD_READ, 0, 0, &n);
	TRY(path_open, 4, 0, P("x"), OF_CREAT, R_FD_READ, 0, 0, &n);
	TRY(path_open, 3, 0, P("f"), 0, R_FD_READ, 0, 0, BAD);
	while (path_open(3, 0, P("f"), 0, R_FD_READ, 0, 0, &n) == WE_OK)
		;
	AT(path_open, 3, "f");
}

void _start(void)
{
	memset(long_name, 'n', sizeof(long_name));
	directories();
	attributes();
	links();
	names();
	elsewhere();
	opening();
}
