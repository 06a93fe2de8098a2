/*
 * A front for tests: priv's own functions in this process, a zygote, and
 * instances started by the messages that the real front would send.
 */
#ifndef TESTS_UNIT_RIG_H
#define TESTS_UNIT_RIG_H

#include "daemon/priv/priv.h"
#include "daemon/slot.h"

#define RIG_UID_A 65531u /* tenants of a root rig: uids that nobody has */
#define RIG_UID_B 65532u

struct rig {
	struct priv p;
	struct config *config;
	int front;  /* the front's end of priv's channel */
	int client; /* accepted at priv's listener; its peer is us */
	int peer;
	char socket[64], state[64];
	const char *tenant_a, *tenant_b;
};

/* @zygote: the program, O_PATH. Prints and returns false when it cannot. */
bool rig_open(struct rig *r, int zygote);
void rig_close(struct rig *r);

/* A directory through opener and mount; -1 and *e. */
int rig_mount(struct rig *r, const char *tenant, const char *host, bool write, struct err *e);
/* A zygote over these bytes; its channel, or -1 and *e. */
int rig_zygote(struct rig *r, const char *tenant, const void *module, size_t len, pid_t *ret_pid,
	       struct err *e);

struct rig_start {
	const char *policy; /* JSON */
	const char *const *args;
	const int *mounts;
	size_t n_mounts;
	uint64_t seq, wall_ns, cpu_ns, generation;
	bool reactor; /* calls is the worker's end of its call channel */
	int calls;
};

struct rig_instance {
	void *slot;
	int doorbell;
	struct msg_zyg_exited end;
	uint64_t sent_ns;
};

/* Starts one with its output in the ring. */
bool rig_start(int channel, const struct rig_start *s, struct rig_instance *i);
/* Drains its output to @out and waits for its end. */
bool rig_wait(int channel, struct rig_instance *i, char *out, size_t size);
void rig_forget(struct rig_instance *i);

#endif
