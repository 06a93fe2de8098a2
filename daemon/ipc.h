/*
 * A process boundary is a table: type, exact length, direction, descriptors.
 * Anything off the table is a broken or compromised peer; the caller ends the
 * connection. Bodies are copied out before they are read.
 */
#ifndef DAEMON_IPC_H
#define DAEMON_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/ipc.def"
#include "wasmd/cleanup.h"
#include "wasmd/limits.h"

#define IPC_VERSION 3
#define IPC_OLDEST  3 /* that a front still speaks with a zygote that outlived its own */
#define IPC_MAX_FDS 42
#define CALL_VALUES 16 /* arguments or results of one call */
#define CALL_NAME   128
#define IPC_ID	    40 /* an instance's id as text, with its NUL */

/* A type of struct msg_call that is none of enum vm_type: the bits are already
 * those of the function's own type; or a number, to be made one of that type. */
enum { CALL_OWN, CALL_INT, CALL_REAL }; /* int64_t, double */

enum ipc_end { IPC_FRONT, IPC_PRIV, IPC_ZYGOTE, IPC_OPENER, IPC_WORKER };

enum ipc_type {
#define MSG(name, num, from, to, fds, why) IPC_##name = (num),
	WASMD_MSGS(MSG)
#undef MSG
};

/* Strings are NUL terminated within their arrays; the receiver checks. */
struct msg_priv_zygote {
	uint64_t req;
	char tenant[LIM_NAME];
	uint8_t digest[32];
};

struct msg_priv_mount {
	uint64_t req;
	char tenant[LIM_NAME];
	char host[LIM_PATH_BYTES]; /* "": a fresh tmpfs; its fd is then the only need */
	uint32_t write;
	uint32_t tmpfs_kib; /* size of that tmpfs */
};

struct msg_priv_ok {
	uint64_t req;
	int64_t pid; /* the zygote's, in the host's namespace; else 0 */
};

struct msg_priv_failed {
	uint64_t req;
	int32_t code; /* enum err_code */
	char msg[320], hint[200];
	uint32_t pad;
};

struct msg_priv_fences {
	uint32_t stand;	   /* enum policy_fence bits that work on this kernel */
	uint32_t degraded; /* bits the operator allows to be missing */
	uint32_t landlock_abi;
	uint32_t privileged; /* 1: started as root */
	uint32_t n_found;    /* how many priv_found follow */
	char missing[320];   /* a sentence for each that does not stand; "" for none */
};

/* Tenant and digest are priv's own knowledge, not what the zygote says. */
struct msg_priv_found {
	int64_t pid;
	char tenant[LIM_NAME];
	uint8_t digest[32];
	uint32_t outdated; /* it is of another program than priv would start now */
	uint32_t pad;
};

struct msg_priv_serving {
	uint32_t version; /* IPC_VERSION */
};

struct msg_priv_end {
	int64_t pid; /* as priv_ok or priv_found told it */
};

struct msg_zyg_ready {
	uint32_t version; /* IPC_VERSION */
	uint32_t n_imports, n_exports, memory_pages, memory_max_pages;
	uint32_t has_start;	 /* exports _start */
	uint32_t has_initialize; /* exports _initialize: a reactor */
	uint32_t n_kept;	 /* how many zyg_kept follow */
	uint64_t n_funcs;
	uint64_t load_ns;		/* from exec to here */
	uint64_t load_cpu_ns, load_rss; /* what that cost; bytes at their peak */
	char build[40];
};

struct msg_zyg_bad {
	int32_t code; /* enum err_code */
	char msg[320], hint[200];
	uint32_t pad;
	uint64_t load_cpu_ns; /* until then */
};

enum { STREAM_NULL, STREAM_FD, STREAM_RING };

/* CALL: the guest is a reactor. The worker runs its start function and
 * `_initialize` if exported, then serves calls until the channel closes.
 * KEPT: it is on record; the zygote tells its end until that is on record too.
 * CLIENT: it ends when there is no front any more: its client is gone with it.
 * STDIN: what the front writes to its standard input comes along. */
enum { START_CALL = 1, START_KEPT = 2, START_CLIENT = 4, START_STDIN = 8, START_ALL = 15 };

/* Descriptors, in this order: policy image, task, slot, doorbell (an eventfd
 * of the front), then one per stream that is STREAM_FD, then n_mounts mounts,
 * then with START_CALL the worker's end of the call channel (ipc_pair). After
 * those the ones that no worker gets, and a later front does: with CALL and
 * KEPT the front's end of the call channel, with STDIN the writing end. */
