/*
 * One instance: the child of a zygote's fork, from before its start message to
 * its end.
 */
#ifndef DAEMON_LOCKED_WORKER_H
#define DAEMON_LOCKED_WORKER_H

#include "daemon/ipc.h"
#include "daemon/locked/known.h"
#include "wasmd/vm.h"
#include "wasmd/wasi.h"

/* What the zygote has ready and each child has a copy of. */
struct guest {
	struct vm_store *store;
	struct vm_instance *instance;
	struct wasi *wasi;
	size_t module_len;
	struct known known; /* policies */
};

/* In a fresh child: shuts itself in as far as it can without a task, waits for
 * one start message on @channel, takes its descriptors, shuts the rest, runs
 * the guest, reports, ends. */
_Noreturn void worker_run(const struct guest *g, int channel);

#endif
