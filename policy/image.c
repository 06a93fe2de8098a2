/*
 * Writes images: lowers the policy to every fence and packs the results.
 */
#include "policy/image.h"

#include "policy/glob.h"
#include "policy/lower.h"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

struct writer {
	VEC(uint8_t) out;
	struct image_head head;
	struct err *e;
};

/* Appends @n bytes, aligned to 8; where they went. Failure latches. */
static struct image_part put(struct writer *w, const void *p, size_t n)
{
	size_t at = (w->out.len + 7) & ~(size_t)7;

	if (w->e->code != 0)
		return (struct image_part){ 0, 0 };
	if (n > LIM_POLICY_IMAGE || at + n > LIM_POLICY_IMAGE) {
		(void)err_set(w->e, ERR_LIMIT, "the compiled policy exceeds %u bytes",
			      LIM_POLICY_IMAGE);
		return (struct image_part){ 0, 0 };
	}
	if (!vec_room(&w->out.at, &w->out.cap, at + n, 1)) {
		(void)err_nomem(w->e);
		return (struct image_part){ 0, 0 };
	}
	memset(w->out.at + w->out.len, 0, at - w->out.len);
	if (n > 0)
		memcpy(w->out.at + at, p, n);
	w->out.len = at + n;
	return (struct image_part){ (uint32_t)at, (uint32_t)n };
}

static void put_glob(struct writer *w, const char *text, struct image_part *ret)
{
	CLEANUP(free_p) void *bytes = NULL;
	size_t len;

	if (w->e->code == 0 && glob_compile(text, &bytes, &len, w->e) == 0)
		*ret = put(w, bytes, len);
}

/* In the order of the rules that have one: lower_gate() numbers them so. */
static void put_globs(struct writer *w, const struct policy *p)
{
	CLEANUP(free_p) struct image_part *parts = mem_new(p->n_rules, sizeof(*parts));
	size_t n = 0;

	if (parts == NULL) {
		(void)err_nomem(w->e);
		return;
	}
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].path != NULL)
			put_glob(w, p->rules[i].path, &parts[n++]);
	w->head.globs = put(w, parts, n * sizeof(*parts));
}

static struct image_part put_only(struct writer *w, const struct policy_mount *m)
{
	struct image_part parts[LIM_POLICY_ONLY] = { 0 };

	for (size_t i = 0; i < m->n_only && i < LIM_POLICY_ONLY; i++)
		put_glob(w, m->only[i], &parts[i]);
	return m->n_only > 0 ? put(w, parts, m->n_only * sizeof(parts[0]))
			     : (struct image_part){ 0, 0 };
}

static void put_mounts(struct writer *w, const struct policy *p)
{
	struct image_mount mounts[LIM_PREOPENS] = { 0 };

	if (p->n_mounts > LIM_PREOPENS) {
		(void)err_set(w->e, ERR_LIMIT, "%zu mounts, at most %u", p->n_mounts, LIM_PREOPENS);
		return;
	}
	for (size_t i = 0; i < p->n_mounts; i++) {
		const struct policy_mount *m = &p->mounts[i];

		mounts[i] = (struct image_mount){
			.landlock = landlock_mount(m->write),
			.guest = put(w, m->guest, strlen(m->guest) + 1),
			.only = put_only(w, m),
			.write = m->write,
			.tmpfs = m->host == NULL,
		};
	}
	w->head.mounts = put(w, mounts, p->n_mounts * sizeof(mounts[0]));
}

static void put_gate(struct writer *w, const struct policy *p)
{
	struct gate_lowered g = { 0 };

	if (w->e->code == 0 && lower_gate(p, &g, w->e) == 0) {
		w->head.prog = put(w, g.code.at, g.code.len * sizeof(g.code.at[0]));
		w->head.refused = g.refused;
		w->head.flags |= g.paths ? IMAGE_PATHS : 0;
	}
	gate_lowered_done(&g);
}

static void put_filter(struct writer *w, const char *const *base)
{
	struct seccomp_lowered s = { 0 };

	if (w->e->code == 0 && lower_seccomp(w->head.refused, base, &s, w->e) == 0)
		w->head.filter = put(w, s.at, s.n * sizeof(s.at[0]));
	free(s.at);
}

static void put_grants(struct writer *w, const struct policy *p)
{
	w->head.flags |= p->random ? IMAGE_RANDOM : 0;
	w->head.require = p->require;
	w->head.n_rules = (uint32_t)p->n_rules;
	w->head.landlock_handled = landlock_handled();
	w->head.clock_resolution = p->clock_resolution;
	w->head.limits = p->limits;
}

int policy_compile(const struct policy *p, const char *const *base, void **ret, size_t *ret_len,
		   struct err *e)
{
	struct writer w = { .head = { .magic = IMAGE_MAGIC, .version = IMAGE_VERSION }, .e = e };

	(void)put(&w, &w.head, sizeof(w.head));
	put_grants(&w, p);
	put_gate(&w, p);
	put_filter(&w, base);
	put_globs(&w, p);
	put_mounts(&w, p);
	if (e->code != 0) {
		VEC_DONE(&w.out);
		return e->code;
	}
	w.head.len = (uint32_t)w.out.len;
	memcpy(w.out.at, &w.head, sizeof(w.head));
	*ret = w.out.at;
	*ret_len = w.out.len;
	return 0;
}
