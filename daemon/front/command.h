/*
 * What can be asked of the daemon: authorised and done here, whoever asked
 * and however it was written. No HTTP, no JSON.
 */
#ifndef FRONT_COMMAND_H
#define FRONT_COMMAND_H

#include "daemon/front/instance.h"
#include "daemon/front/live.h"

struct ask {
	const char *module, *name; /* name "" for none */
	const char *policy;	   /* text, NULL for the minimal one */
	char **args, **env;	   /* taken */
	bool kept;		   /* on record; otherwise gone when it has ended */
	struct restart restart;
	bool stdin_open, reactor;
};

/* A new instance; durable, when kept, before this returns. */
MUST_CHECK int cmd_create(struct front *f, const struct who *who, struct ask *ask,
			  struct instance **ret, struct err *e);
MUST_CHECK int cmd_find(struct front *f, const struct who *who, const char *ref,
			struct instance **ret, struct err *e);
/* @w (states RUNNING | EXITED, or as the caller likes) is put before it begins
 * and dropped on failure; how's descriptors are taken. */
MUST_CHECK int cmd_start(struct front *f, struct instance *i, struct launch *how, struct watch *w,
			 struct err *e);
/* 0: @w fires when it has ended; 1: it had, and is not started again by itself. */
MUST_CHECK int cmd_stop(struct instance *i, unsigned grace_ms, struct watch *w, struct err *e);
MUST_CHECK int cmd_kill(struct instance *i, struct watch *w, struct err *e);
/* 1: it has ended already; 0: @w fires; negative: it was never started. */
MUST_CHECK int cmd_wait(struct instance *i, struct watch *w, struct err *e);
/* 1: gone; 0: it is being killed and then goes, @w fires; or an error. */
MUST_CHECK int cmd_remove(struct front *f, struct instance *i, bool force, struct watch *w,
			  struct err *e);
MUST_CHECK int cmd_pause(struct instance *i, bool pause, struct err *e);
/* @w (states RUNNING | EXITED) sees its end first when it is live, with
 * restart_asked; then its start, or why it could not be. */
MUST_CHECK int cmd_restart(struct front *f, struct instance *i, const struct who *who,
			   unsigned grace_ms, struct watch *w, struct err *e);

struct pruned {
	uint64_t instances, modules, bytes;
};

/* Forgets what has ended, and with @modules also modules that no instance names. */
MUST_CHECK int cmd_prune(struct front *f, const struct who *who, bool modules, struct pruned *ret,
			 struct err *e);
/* As cmd_create and cmd_start in one, for an instance that is not kept. */
MUST_CHECK int cmd_run(struct front *f, const struct who *who, struct ask *ask, int stdin_fd,
		       struct watch *w, struct err *e);

#endif