struct msg_zyg_start {
	uint64_t seq; /* the front's number for the instance; not 0 */
	uint64_t tenant, generation;
	uint64_t wall_ns, cpu_ns; /* 0: no limit */
	uint64_t flags;		  /* START_* */
	uint64_t taken_ns;	  /* 0; the zygote's: when it had this message */
	uint8_t stream[3];
	uint8_t n_mounts;
	uint32_t degraded; /* enum policy_fence bits that may be missing */
	char id[IPC_ID];
};

/* Times are the zygote's: of CLOCK_MONOTONIC and CLOCK_REALTIME. */
struct msg_zyg_kept {
	uint64_t seq;
	int64_t pid; /* as zyg_started; 0: its zyg_exited comes next */
	uint64_t flags;
	uint64_t taken_ns, started;
	uint32_t paused;
	uint32_t pad;
	char id[IPC_ID];
};

struct msg_zyg_forget {
	uint64_t seq;
};

struct msg_zyg_started {
	uint64_t seq;
	int64_t pid; /* within the zygote's namespace */
};

/* WAKE: stop is set, wake it. KILL: SIGKILL. PAUSE: SIGSTOP; RESUME: SIGCONT.
 * While paused, wall time goes on counting and cpu time does not. EOF: the
 * zygote closes its end of START_STDIN, as the front has. */
enum { ZYG_WAKE, ZYG_KILL, ZYG_PAUSE, ZYG_RESUME, ZYG_EOF };

struct msg_zyg_kill {
	uint64_t seq;
	uint32_t how;	/* ZYG_WAKE.. */
	uint32_t cause; /* enum cause, handed back in zyg_exited */
};

struct msg_zyg_exited {
	uint64_t seq;
	int32_t wait_status; /* as wait(2) gives it */
	uint32_t cause;	     /* enum cause that the zygote knows: WALL, CPU, KILLED..; or NONE */
	uint64_t cpu_ns, wall_ns, rss_bytes;
	uint64_t finished; /* CLOCK_REALTIME */
};

/* Values: the low half for i32 and f32. Answers come in the order of calls. */
struct msg_call {
	uint64_t id; /* handed back */
	char name[CALL_NAME];
	uint32_t n_args;
	uint8_t types[CALL_VALUES]; /* enum vm_type, or CALL_* */
	uint32_t pad;
	uint64_t args[CALL_VALUES];
};

#define CALL_REFUSED UINT32_MAX /* trap: there was no call; the message says why */

struct msg_call_done {
	uint64_t id;
	uint32_t trap; /* enum vm_trap, 0: returned; or CALL_REFUSED */
	uint32_t n_results;
	uint8_t types[CALL_VALUES];
	uint64_t results[CALL_VALUES];
	char message[256];
};

struct msg_opener_done {
	int32_t error; /* 0 or an errno */
	uint32_t pad;
};

union ipc_body {
#define MSG(name, num, from, to, fds, why) struct msg_##name name;
	WASMD_MSGS(MSG)
#undef MSG
};

struct ipc_msg {
	uint32_t type;
	uint32_t n_fds;
	int fds[IPC_MAX_FDS]; /* owned by whoever holds the message; take or close */
	union ipc_body body;
};

/* SOCK_SEQPACKET, both ends close-on-exec and non-blocking as asked. */
MUST_CHECK int ipc_pair(int ret[2], bool nonblock);

/* Sends one message; @fds are borrowed. 0, -EAGAIN, or another -errno. */
MUST_CHECK int ipc_send(int fd, enum ipc_type type, const void *body, const int *fds, size_t n_fds);

/* Receives one message meant for @me from @peer. 1: *m holds it; 0: nothing
 * yet; -EPIPE: the peer is gone; -EPROTO: off the table. Received descriptors
 * are close-on-exec. */
MUST_CHECK int ipc_recv(int fd, enum ipc_end me, enum ipc_end peer, struct ipc_msg *m);

/* As these two, and never waits: whoever else has the descriptor may have made
 * it a waiting one. */
MUST_CHECK int ipc_try_send(int fd, enum ipc_type type, const void *body, const int *fds,
			    size_t n_fds);
MUST_CHECK int ipc_try_recv(int fd, enum ipc_end me, enum ipc_end peer, struct ipc_msg *m);

/* Closes what is left of m->fds. */
void ipc_msg_done(struct ipc_msg *m);

/* true when @s, @size bytes of a message, is NUL terminated. */
bool ipc_str_ok(const char *s, size_t size);

#endif
