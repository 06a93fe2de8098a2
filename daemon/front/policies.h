/*
 * Policies parsed and lowered, once per digest and tenant: the document for
 * explaining, the image as a sealed memfd for workers, the text in the store.
 */
#ifndef FRONT_POLICIES_H
#define FRONT_POLICIES_H

#include "daemon/front/front.h"
#include "daemon/front/text.h"
#include "wasmd/policy.h"

struct policy_ref {
	unsigned refs;
	struct policy_ref *next;
	char tenant[LIM_NAME];
	uint8_t digest[DIGEST_BYTES];
	struct policy *doc;
	int image; /* sealed memfd */
	bool stored;
};

MUST_CHECK int policies_new(struct policies **ret, struct err *e);
struct policies *policies_free(struct policies *p);

/* @text NULL: the built-in minimal policy. +1 on *ret. */
MUST_CHECK int policies_get(struct front *f, const char *tenant, const char *text,
			    struct policy_ref **ret, struct err *e);
/* The one whose text the store keeps. */
MUST_CHECK int policies_find(struct front *f, const char *tenant, const uint8_t *digest,
			     struct policy_ref **ret, struct err *e);
/* Makes the text durable. */
MUST_CHECK int policies_keep(struct front *f, struct policy_ref *r, const char *text,
			     struct err *e);
struct policy_ref *policy_ref_drop(struct policy_ref *r);

#endif
