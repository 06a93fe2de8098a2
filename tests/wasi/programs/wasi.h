/*
 * Every function of WASI preview 1 as it is imported, and a transcript: each
 * call with its arguments as they are written here, and the errno's name.
 * Built with -nostartfiles, so that nothing is called but what stands in a
 * program. -DUNSTABLE asks for the older module, with its own layouts.
 */
#ifndef PROGRAMS_WASI_H
#define PROGRAMS_WASI_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "vm/wasi/abi.h"

#ifdef UNSTABLE
#define MODULE "wasi_unstable"
enum { CUR, END, SET };
#else
#define MODULE "wasi_snapshot_preview1"
enum { SET, CUR, END };
#endif

typedef const void *ptr;
typedef uint32_t u32;
typedef uint64_t u64;
#define FROM(module, fn) __attribute__((import_module(module), import_name(#fn))) extern
#define FN(fn)		 FROM(MODULE, fn) u32 fn

FN(args_get)(ptr, ptr);
FN(args_sizes_get)(ptr, ptr);
FN(environ_get)(ptr, ptr);
FN(environ_sizes_get)(ptr, ptr);
FN(clock_res_get)(u32, ptr);
FN(clock_time_get)(u32, u64, ptr);
FN(fd_advise)(u32, u64, u64, u32);
FN(fd_allocate)(u32, u64, u64);
FN(fd_close)(u32);
FN(fd_datasync)(u32);
FN(fd_fdstat_get)(u32, ptr);
FN(fd_fdstat_set_flags)(u32, u32);
FN(fd_fdstat_set_rights)(u32, u64, u64);
FN(fd_filestat_get)(u32, ptr);
FN(fd_filestat_set_size)(u32, u64);
FN(fd_filestat_set_times)(u32, u64, u64, u32);
FN(fd_pread)(u32, ptr, u32, u64, ptr);
FN(fd_prestat_get)(u32, ptr);
FN(fd_prestat_dir_name)(u32, ptr, u32);
FN(fd_pwrite)(u32, ptr, u32, u64, ptr);
FN(fd_read)(u32, ptr, u32, ptr);
FN(fd_readdir)(u32, ptr, u32, u64, ptr);
FN(fd_renumber)(u32, u32);
FN(fd_seek)(u32, u64, u32, ptr);
FN(fd_sync)(u32);
FN(fd_tell)(u32, ptr);
FN(fd_write)(u32, ptr, u32, ptr);
FN(path_create_directory)(u32, ptr, u32);
FN(path_filestat_get)(u32, u32, ptr, u32, ptr);
FN(path_filestat_set_times)(u32, u32, ptr, u32, u64, u64, u32);
FN(path_link)(u32, u32, ptr, u32, u32, ptr, u32);
FN(path_open)(u32, u32, ptr, u32, u32, u64, u64, u32, ptr);
FN(path_readlink)(u32, ptr, u32, ptr, u32, ptr);
FN(path_remove_directory)(u32, ptr, u32);
FN(path_rename)(u32, ptr, u32, u32, ptr, u32);
FN(path_symlink)(ptr, u32, u32, ptr, u32);
FN(path_unlink_file)(u32, ptr, u32);
FN(poll_oneoff)(ptr, ptr, u32, ptr);
FROM(MODULE, proc_exit) void proc_exit(u32);
FN(proc_raise)(u32);
FROM(MODULE, sched_yield) u32 wasi_sched_yield(void);
#define sched_yield wasi_sched_yield /* the C library has another */
FN(random_get)(ptr, u32);
#ifndef UNSTABLE
FN(sock_accept)(u32, u32, ptr);
#endif
FN(sock_recv)(u32, ptr, u32, u32, ptr, ptr);
FN(sock_send)(u32, ptr, u32, u32, ptr);
FN(sock_shutdown)(u32, u32);

/* How the transcript is written, whichever module the program asks for. */
FROM("wasi_snapshot_preview1", fd_write) u32 transcript_write(u32, ptr, u32, ptr);

/* ---- records -------------------------------------------------------------- */

struct iov {
	ptr at;
	u32 len;
};

struct fdstat {
	uint8_t filetype;
	uint16_t flags;
	u64 rights, inherit;
};

struct filestat {
	u64 dev, ino;
	uint8_t filetype;
#ifdef UNSTABLE
	u32 nlink;
#else
	u64 nlink;
#endif
	u64 size, atim, mtim, ctim;
};
_Static_assert(sizeof(struct filestat) == (sizeof(((struct filestat *)0)->nlink) == 4 ? 56 : 64),
	       "as the interface has it");

struct sub {
	u64 userdata;
	uint8_t type;
	union {
		struct {
#ifdef UNSTABLE
			u64 identifier;
#endif
			u32 id;
			u64 timeout, precision;
			uint16_t flags;
		} clock;
		u32 fd;
	};
};

struct event {
	u64 userdata;
	uint16_t error;
	uint8_t type;
	u64 nbytes;
	uint16_t flags;
};

struct dirent {
	u64 next, ino;
	u32 namlen;
	uint8_t type;
};

/* ---- the transcript ------------------------------------------------------- */

#define BAD	 ((ptr)0xfffffff0) /* behind any memory that a program has here */
#define MANY_IOV 1025u		   /* one more than a call takes */

static inline void say(const char *text)
{
	struct iov v = { text, (u32)strlen(text) };
	u32 n;

	(void)transcript_write(1, &v, 1, &n);
}

static inline const char *name_of(u32 e)
{
	static const char *const names[] = { "OK",
#define WERR(name, text, linux_errno) #name,
					     WASI_ERRNOS(WERR)
#undef WERR
	};

	return e < sizeof(names) / sizeof(*names) ? names[e] : "no errno";
}

static inline u32 answered(const char *call, u32 e)
{
	char line[400];

	(void)snprintf(line, sizeof(line), "%s = %s\n", call, name_of(e));
	say(line);
	return e;
}

static inline void told(const char *what, u64 value)
{
	char line[200];

	(void)snprintf(line, sizeof(line), "    %s: %llu\n", what, (unsigned long long)value);
	say(line);
}

static inline void told_text(const char *what, const char *text, u32 len)
{
	char line[200];

	(void)snprintf(line, sizeof(line), "    %s: \"%.*s\"\n", what, (int)len, text);
	say(line);
}

#define TRY(fn, ...) answered(#fn "(" #__VA_ARGS__ ")", fn(__VA_ARGS__))

/* A path's address and length, as a literal. */
#define P(text) text, sizeof(text) - 1

/* A descriptor for @path below @dir; the transcript shows when there is none. */
static inline u32 opened(u32 dir, const char *path, u32 oflags, u64 rights)
{
	u32 fd = 0, e = path_open(dir, 1, path, (u32)strlen(path), oflags, rights, rights, 0, &fd);

	if (e != WE_OK)
		answered(path, e);
	return fd;
}

#endif
