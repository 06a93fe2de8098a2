/*
 * The cell: what one worker is given and shut into. Made of one zyg_start
 * message; knows the policy's fences, not the guest.
 */
#ifndef DAEMON_LOCKED_CELL_H
#define DAEMON_LOCKED_CELL_H

#include "daemon/ipc.h"
#include "daemon/locked/known.h"
#include "daemon/locked/landlock.h"
#include "daemon/slot.h"
#include "daemon/task.h"
#include "wasmd/policy.h"

/* The first descriptors of a start message. */
enum { FD_POLICY, FD_TASK, FD_SLOT, FD_DOORBELL, FD_STREAMS };

enum {
	CELL_CHANNEL_FD = 3,  /* before the task: where it comes from */
	CELL_DOORBELL_FD = 3, /* after the standard streams */
	CELL_MOUNT_FD,	      /* the first of the mounts; after the last, the call channel */
};

struct cell {
	struct msg_zyg_start ask;
	struct policy_judge *judge;
	struct task task;
	void *slot;		   /* NULL until it is mapped: nobody can be told why */
	const struct known *known; /* policies that need no verifying, or NULL */
	size_t code;		   /* bytes of the module, for the bound on memory */
};

/* What needs no task yet: @channel becomes CELL_CHANNEL_FD, all else but the
 * standard streams is closed, the limits that are everybody's are set. */
MUST_CHECK int cell_ahead(int channel, struct err *e);

/* Takes the message's descriptors to their fixed numbers, maps and checks what
 * they carry. After a failure the process can only report and end. */
MUST_CHECK int cell_furnish(struct cell *c, struct ipc_msg *m, struct err *e);

/* The call channel, or -1 for a command. */
int cell_call_fd(const struct cell *c);

/* Closes everything else and shuts the door: limits, domain, filter. @step_ns:
 * slot_report's, or NULL. */
MUST_CHECK int cell_lock(struct cell *c, uint64_t *step_ns, struct err *e);

/* Writes @cause and @e's sentence as the report, if there is a slot. */
void cell_report_failure(const struct cell *c, const struct err *e);

/* The same for an instance that gets no process: into @m's slot. */
void cell_refuse(const struct ipc_msg *m, const struct err *e);

#endif
