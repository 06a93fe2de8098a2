/*
 * Any bytes as what a worker left in its slot: rings with their heads, records
 * and the report. They are drained as at an instance's end; a lie breaks the
 * instance, never the front.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/front/audit.h"
#include "daemon/front/live.h"

#define HEAD_BYTES 16u /* how far each writer says it is */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

void front_log(const char *fmt, ...)
{
}

static const char policy_text[] =
	"{\"rules\":[{\"id\":\"one\",\"on\":\"path_open\",\"then\":\"deny\"}]}";

struct world {
	struct front front;
	struct instance inst;
	struct policy_ref policy;
	struct config_tenant tenant;
};

/* Made once: the same daemon meets every worker. */
static struct world *world(void)
{
	static struct world w;
	struct err e = { 0 };

	if (w.front.audit != NULL)
		return &w;
	(void)snprintf(w.inst.tenant, sizeof(w.inst.tenant), "alice");
	if (audit_open("/dev/null", &w.front.audit, &e) < 0 ||
	    policy_parse(policy_text, strlen(policy_text), &w.policy.doc, &e) < 0)
		abort();
	return &w;
}

/* The first half of what is left goes to the audit ring, the rest to the other. */
static void fill(struct slot *s, const uint8_t *data, size_t len)
{
	uint64_t heads[2];
	size_t half = (len - HEAD_BYTES) / 2;
	size_t rest = len - HEAD_BYTES - half;

	memcpy(heads, data, sizeof(heads));
	data += HEAD_BYTES;
	memcpy(s->audit.data, data, half < LIM_AUDIT_RING ? half : LIM_AUDIT_RING);
	memcpy(s->output.data, data + half, rest < LIM_OUTPUT_RING ? rest : LIM_OUTPUT_RING);
	memcpy(&slot_ctl(s->map)->report, data, half < sizeof(struct slot_report) ? half : 8);
	atomic_store(&s->audit.h->head, heads[0]);
	atomic_store(&s->output.h->head, heads[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world *w = world();
	struct live l = { .front = &w->front, .inst = &w->inst, .policy = &w->policy };
	struct slot_report r;
	struct err e = { 0 };

	if (len < HEAD_BYTES + 8 || slot_make(&l.slot, &e) < 0)
		return 0;
	w->inst.out = calloc(1, sizeof(*w->inst.out));
	if (w->inst.out == NULL || gather_new(&l.gather, &e) < 0)
		abort();
	fill(&l.slot, data, len);
	(void)live_drain(&l, true);
	slot_report(&l.slot, &r);
	if (strlen(r.message) >= sizeof(r.message))
		abort();
	audit_settle(w->front.audit, &l, true);
	(void)gather_free(l.gather);
	free(l.repeat);
	w->inst.out = outcome_free(w->inst.out);
	slot_done(&l.slot);
	return 0;
}
