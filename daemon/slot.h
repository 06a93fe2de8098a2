/*
 * What one worker and the front share: a sealed memfd of SLOT_BYTES with a
 * control block, the audit ring and the output ring. The worker writes the
 * report and the rings; the front writes `stop` and the rings' tails. The
 * front reads all of it as hostile input: copied once, then judged.
 */
#ifndef DAEMON_SLOT_H
#define DAEMON_SLOT_H

#include <stdatomic.h>
#include <stdint.h>

#include "wasmd/limits.h"
#include "wasmd/ring.h"

/* The steps of a start, each by the CLOCK_MONOTONIC at its end. */
enum slot_step {
	STEP_TAKEN,	/* the zygote has the start message */
	STEP_WOKEN,	/* the worker has it */
	STEP_FURNISHED, /* slot, policy, task and descriptors are in place */
	STEP_PREPARED,	/* the engine and WASI know their limits */
	STEP_FDS,	/* everything else is closed */
	STEP_LIMITS,	/* rlimits */
	STEP_DOMAIN,	/* Landlock */
	STEP_FILTER,	/* seccomp */
	SLOT_STEPS,
};

/* How far the worker came, and how its guest ended. */
struct slot_report {
	uint32_t done;	 /* 1 when all below is written */
	uint32_t cause;	 /* enum cause */
	uint32_t status; /* the guest's exit status */
	uint32_t trap;	 /* enum vm_trap */
	uint64_t fuel_used, memory_peak;
	uint64_t host_calls, denied, bytes_read, bytes_written, syscalls;
	uint64_t first_ns;	      /* CLOCK_MONOTONIC just before the first guest instruction */
	uint64_t step_ns[SLOT_STEPS]; /* 0: not told */
	char message[512]; /* trap with backtrace, or why it could not start; NUL terminated */
};

struct slot_ctl {
	_Atomic uint32_t stop;	  /* not 0: the guest shall end */
	_Atomic uint32_t blocked; /* 1: output waits for room, for ps */
	/* Of the front, before it writes a record of output to the log: where the
	 * ring's tail and the log's end are after that. A later front thus knows
	 * whether the record was written. */
	_Atomic uint64_t log_tail, log_end;
	uint8_t pad[40];
	struct slot_report report;
};

#define SLOT_AUDIT_AT  4096u
#define SLOT_OUTPUT_AT (SLOT_AUDIT_AT + LIM_AUDIT_RING + 4096u)
#define SLOT_BYTES     (SLOT_OUTPUT_AT + LIM_OUTPUT_RING + 4096u)
_Static_assert(sizeof(struct slot_ctl) <= SLOT_AUDIT_AT, "the control block is one page");

static inline struct slot_ctl *slot_ctl(void *slot)
{
	return slot;
}

static inline struct ring slot_audit(void *slot)
{
	return ring_over((uint8_t *)slot + SLOT_AUDIT_AT, LIM_AUDIT_RING);
}

static inline struct ring slot_output(void *slot)
{
	return ring_over((uint8_t *)slot + SLOT_OUTPUT_AT, LIM_OUTPUT_RING);
}

/* Output ring: the record type is the stream, 1 or 2; the body its bytes. */
#define SLOT_OUTPUT_RECORD 8192u /* largest body */

/* Audit ring: record type 1 is struct slot_audit, then its two paths. Identity
 * (tenant, instance, digests) is added by the front, never read from here. */
#define SLOT_AUDIT_CALL 1u

struct slot_audit {
	uint64_t time_ns; /* CLOCK_REALTIME */
	uint64_t generation;
	uint64_t fd, rights, addr, len, offset;
	uint32_t op; /* enum gate_op */
	uint32_t flags;
	uint32_t rule;	 /* index in the policy, or POLICY_NO_RULE */
	int32_t verdict; /* 0, -errno or GATE_KILL */
	uint32_t complained;
	uint32_t path_len[2];
	uint32_t pad;
};
_Static_assert(sizeof(struct slot_audit) == 88, "one layout on both sides");

#endif
