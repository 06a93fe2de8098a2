/*
 * An instance while it runs: its zygote, rings, streams and mounts. live.c
 * brings it up, ending.c drains it and judges how it ended.
 */
#ifndef FRONT_LIVE_H
#define FRONT_LIVE_H

#include "daemon/front/instance.h"
#include "daemon/front/logs.h"
#include "daemon/front/policies.h"
#include "daemon/front/slots.h"
#include "daemon/front/zygotes.h"

struct mount_wait {
	struct live *live;
	struct priv_call *call;
	int fd;
};

struct live {
	struct live *next_of_zygote;
	struct front *front;
	struct instance *inst;
	struct policy_ref *policy;
	struct zygote *zyg;
	struct zyg_wait wait;
	uint64_t seq; /* our number for it; 0 until it is sent */
	struct slot slot;
	uint8_t stream[3]; /* STREAM_NULL ... */
	int stream_fd[3];
	int stdin_fd;	     /* our end of its standard input, or -1 */
	int call_fd;	     /* the worker's end of its calls, until it is sent */
	struct calls *calls; /* of call.c; NULL for a command */
	struct mount_wait mounts[LIM_PREOPENS];
	size_t n_mounts, mounts_pending;
	struct log *log;	     /* where rings go, or */
	struct gather *gather;	     /* or neither */
	struct audit_repeat *repeat; /* of audit.c */
	enum cause ending;	     /* why we asked it to end */
	bool broken;		     /* its rings told lies: not read any more */
	bool client;		     /* it ends with whoever started it */
	int64_t ended;		     /* when, by its zygote's word; 0: now */
	sd_event_source *grace;
	uint64_t asked_ns;
};

struct launch {
	const struct who *who;
	uint8_t stream[3];
	int fd[3];   /* taken, also on failure; -1 where there is none */
	bool log;    /* rings to the log of the instance */
	bool gather; /* rings to memory, for the answer */
};

/* In the background: output to the log, no standard input of a client. */
#define LAUNCH_DETACHED(by)                                          \
	{                                                            \
		.who = (by),                                         \
		.stream = { STREAM_NULL, STREAM_RING, STREAM_RING }, \
		.fd = { -1, -1, -1 },                                \
		.log = true,                                         \
	}

/* Begins the start of @i; *@how's descriptors are taken in any case. On
 * success its watches, which must be there before, learn the rest; they may
 * already have been told that it failed, and @i may be gone. On failure it
 * is what it was. */
MUST_CHECK int live_start(struct front *f, struct instance *i, struct launch *how, struct err *e);

/* One that its zygote has been told to start counts as running, though the word
 * that it does may still be on its way. */
void live_runs(struct live *l);

/* It shall end: asked, then killed after @grace_ms. */
void live_stop(struct live *l, unsigned grace_ms);
void live_kill(struct live *l, enum cause why);
/* One that is running stands still, or goes on. Its wall time goes on anyway. */
void live_pause(struct live *l, bool pause);

/* Reads the rings; true when there is more than one turn's worth. */
bool live_drain(struct live *l, bool last);

/* Who held its output up does not any more. */
void live_go_on(struct live *l);

/* Nobody writes to its standard input any more. */
void live_eof(struct live *l);

/* Of adopt.c: @m is a zyg_kept; what is used of its descriptors is taken. One that
 * stands on no record of ours, or did not run, is ended. Negative: no zygote says this. */
MUST_CHECK int live_adopt(struct zygote *z, struct ipc_msg *m);
struct live *live_new(struct front *f, struct instance *i);

/* What zygotes say; negative: it can't be true. */
MUST_CHECK int live_started(struct zygote *z, const struct msg_zyg_started *m);
MUST_CHECK int live_exited(struct zygote *z, const struct msg_zyg_exited *m);
void live_lost(struct live *l);

/* The end: outcome and record are written, watches fire, @l is freed. It may
 * then be started again. */
void live_finish(struct live *l, enum cause cause, const struct err *e);

/* For ending.c: away from its zygote, everything released. */
void live_free(struct live *l);

#endif
