/*
 * The privileged process: one table of fixed-length messages, its own
 * root-owned configuration, and nothing else that it listens to.
 */
#ifndef DAEMON_PRIV_PRIV_H
#define DAEMON_PRIV_PRIV_H

#include <linux/filter.h>
#include <stdbool.h>
#include <sys/types.h>

#include "daemon/config.h"
#include "daemon/ipc.h"
#include "wasmd/err.h"

#define PRIV_UID_BASE  0x70000000u   /* private uids: this and the tenant's index */
#define PRIV_JOBS      16u	     /* openers at work at once; more wait in the channel's queue */
#define PRIV_OPENER_NS 2000000000ull /* then it hangs on somebody's file system */
#define PRIV_ZYGOTES   (LIM_ZYGOTES_ALIVE + LIM_ZYGOTES) /* and those that are just ending */
#define PRIV_HOME_NAME 24u				 /* of a zygote's socket, with NUL */
#define PRIV_PROGRAM   72u /* which file a zygote was started from, as text */

/* An opener at work for one priv_mount. */
struct priv_job {
	pid_t pid; /* 0: free */
	bool reaped;
	int sock;
	uint64_t deadline;
	const struct config_tenant *tenant;
	struct msg_priv_mount ask;
};

struct priv_zygote {
	pid_t pid; /* 0: free */
	int pidfd;
	int call;     /* a connection to its home that no front has yet, or -1 */
	bool adopted; /* of an earlier priv: not our child */
	char home[PRIV_HOME_NAME], tenant[LIM_NAME];
	char program[PRIV_PROGRAM];
	uint8_t digest[32];
};

struct priv {
	const struct config *config;
	bool privileged; /* started as root */
	uid_t uid;	 /* who started us */
	gid_t gid;
	int listener;	   /* what clients connect to */
	int zygote_exe;	   /* O_PATH */
	int zygote_filter; /* sealed memfd */
	int null;
	struct sock_fprog opener_filter;
	struct msg_priv_fences fences;
	int homes; /* directory of the zygotes' sockets */
	uint64_t last_home;
	char program[PRIV_PROGRAM]; /* zygote_exe */
	bool serving;		    /* the front of now has said so */
	int *idmaps;		    /* per tenant: user namespace for its mounts, or -1 */
	int channel;		    /* to the front; -1 between two fronts */
	struct priv_job jobs[PRIV_JOBS];
	struct priv_zygote zygotes[PRIV_ZYGOTES];
};

/* ---- identity.c, ceiling.c ---------------------------------------------- */

/* The tenant named @name, if the peer of @client_fd may act for it. ERR_PERM. */
MUST_CHECK int identity_judge(const struct priv *p, int client_fd, const char *name,
			      const struct config_tenant **ret, struct err *e);

/* Whether @path may be named at all: by its text. ERR_PERM, ERR_USAGE. */
MUST_CHECK int ceiling_names(const struct config_tenant *t, const char *path, bool write,
			     struct err *e);
/* Whether the directory that was opened lies below the ceiling: by where it is. */
MUST_CHECK int ceiling_holds(const struct config_tenant *t, int dir, const char *path, bool write,
			     struct err *e);

/* ---- mounts.c ----------------------------------------------------------- */

/* A user namespace that turns on-disk @uid:@gid into @to. */
MUST_CHECK int mounts_idmap(uid_t uid, gid_t gid, uid_t to, int *ret_fd, struct err *e);
/* @dir as a detached mount: nosuid, nodev, noexec, read-only unless @write,
 * seen through @idmap unless that is -1. ERR_ISOLATION names the remedy. */
MUST_CHECK int mounts_detach(int dir, bool write, int idmap, int *ret_fd, struct err *e);
MUST_CHECK int mounts_tmpfs(uint32_t kib, uid_t uid, gid_t gid, int *ret_fd, struct err *e);

/* ---- spawn.c ------------------------------------------------------------ */

/* clone3 with @flags and a pidfd; as fork(2) otherwise. */
pid_t spawn_clone(uint64_t flags, int *ret_pidfd);
/* Writes one line "@inside @outside 1" to @file of /proc/@pid. */
MUST_CHECK int spawn_map(pid_t pid, const char *file, uint32_t inside, uint32_t outside,
			 struct err *e);
