/*
 * One WASI instance and one host call, as the files of vm/wasi see them.
 * Private to vm/wasi.
 */
#ifndef WASI_PRIV_H
#define WASI_PRIV_H

#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

#include "vm/wasi/abi.h"
#include "vm/wasi/wasi.def"
#include "wasmd/attack.h"
#include "wasmd/limits.h"
#include "wasmd/wasi.h"

#define WASI_MAX_ARGS 9
#define PLACE_NAME    (ATTACK_BUILD ? LIM_PATH_BYTES : NAME_MAX)

/* Work of the host in fuel: one host call, one step of a path's walk, and this
 * many bytes moved for one unit, so that a copy by the host costs about what
 * one in the guest does. */
#define FUEL_PER_CALL 50u
#define FUEL_PER_STEP 20u
#define FUEL_BYTES    8u

enum call_id {
#define CALL(name, sig, r0, r1, prep) CALL_##name,
	WASI_CALLS(CALL)
#undef CALL
		CALL_COUNT,
};

enum fd_kind {
	FD_FREE,
	FD_NONE,   /* a standard stream that is nowhere */
	FD_SINK,   /* a standard stream that goes to the embedder */
	FD_STREAM, /* pipe, terminal, character device */
	FD_SOCK,   /* stream socket */
	FD_FILE,
	FD_DIR,
};

struct listing; /* dir.c */

/* An entry of the guest's descriptor table. */
struct fd {
	enum fd_kind kind;
	int host;	 /* or -1 */
	int list;	 /* of a directory, opened for reading at its first listing; or -1 */
	bool owned;	 /* host is closed with the entry */
	bool unseen;	 /* opened as a file, and not looked at since */
	bool adrift;	 /* may stand behind its file's end */
	bool ready;	 /* of a stream that never makes anyone wait: the null device */
	int stream;	 /* 0, 1, 2 when it is that standard stream, wherever it was
			 * renumbered to; else -1 */
	int preopen;	 /* index in the configuration, or -1 */
	uint32_t polled; /* where the last poll_oneoff kept it; a hint */
	uint32_t mount;	 /* of a directory: the preopened one that it lies in */
	uint8_t filetype;
	uint16_t flags; /* FDF_* */
	uint64_t rights, inherit;
	char *path; /* resolved guest path at open, or NULL; owned */
	uint32_t path_len;
	struct listing *listing; /* how far it was listed, or NULL; owned */
};

struct fdtable {
	struct fd *at;
	uint32_t cap, used, max; /* used: one above the highest ever open */
	uint32_t low;		 /* nothing below is free */
	char *spare;		 /* a block for the next short path, or NULL */
};

/* Where a path leads: a name in a directory that is held, and that name is
 * never followed again. What is judged by path is what is used. */
struct place {
	int parent;	/* descriptor of the directory */
	bool owned;	/* parent is closed with the place */
	bool dir;	/* the path ended in a slash: a directory or nothing */
	uint32_t class; /* enum gate_class of what is there now */
	struct stat st; /* of what is there now; st_mode 0: nothing */
	uint32_t path_len;
	char name[PLACE_NAME + 1];	   /* "." when the path leads to the directory itself */
	char path[2 * LIM_PATH_BYTES + 2]; /* absolute guest path */
};

struct call;

/* What a signature says, for a call's use. */
struct shape {
	uint8_t n; /* wasm parameters */
	uint8_t n_fds, n_paths;
	uint8_t fd_at[2], path_at[2]; /* which of them */
	uint8_t flags_at;	      /* lookup flags; n: there are none */
	uint64_t mask[WASI_MAX_ARGS]; /* the bits of each that count */
};

struct call_row {
	const char *name, *sig;
	uint32_t right[2];
	uint32_t op;   /* enum gate_op */
	uint32_t sets; /* enum gate_set that it always belongs to */
	enum werr (*prep)(struct call *);
	enum werr (*run)(struct call *);
};

/* One import made into a host function. */
struct slot {
	struct wasi *w;
	enum call_id id;
	bool old; /* of wasi_unstable */
	struct shape shape;
	struct vm_func *func;
};

/* What one call may need in room; one call runs at a time. */
struct scratch {
	struct iovec iov[LIM_IOVECS];
	struct place at[2];
	char text[2][LIM_PATH_BYTES + 1]; /* a walk's pending components; a link's target */
	_Alignas(8) char dirents[32 << 10];
};

struct wasi {
	struct vm_store *store;
	struct slot slots[2][CALL_COUNT]; /* preview 1, unstable */
	struct wasi_config cfg;
	bool configured;
	struct fdtable fds;
	struct wasi_usage use;
	uint64_t output; /* bytes to standard output and error */
	uint64_t disk;	 /* bytes to files */
	enum wasi_limit limit;
	uint32_t exit_status;
	sigset_t wait_mask; /* of ppoll: lets the interrupting signal in */
	struct scratch scratch;
};

/* One host call, from the guest's arguments to its errno. */
struct call {
	struct wasi *w;
	struct vm_caller *vm;
	const struct call_row *row;
	bool old;
	enum vm_trap trap; /* set: the guest ends here */
	uint32_t fdnum[2];
	struct fd *fd[2];
	uint32_t n_fds;
	uint32_t path_arg[2]; /* where in a[] the paths stand */
	uint32_t n_paths;
	bool follow;	   /* lookup flags of the first path */
	bool bad_lookup;   /* they hold a bit that the interface does not know */
	struct place *at;  /* of the paths, once resolved */
	struct iovec *iov; /* of calls that move data */
	int n_iov;
	/* from here on nothing is cleared when a call begins */
	uint64_t a[WASI_MAX_ARGS]; /* as passed, one per wasm parameter */
	struct gate_req req;
};

/* wasi.c */
vm_host_fn wasi_host_call; /* of every import; arg is its struct slot */
extern const struct call_row call_rows[CALL_COUNT];
bool wasi_stopped(const struct wasi *w);
enum werr werr_of(int64_t rc);			      /* of a sys_ result: negative is -errno */
enum werr call_moved(struct call *c, uint64_t bytes); /* charges fuel for data moved */

/* gate.c */
enum werr gate_ask(struct call *c);
bool gate_refused(const struct call *c);

/* The handlers of wasi.def. */
#define CALL(name, sig, r0, r1, prep) enum werr call_##name(struct call *c);
WASI_CALLS(CALL)
#undef CALL

enum werr prep_none(struct call *c);
enum werr prep_number(struct call *c);
enum werr prep_extent(struct call *c);
enum werr prep_flags(struct call *c);
enum werr prep_size(struct call *c);
enum werr prep_iov(struct call *c);
enum werr prep_iov_at(struct call *c);
enum werr prep_readdir(struct call *c);
enum werr prep_seek(struct call *c);
enum werr prep_link(struct call *c);
enum werr prep_open(struct call *c);
enum werr prep_rename(struct call *c);
enum werr prep_symlink(struct call *c);
enum werr prep_poll(struct call *c);
enum werr prep_random(struct call *c);

#endif
