/*
 * Numbers of the WASI preview 1 interface (wasi_snapshot_preview1.witx), by
 * the names of its documents with short prefixes. Layouts of records are
 * written where they are copied: guest.c.
 */
#ifndef WASI_ABI_H
#define WASI_ABI_H

#include "vm/wasi/errno.def"

enum werr {
	WE_OK,
#define WERR(name, text, linux_errno) WE_##name,
	WASI_ERRNOS(WERR)
#undef WERR
		WE_COUNT,
};
_Static_assert(WE_COUNT == 77, "one row per errno of the interface");

/* clang-format off */
#define WASI_RIGHTS(R)                                                          \
	R(FD_DATASYNC, 0)              R(FD_READ, 1)                             \
	R(FD_SEEK, 2)                  R(FD_FDSTAT_SET_FLAGS, 3)                 \
	R(FD_SYNC, 4)                  R(FD_TELL, 5)                             \
	R(FD_WRITE, 6)                 R(FD_ADVISE, 7)                           \
	R(FD_ALLOCATE, 8)              R(PATH_CREATE_DIRECTORY, 9)               \
	R(PATH_CREATE_FILE, 10)        R(PATH_LINK_SOURCE, 11)                   \
	R(PATH_LINK_TARGET, 12)        R(PATH_OPEN, 13)                          \
	R(FD_READDIR, 14)              R(PATH_READLINK, 15)                      \
	R(PATH_RENAME_SOURCE, 16)      R(PATH_RENAME_TARGET, 17)                 \
	R(PATH_FILESTAT_GET, 18)       R(PATH_FILESTAT_SET_SIZE, 19)             \
	R(PATH_FILESTAT_SET_TIMES, 20) R(FD_FILESTAT_GET, 21)                    \
	R(FD_FILESTAT_SET_SIZE, 22)    R(FD_FILESTAT_SET_TIMES, 23)              \
	R(PATH_SYMLINK, 24)            R(PATH_REMOVE_DIRECTORY, 25)              \
	R(PATH_UNLINK_FILE, 26)        R(POLL_FD_READWRITE, 27)                  \
	R(SOCK_SHUTDOWN, 28)           R(SOCK_ACCEPT, 29)
/* clang-format on */

enum wasi_right {
	R_NONE = 0,
#define R(name, bit) R_##name = 1 << (bit),
	WASI_RIGHTS(R)
#undef R
		R_ALL = (1 << 30) - 1,

	/* What calls need that are no right of their own. */
	R_READ_AT = R_FD_READ | R_FD_SEEK,
	R_WRITE_AT = R_FD_WRITE | R_FD_SEEK,
};

/* What a regular file can be asked. */
#define R_FILE                                                                                   \
	(R_FD_DATASYNC | R_FD_READ | R_FD_SEEK | R_FD_FDSTAT_SET_FLAGS | R_FD_SYNC | R_FD_TELL | \
	 R_FD_WRITE | R_FD_ADVISE | R_FD_ALLOCATE | R_FD_FILESTAT_GET | R_FD_FILESTAT_SET_SIZE | \
	 R_FD_FILESTAT_SET_TIMES | R_POLL_FD_READWRITE)

/* What a directory can be asked. */
#define R_DIR                                                                                     \
	(R_FD_FDSTAT_SET_FLAGS | R_FD_SYNC | R_FD_DATASYNC | R_PATH_CREATE_DIRECTORY |            \
	 R_PATH_CREATE_FILE | R_PATH_LINK_SOURCE | R_PATH_LINK_TARGET | R_PATH_OPEN |             \
	 R_FD_READDIR | R_PATH_READLINK | R_PATH_RENAME_SOURCE | R_PATH_RENAME_TARGET |           \
	 R_PATH_FILESTAT_GET | R_PATH_FILESTAT_SET_SIZE | R_PATH_FILESTAT_SET_TIMES |             \
	 R_FD_FILESTAT_GET | R_FD_FILESTAT_SET_TIMES | R_PATH_SYMLINK | R_PATH_REMOVE_DIRECTORY | \
	 R_PATH_UNLINK_FILE)

/* What a connection can be asked, and what a socket that listens. */
#define R_CONNECTION                                                          \
	(R_FD_READ | R_FD_WRITE | R_FD_FDSTAT_SET_FLAGS | R_FD_FILESTAT_GET | \
	 R_POLL_FD_READWRITE | R_SOCK_SHUTDOWN)
#define R_LISTENER (R_FD_FDSTAT_SET_FLAGS | R_FD_FILESTAT_GET | R_POLL_FD_READWRITE | R_SOCK_ACCEPT)

/* What changes a file system, or gives away a name in it: never held on a
 * read-only grant, nor by anything opened through one. */
#define R_MUTATE                                                                                  \
	(R_FD_WRITE | R_FD_ALLOCATE | R_FD_FILESTAT_SET_SIZE | R_FD_FILESTAT_SET_TIMES |          \
	 R_PATH_CREATE_DIRECTORY | R_PATH_CREATE_FILE | R_PATH_LINK_SOURCE | R_PATH_LINK_TARGET | \
	 R_PATH_RENAME_SOURCE | R_PATH_RENAME_TARGET | R_PATH_FILESTAT_SET_SIZE |                 \
	 R_PATH_FILESTAT_SET_TIMES | R_PATH_SYMLINK | R_PATH_REMOVE_DIRECTORY |                   \
	 R_PATH_UNLINK_FILE)

/* Those that need the host's descriptor to be open for writing. */
#define R_WRITING (R_FD_WRITE | R_FD_ALLOCATE | R_FD_FILESTAT_SET_SIZE)

enum wasi_filetype {
	FT_UNKNOWN,
	FT_BLOCK,
	FT_CHAR,
	FT_DIR,
	FT_FILE,
	FT_SOCK_DGRAM,
	FT_SOCK_STREAM,
	FT_LINK,
};

enum { FDF_APPEND = 1, FDF_DSYNC = 2, FDF_NONBLOCK = 4, FDF_RSYNC = 8, FDF_SYNC = 16 };
#define FDF_ALL (FDF_APPEND | FDF_DSYNC | FDF_NONBLOCK | FDF_RSYNC | FDF_SYNC)
enum { OF_CREAT = 1, OF_DIRECTORY = 2, OF_EXCL = 4, OF_TRUNC = 8 };
enum { FST_ATIM = 1, FST_ATIM_NOW = 2, FST_MTIM = 4, FST_MTIM_NOW = 8 };
enum { LOOKUP_FOLLOW = 1 };
enum { CLOCK_REAL, CLOCK_MONO, CLOCK_PROCESS, CLOCK_THREAD };
enum {
	ADVICE_NORMAL,
	ADVICE_SEQUENTIAL,
	ADVICE_RANDOM,
	ADVICE_WILLNEED,
	ADVICE_DONTNEED,
	ADVICE_NOREUSE
};
enum { EVENT_CLOCK, EVENT_READ, EVENT_WRITE };
enum { EVENT_HANGUP = 1 };
enum { SUBCLOCK_ABSTIME = 1 };
enum { RI_PEEK = 1, RI_WAITALL = 2 };
enum { RO_TRUNCATED = 1 };
enum { SD_RD = 1, SD_WR = 2 };

#endif
