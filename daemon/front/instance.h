/*
 * Instances: what is recorded of each, the table of them, and their states,
 * which one place changes. What runs hangs below as struct live.
 */
#ifndef FRONT_INSTANCE_H
#define FRONT_INSTANCE_H

#include "daemon/front/front.h"
#include "daemon/front/text.h"
#include "wasmd/api.h"

#define INST_DENIALS 32u /* kept per instance; identical ones are counted */

/* clang-format off */
/* State, its name in the API, and the states one may reach from it. */
#define INST_STATES(S)                                                          \
	S(CREATED,  1,  "created",  INST_STARTING)                              \
	S(STARTING, 2,  "starting", INST_RUNNING | INST_STOPPING | INST_EXITED) \
	S(RUNNING,  4,  "running",  INST_PAUSED | INST_STOPPING | INST_EXITED)  \
	S(PAUSED,   8,  "paused",   INST_RUNNING | INST_STOPPING | INST_EXITED) \
	S(STOPPING, 16, "stopping", INST_EXITED)                                \
	S(EXITED,   32, "exited",   INST_STARTING)
/* clang-format on */

enum inst_state {
#define S(name, bit, text, to) INST_##name = (bit),
	INST_STATES(S)
#undef S
};
#define INST_LIVE  (INST_STARTING | INST_RUNNING | INST_PAUSED | INST_STOPPING)
#define INST_ENDED INST_EXITED

struct denial {
	char *call, *path, *rule, *allow; /* path, rule: NULL when there is none */
	int64_t fd;			  /* -1: none */
	uint32_t line;
	int err; /* Linux errno; 0: killed */
	bool complain;
	uint64_t count;
};

struct usage {
	uint64_t fuel, cpu_ns, wall_ns, memory_peak, rss, host_calls, denied, bytes_read,
		bytes_written, start_ns;
};

/* Whether it starts again by itself when it has ended. */
struct restart {
	enum { RESTART_NO, RESTART_ON_FAILURE, RESTART_ALWAYS } mode;
	uint32_t most; /* times; 0: as often as it fails */
};

/* What was asked for. Strings belong to it. */
struct spec {
	char *module_name; /* "" when named by digest */
	uint8_t module[DIGEST_BYTES];
	char **args, **env;  /* env: "NAME=value", of the client */
	char **secret_names; /* that its policy puts into variables; never their values */
	char *policy_name;
	uint8_t policy[DIGEST_BYTES];
	bool policy_stored;
	struct restart restart;
	bool stdin_open; /* started in the background, it reads what attached clients send */
	bool reactor;	 /* its exports are called; it has no _start that is run */
};

/* How it ended, for good. */
struct outcome {
	int64_t started, finished; /* 0: not yet */
	enum cause cause;
	uint32_t status;
	char *message;
	struct usage usage;
	struct denial denials[INST_DENIALS];
	size_t n_denials;
};

/* Where the end of its last life is kept until that is on record. */
struct kept_end {
	int64_t zygote; /* its pid */
	uint64_t seq;	/* 0: nowhere */
};

struct instance {
	struct instance *next, *prev;	      /* in order of creation */
	struct instance *next_id, *next_name; /* in their buckets */
	char id[ID_TEXT], name[LIM_NAME], tenant[LIM_NAME];
	uint32_t tenant_index;
	bool kept;    /* on record: survives the daemon */
	bool forget;  /* leaves table and record once it has ended */
	bool unsaved; /* its record is older than it */
	enum inst_state state;
	int64_t created, pid;
	uint64_t generation, starts;
	struct spec spec;
	struct outcome *out; /* never NULL */
	struct live *live;   /* NULL unless INST_LIVE */
	struct kept_end end;
	struct again *again; /* of restart.c; NULL when nothing starts it by itself */
	struct watch *watches;
	char *shown; /* what json.c says of it, until that changes; or NULL */
	bool shown_blocked;
};

/* Waits for a state. Embedded in whatever waits; one wait, one call. */
struct watch {
	struct watch *next;
	struct instance *on; /* NULL: not waiting */
	unsigned states;     /* fires when one of these is entered */
	/* The watch is over before this is called. @e: why it could not start. */
	void (*fire)(struct watch *w, struct instance *i, const struct err *e);
	void (*denied)(struct watch *w, const struct denial *d); /* or NULL */
	bool holds; /* no more output for now: the guest waits */
	/* Or NULL. May drop no watch. */
	void (*output)(struct watch *w, uint32_t stream, const void *bytes, size_t len);
};

MUST_CHECK int instances_new(struct front *f, struct err *e);
struct instances *instances_free(struct instances *t);

/* A new one in the table, in state created. @spec is taken on success. */
MUST_CHECK int instance_new(struct instances *t, const struct config_tenant *tenant,
			    const char *name, struct spec *spec, struct instance **ret,
			    struct err *e);
/* As it stood on record, for the time of starting the daemon. */
MUST_CHECK int instance_restore(struct instances *t, const struct instance *from,
				struct instance **ret, struct err *e);
/* Out of the table and freed; who waits is told that it is gone. Not one that is live. */
void instance_free(struct instances *t, struct instance *i);

/* A name, an id, or a prefix of an id that only one has. */
MUST_CHECK int instance_find(struct instances *t, const char *tenant, const char *ref,
			     struct instance **ret, struct err *e);
struct instance *instance_named(struct instances *t, const char *tenant, const char *name);
struct instance *instance_first(struct instances *t);
size_t instances_count(const struct instances *t);
size_t instances_live(const struct instances *t);

/* Something of what is told of it is another now: each place that changes more
 * than its state says so. */
void instance_changed(struct instance *i);
/* The one place that changes a state; watches fire from here. */
void instance_enter(struct instances *t, struct instance *i, enum inst_state next,
		    const struct err *e);
/* Tells those who wait for @s without a change of state. */
void instance_tell(struct instance *i, enum inst_state s, const struct err *e);
bool instance_may(enum inst_state from, enum inst_state to);
const char *inst_state_text(enum inst_state s);
enum inst_state inst_state_of(const char *text); /* INST_EXITED for strangers */

/* @entered is told of every change of state, before those who wait for it. */
void instances_tell(struct instances *t,
		    void (*entered)(void *arg, const struct instance *i, enum inst_state was),
		    void *arg);

void instance_watch(struct instance *i, struct watch *w);
void watch_drop(struct watch *w);
/* Counts a denial; tells those who follow. Strings are copied. */
void instance_denied(struct instance *i, const struct denial *d);

/* Tells those who follow of output that went to its log. */
void instance_output(struct instance *i, uint32_t stream, const void *bytes, size_t len);
/* Somebody who follows does not keep up. */
bool instance_held(const struct instance *i);

void spec_done(struct spec *s);
struct outcome *outcome_free(struct outcome *o);

#endif
