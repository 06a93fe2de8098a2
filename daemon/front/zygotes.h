/*
 * Warm zygotes by tenant and module digest: spawned through priv, listened
 * to, retired. Knows nothing of what an instance is but its list of lives.
 */
#ifndef FRONT_ZYGOTES_H
#define FRONT_ZYGOTES_H

#include "daemon/front/front.h"
#include "daemon/front/text.h"

struct live;

struct zygote {
	struct zygote *next;
	struct front *front;
	char tenant[LIM_NAME];
	uint8_t digest[DIGEST_BYTES];
	struct priv_call *call; /* while priv spawns it */
	struct channel *channel;
	int doorbell; /* eventfd that its workers ring */
	sd_event_source *bell, *deadline;
	sd_event_source *more; /* rings that were not emptied in their turn */
	int64_t pid;
	bool ready;
	bool retiring;	    /* takes nothing new; ends with its last instance */
	bool found;	    /* made by an earlier front, and has not told all yet */
	bool outdated;	    /* of another program than priv would start now */
	uint32_t untold;    /* zyg_kept to come */
	uint32_t strangers; /* told of, and not taken over: their ends come all the same */
	struct msg_zyg_ready info;
	struct zyg_wait *waits;
	struct live *lives; /* linked by live.next_of_zygote */
	size_t n_lives, n_waits;
	uint64_t used_ns; /* when it last began or ended something */
};

/* Waits for a zygote to be ready. Embedded in whatever waits. */
struct zyg_wait {
	struct zyg_wait *next;
	struct zygote *on; /* NULL: not waiting */
	/* @e is NULL when @z is ready. The wait is over before this is called. */
	void (*done)(struct zyg_wait *w, struct zygote *z, const struct err *e);
};

/* What loading modules has cost a tenant since the daemon began. */
struct loading {
	uint64_t loads, refused, cpu_ns;
	size_t now; /* being loaded at this moment */
};

struct loading zygotes_loading(const struct front *f, const char *tenant);

MUST_CHECK int zygotes_new(struct front *f, struct err *e);
struct zygotes *zygotes_free(struct zygotes *t);

/* *ret is a ready zygote, or NULL and @w->done will be called. @module is a
 * sealed memfd (borrowed), or -1: taken from the module store. */
MUST_CHECK int zygote_get(struct front *f, const struct who *who, const uint8_t *digest, int module,
			  struct zyg_wait *w, struct zygote **ret, struct err *e);
void zyg_wait_drop(struct zyg_wait *w);

MUST_CHECK int zygote_send(struct zygote *z, enum ipc_type type, const void *body, size_t len,
			   const int *fds, size_t n_fds);

/* The one of this @pid need not keep the end of instance @seq any longer. */
void zygotes_forget(struct front *f, int64_t pid, uint64_t seq);

/* One that outlived the last front: it is asked what it keeps. Takes @fd. */
void zygote_found(struct front *f, const struct msg_priv_found *m, int fd);
/* All that were found have told; those that did not in time are ended. */
bool zygotes_told(const struct zygotes *t);
/* The front ends, they don't. */
void zygotes_leave(struct zygotes *t);

/* Drains the rings of all its instances, from the loop. */
void zygote_look(struct zygote *z);
/* Bookkeeping of instances. Detaching the last of a retiring one frees it. */
void zygote_attach(struct zygote *z, struct live *l);
void zygote_detach(struct zygote *z, struct live *l);
/* An instance of it died as no healthy one does: siblings share its layout. */
void zygote_retire(struct zygote *z);
/* The module is going: its idle zygotes of this tenant end. */
void zygotes_drop_module(struct front *f, const char *tenant, const uint8_t *digest);

#endif
