/* Policies parsed and lowered: see policies.h. */
#include "daemon/front/policies.h"

#include <string.h>

#include "daemon/front/store.h"
#include "daemon/roles.h"
#include "daemon/task.h"

#define TMPFS_MAX     (1ull << 40) /* its size travels as 32 bits of KiB */
#define POLICIES_KEPT 128	   /* compiled ones in the cache; the oldest unused leaves */

struct policies {
	uint8_t minimal[DIGEST_BYTES];
	struct policy_ref *first; /* most recent first; each holds one reference */
	size_t n;
};

static struct policy_ref *ref_free(struct policy_ref *r)
{
	(void)policy_free(r->doc);
	fd_clear(&r->image);
	free(r);
	return NULL;
}

struct policy_ref *policy_ref_drop(struct policy_ref *r)
{
	if (r != NULL && --r->refs == 0)
		(void)ref_free(r);
	return NULL;
}

int policies_new(struct policies **ret, struct err *e)
{
	const char *text = policy_minimal();

	*ret = calloc(1, sizeof(**ret));
	if (*ret == NULL || digest_of(text, strlen(text), (*ret)->minimal) < 0)
		return err_nomem(e);
	return 0;
}

struct policies *policies_free(struct policies *p)
{
	while (p != NULL && p->first != NULL) {
		struct policy_ref *r = p->first;

		p->first = r->next;
		(void)policy_ref_drop(r);
	}
	free(p);
	return NULL;
}

/* The cached one, moved to the front, or NULL. */
static struct policy_ref *cached(struct policies *p, const char *tenant, const uint8_t *digest)
{
	for (struct policy_ref **at = &p->first; *at != NULL; at = &(*at)->next) {
		struct policy_ref *r = *at;

		if (memcmp(r->digest, digest, DIGEST_BYTES) != 0 || strcmp(r->tenant, tenant) != 0)
			continue;
		*at = r->next;
		r->next = p->first;
		p->first = r;
		return r;
	}
	return NULL;
}

/* Drops the last one that nobody but the cache holds. */
static void trim(struct policies *p)
{
	struct policy_ref **victim = NULL;

	if (p->n <= POLICIES_KEPT)
		return;
	for (struct policy_ref **at = &p->first->next; *at != NULL; at = &(*at)->next)
		if ((*at)->refs == 1)
			victim = at;
	if (victim != NULL) {
		struct policy_ref *r = *victim;

		*victim = r->next;
		p->n--;
		(void)policy_ref_drop(r);
	}
}

static int check_counts(const struct policy *p, struct err *e)
{
	if (p->n_mounts > LIM_PREOPENS)
		return err_set(e, ERR_LIMIT, "%zu mounts, at most %u", p->n_mounts, LIM_PREOPENS);
	for (size_t i = 0; i < p->n_mounts; i++)
		if (p->mounts[i].host == NULL && p->mounts[i].tmpfs > TMPFS_MAX)
			return err_set(e, ERR_LIMIT, "line %u: a tmpfs has at most 1 TiB",
				       p->mounts[i].line);
	return 0;
}

static int lower(struct policy_ref *r, const char *text, struct err *e)
{
	CLEANUP(free_p) void *image = NULL;
	size_t len = 0;

	if (policy_parse(text, strlen(text), &r->doc, e) < 0 || check_counts(r->doc, e) < 0 ||
	    policy_compile(r->doc, roles_syscalls(ROLE_WORKER), &image, &len, e) < 0)
		return e->code;
	if (sealed_memfd("wasmd-policy", image, len, &r->image) < 0)
		return err_nomem(e);
	return 0;
}

static int compile(struct policies *p, const char *tenant, const uint8_t *digest, const char *text,
		   struct policy_ref **ret, struct err *e)
{
	struct policy_ref *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_nomem(e);
	r->image = -1;
	r->refs = 1;
	(void)snprintf(r->tenant, sizeof(r->tenant), "%s", tenant);
	memcpy(r->digest, digest, DIGEST_BYTES);
	if (lower(r, text, e) < 0) {
		(void)ref_free(r);
		return e->code;
	}
	r->next = p->first;
	p->first = r;
	p->n++;
	trim(p);
	*ret = r;
	return 0;
}

int policies_get(struct front *f, const char *tenant, const char *text, struct policy_ref **ret,
		 struct err *e)
{
	uint8_t digest[DIGEST_BYTES];
	struct policy_ref *r;

	if (text == NULL)
		memcpy(digest, f->policies->minimal, sizeof(digest));
	else if (strlen(text) > LIM_POLICY_BYTES)
		return err_set(e, ERR_LIMIT, "the policy has %zu bytes, at most %u", strlen(text),
			       LIM_POLICY_BYTES);
	else if (digest_of(text, strlen(text), digest) < 0)
		return err_nomem(e);
	if (text == NULL)
		text = policy_minimal();
	r = cached(f->policies, tenant, digest);
	if (r == NULL && compile(f->policies, tenant, digest, text, &r, e) < 0)
		return e->code;
	r->refs++;
	*ret = r;
	return 0;
}

int policies_find(struct front *f, const char *tenant, const uint8_t *digest,
		  struct policy_ref **ret, struct err *e)
{
	struct policy_ref *r = cached(f->policies, tenant, digest);
	CLEANUP(free_p) char *text = NULL;

	if (r == NULL) {
		text = store_policy_get(f->store, tenant, digest);
		if (text == NULL)
			return err_set(e, ERR_IO,
				       "the policy of this instance is not in the store");
		if (compile(f->policies, tenant, digest, text, &r, e) < 0)
			return e->code;
		r->stored = true;
	}
	r->refs++;
	*ret = r;
	return 0;
}

int policies_keep(struct front *f, struct policy_ref *r, const char *text, struct err *e)
{
	if (text == NULL)
		text = policy_minimal();
	if (!r->stored && store_policy_put(f->store, r->tenant, r->digest, text, e) < 0)
		return e->code;
	r->stored = true;
	return 0;
}
