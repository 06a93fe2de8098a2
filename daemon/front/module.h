/*
 * The module store: files by digest, received whole, checked by a locked
 * zygote before they are accepted. Knows bytes and digests; not wasm.
 */
#ifndef FRONT_MODULE_H
#define FRONT_MODULE_H

#include "daemon/front/front.h"
#include "daemon/front/store.h"
#include "daemon/front/zygotes.h"

struct upload;

/* @e NULL: accepted, on record and named. */
typedef void upload_fn(void *arg, const struct store_module *m, const struct err *e);

/* Makes the directories; removes what cut uploads left and files that no record
 * wants. Needs the store. */
MUST_CHECK int modules_prepare(struct front *f, struct err *e);

MUST_CHECK int upload_begin(struct front *f, struct upload **ret, struct err *e);
MUST_CHECK int upload_write(struct upload *u, const void *bytes, size_t len, struct err *e);
/* All is there: @done is called once, perhaps before this returns, unless an
 * error is returned. @name may be "". */
MUST_CHECK int upload_finish(struct upload *u, const struct who *who, const char *name,
			     upload_fn *done, void *arg, struct err *e);
/* Removes what is not accepted; forgets @done. NULL is fine. */
struct upload *upload_free(struct upload *u);

/* A name, a digest, or at least 6 digits of one. */
MUST_CHECK int module_find(struct front *f, const char *tenant, const char *ref,
			   struct store_module *ret, struct err *e);
/* The tenant's module and its names; the file when no other tenant has it. */
MUST_CHECK int module_remove(struct front *f, const char *tenant, const uint8_t *digest,
			     struct err *e);
/* A sealed memfd of it, verified against its digest. */
MUST_CHECK int module_open(struct front *f, const uint8_t *digest, int *ret_fd, struct err *e);

#endif
