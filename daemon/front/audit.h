/*
 * The audit: append-only JSON lines. Who is concerned comes from our own
 * tables; what happened comes from a ring and is judged before it is written.
 */
#ifndef FRONT_AUDIT_H
#define FRONT_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

#define AUDIT_SCHEMA 1

struct audit;
struct instance;
struct live;

/* Opens or makes the file and goes on after its last sequence number. */
MUST_CHECK int audit_open(const char *path, struct audit **ret, struct err *e);
struct audit *audit_close(struct audit *a);

/* One record of a worker's ring, struct slot_audit and its paths; denials are
 * counted on the instance. Negative: no worker writes this. */
MUST_CHECK int audit_call(struct audit *a, struct live *l, const uint8_t *body, size_t len);
/* Identical calls within a second are one line and, later, one that counts the
 * rest: when that second is over, or at once with @last. */
void audit_settle(struct audit *a, struct live *l, bool last);
/* Something that happened to an instance: @source is "daemon" or "kernel". */
void audit_event(struct audit *a, const struct instance *i, const char *source, const char *what);
/* The worker's count of records that its ring had no room for; 0 writes nothing. */
void audit_lost(struct audit *a, const struct instance *i, uint64_t lost);
/* Lines are gathered and written together. */
void audit_flush(struct audit *a);

#endif
