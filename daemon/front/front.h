/*
 * What the rooms of the front share: one struct handed down, no globals.
 * Every pointer here is owned by main.c and lives as long as the loop.
 */
#ifndef FRONT_FRONT_H
#define FRONT_FRONT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/config.h"
#include "daemon/ipc.h"
#include "wasmd/err.h"

struct store;
struct audit;
struct events;
struct policies;
struct zygotes;
struct instances;
struct privchan;

struct front {
	sd_event *loop;
	const char *state; /* the state directory */
	struct config *config;
	struct store *store;
	struct privchan *priv;
	struct policies *policies;
	struct zygotes *zygotes;
	struct instances *instances;
	struct audit *audit;
	struct events *events;
	struct msg_priv_fences fences;
	bool fences_known;
	sd_event_source *unsaved; /* record.c's: what a full disk did not take is tried again */
	bool ending;		  /* nothing new is begun */
	bool end_all;		  /* what runs shall not outlive us */
	uint64_t last_seq;	  /* of the numbers that instances have with zygotes */
};

/* Who asks: named by the kernel and the configuration, never by the request. */
struct who {
	const struct config_tenant *tenant;
	uid_t uid;
	int conn; /* the client's connection; borrowed. priv reads SO_PEERCRED from it */
};

/* One short sentence to stderr. Guest bytes are escaped by the caller. */
__attribute__((format(printf, 1, 2))) void front_log(const char *fmt, ...);

#endif
