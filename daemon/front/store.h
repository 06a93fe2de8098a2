/*
 * What must survive: modules, their names, policies by digest, instances.
 * One SQLite file (WAL, synchronous=FULL), ours alone while it is open; the
 * tenant stands in every key.
 * Knows columns and text; not JSON, not HTTP, not what a state means.
 */
#ifndef FRONT_STORE_H
#define FRONT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/front/text.h"
#include "wasmd/cleanup.h"
#include "wasmd/err.h"
#include "wasmd/limits.h"

#define STORE_SCHEMA 1

struct store;

/* Opens or makes @path and brings it to STORE_SCHEMA. A newer schema is refused. */
MUST_CHECK int store_open(const char *path, struct store **ret, struct err *e);
struct store *store_close(struct store *s);

/* Several changes as one. */
MUST_CHECK int store_begin(struct store *s, struct err *e);
MUST_CHECK int store_commit(struct store *s, struct err *e);

struct store_module {
	uint8_t digest[DIGEST_BYTES];
	int64_t size, created, functions, imports, exports, memory_pages, memory_max_pages;
	bool command;
};

MUST_CHECK int store_module_put(struct store *s, const char *tenant, const struct store_module *m,
				struct err *e);
/* ERR_NOTFOUND without a sentence of its own: the caller knows what was asked. */
MUST_CHECK int store_module_get(struct store *s, const char *tenant, const uint8_t *digest,
				struct store_module *ret, struct err *e);
MUST_CHECK int store_module_drop(struct store *s, const char *tenant, const uint8_t *digest,
				 struct err *e);
/* true when any tenant still has it. */
bool store_module_wanted(struct store *s, const uint8_t *digest);
MUST_CHECK int store_module_each(struct store *s, const char *tenant,
				 int (*row)(void *arg, const struct store_module *m), void *arg,
				 struct err *e);
/* The digest whose hex begins with @prefix: 1, 0 when none, 2 when several. */
int store_module_prefix(struct store *s, const char *tenant, const char *prefix,
			uint8_t ret[DIGEST_BYTES]);
int64_t store_module_count(struct store *s, const char *tenant);

MUST_CHECK int store_name_put(struct store *s, const char *tenant, const char *name,
			      const uint8_t *digest, struct err *e);
bool store_name_get(struct store *s, const char *tenant, const char *name,
		    uint8_t ret[DIGEST_BYTES]);
MUST_CHECK int store_name_each(struct store *s, const char *tenant, const uint8_t *digest,
			       int (*row)(void *arg, const char *name), void *arg, struct err *e);

MUST_CHECK int store_policy_put(struct store *s, const char *tenant, const uint8_t *digest,
				const char *text, struct err *e);
/* malloc'ed text, or NULL. */
char *store_policy_get(struct store *s, const char *tenant, const uint8_t *digest);

/* An instance: keys as columns, the rest as two texts that this room does not read. */
struct store_instance {
	const char *tenant, *id, *name; /* name "" when it has none */
	const char *state, *spec, *outcome;
	int64_t created;
};

MUST_CHECK int store_instance_put(struct store *s, const struct store_instance *i, struct err *e);
MUST_CHECK int store_instance_drop(struct store *s, const char *tenant, const char *id,
				   struct err *e);
MUST_CHECK int store_instance_each(struct store *s,
				   int (*row)(void *arg, const struct store_instance *i), void *arg,
				   struct err *e);

#endif