/* Whether namespaces can be made and mapped; the zygote's way, without one. */
MUST_CHECK int spawn_probe(const struct priv *p, struct err *e);
/* A zygote of @t over @module, which has @digest; *ret_channel is the front's end. */
MUST_CHECK int spawn_zygote(struct priv *p, const struct config_tenant *t, const uint8_t *digest,
			    int module, int *ret_channel, pid_t *ret_pid, struct err *e);
/* The uid that zygotes of @t have. */
uid_t spawn_private_id(const struct priv *p, const struct config_tenant *t);
/* An ordinary user: into an own user and mount namespace. Everybody: out of
 * the network, for good; zygotes and the front inherit that. */
MUST_CHECK int spawn_settle(const struct priv *p, struct err *e);

/* ---- survive.c ---------------------------------------------------------- */

/* Makes or opens the directory of the zygotes' sockets. ERR_PERM, ERR_IO. */
MUST_CHECK int survive_open(struct priv *p, int state, struct err *e);
/* What an earlier priv has left there comes into p->zygotes, or is ended. */
void survive_find(struct priv *p);
/* A bound socket for @z to listen at; *z is not taken yet. */
MUST_CHECK int survive_home(struct priv *p, struct priv_zygote *z, const char *tenant,
			    const uint8_t *digest, int *ret_fd, struct err *e);
/* @z has ended: its place is free. */
void survive_gone(struct priv *p, struct priv_zygote *z);
void survive_end(struct priv *p, struct priv_zygote *z);
void survive_sweep(struct priv *p);
/* Calls all that live, for a new front; how many. Then hands the calls on. */
uint32_t survive_call(struct priv *p);
void survive_offer(struct priv *p);

/* ---- fences.c ----------------------------------------------------------- */

/* Reads from the kernel which fences stand; fills p->fences. */
void fences_probe(struct priv *p, const char *state_dir);

/* ---- listen.c ----------------------------------------------------------- */

/* The state directory, made if need be, belonging to @uid; *ret_lock is held as
 * long as the daemon lives. ERR_EXISTS: a daemon is already running there. */
MUST_CHECK int listen_state(const char *dir, uid_t uid, gid_t gid, int *ret_dir, int *ret_lock,
			    struct err *e);
/* true when systemd passed exactly one listening socket. */
bool listen_passed(void);
/* The socket that systemd passed, or a new one at @path. ERR_EXISTS, ERR_IO. */
MUST_CHECK int listen_socket(const char *path, const struct config *c, uid_t uid, gid_t gid,
			     int *ret_fd, struct err *e);

/* ---- front.c ------------------------------------------------------------ */

struct front {
	int exe, listener, config_fd, state_fd;
	const char *state_dir, *socket_path;
	uid_t uid;
	gid_t gid;
	bool change_user;
	pid_t pid;		/* 0: between two fronts */
	uint64_t born, wait_ns; /* back-off */
	unsigned quick_deaths;
};

/* Who the front runs as: c->front_user, or nobody where that does not exist. */
void front_identity(const struct config *c, struct front *f);
/* Starts it; *ret_channel is priv's end. ERR_IO. */
MUST_CHECK int front_start(struct front *f, int *ret_channel, struct err *e);
/* Serves until told to stop; the program's exit status. */
int front_supervise(struct priv *p, struct front *f);

/* ---- priv.c ------------------------------------------------------------- */

/* What one wake-up of the channel brought: -EPIPE when the front is gone, -EPROTO when it
 * speaks off the table; 0 otherwise. */
int priv_serve(struct priv *p);
/* As many openers are at work as there may be: what asks for more waits. */
bool priv_full(const struct priv *p);
/* Ends what the dead front asked for. */
void priv_front_gone(struct priv *p);
void priv_opener_answer(struct priv *p, struct priv_job *j);
/* Ends openers past their deadline; ms until the next one is, or -1. */
int priv_deadlines(struct priv *p, uint64_t now);
/* @pid was reaped: forget it if it was ours. */
void priv_reaped(struct priv *p, pid_t pid);
struct priv_zygote *priv_free_zygote(struct priv *p); /* or NULL */
void priv_kill_all(struct priv *p);
/* Openers are of no use without us; zygotes may go on. */
void priv_let_go(struct priv *p);
uint64_t priv_now(void);

#endif
