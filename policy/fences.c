/*
 * Which fences hold a part of a policy: those that would be others without
 * it. The policy is lowered twice, as it is and without the part, and the two
 * images are compared section by section, so that what is told is what the
 * lowering did, and nothing else.
 */
#include <inttypes.h>

#include "policy/image.h"
#include "policy/lower.h"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

#define MOST_LISTED 8u /* operations named in one line */

struct image {
	uint8_t *at;
	size_t len;
	struct image_head head;
};

struct fences {
	const struct policy *p;
	const char *const *base;
	struct image whole;
	policy_held_fn *fn;
	void *arg;
	struct err *e;
};

/* ---- comparing images ---------------------------------------------------------- */

static bool same_bytes(const struct image *a, struct image_part x, const struct image *b,
		       struct image_part y)
{
	return x.len == y.len && memcmp(a->at + x.at, b->at + y.at, x.len) == 0;
}

static size_t n_parts(struct image_part list)
{
	return list.len / sizeof(struct image_part);
}

/* Do the lists of globs at @x and @y say the same? */
static bool same_globs(const struct image *a, struct image_part x, const struct image *b,
		       struct image_part y)
{
	for (size_t i = 0; x.len == y.len && i < n_parts(x); i++) {
		struct image_part g, h;

		memcpy(&g, a->at + x.at + i * sizeof(g), sizeof(g));
		memcpy(&h, b->at + y.at + i * sizeof(h), sizeof(h));
		if (!same_bytes(a, g, b, h))
			return false;
	}
	return x.len == y.len;
}

static unsigned compare_mount(const struct image *a, const struct image *b, size_t i)
{
	struct image_mount x, y;
	unsigned held = 0;

	memcpy(&x, a->at + a->head.mounts.at + i * sizeof(x), sizeof(x));
	memcpy(&y, b->at + b->head.mounts.at + i * sizeof(y), sizeof(y));
	held |= x.write != y.write ? POLICY_HELD_MOUNTS : 0;
	held |= x.landlock != y.landlock ? POLICY_HELD_LANDLOCK : 0;
	return held | (same_globs(a, x.only, b, y.only) ? 0 : POLICY_HELD_WORKER);
}

static unsigned compare_mounts(const struct image *a, const struct image *b)
{
	unsigned held = 0;

	if (a->head.mounts.len != b->head.mounts.len)
		return POLICY_HELD_MOUNTS | POLICY_HELD_LANDLOCK;
	for (size_t i = 0; i < a->head.mounts.len / sizeof(struct image_mount); i++)
		held |= compare_mount(a, b, i);
	return held;
}

/* Limits that an rlimit of the worker repeats. */
static unsigned compare_limits(const struct policy_limits *a, const struct policy_limits *b)
{
	unsigned held = memcmp(a, b, sizeof(*a)) != 0 ? POLICY_HELD_WORKER : 0;

#define RLIMIT(field, resource) held |= a->field != b->field ? POLICY_HELD_RLIMITS : 0;
	POLICY_RLIMITS(RLIMIT)
#undef RLIMIT
	return held;
}

static unsigned compare(const struct image *a, const struct image *b)
{
	unsigned held = compare_mounts(a, b) | compare_limits(&a->head.limits, &b->head.limits);

	if (!same_bytes(a, a->head.prog, b, b->head.prog) ||
	    !same_globs(a, a->head.globs, b, b->head.globs))
		held |= POLICY_HELD_GATE;
	if (!same_bytes(a, a->head.filter, b, b->head.filter))
		held |= POLICY_HELD_SECCOMP;
	if (a->head.flags != b->head.flags || a->head.clock_resolution != b->head.clock_resolution)
		held |= POLICY_HELD_WORKER;
	return held;
}

/* ---- one part of a policy --------------------------------------------------------- */

static int lower(const struct fences *f, const struct policy *p, struct image *ret)
{
	void *at;

	if (policy_compile(p, f->base, &at, &ret->len, f->e) < 0)
		return f->e->code;
	ret->at = at;
	memcpy(&ret->head, at, sizeof(ret->head));
	return 0;
}

/* Names of those of @ops that make system calls: a few, then a count. */
static void list_ops(const char *before, uint64_t ops, char *buf, size_t size)
{
	static const struct {
		const char *name, *syscalls;
	} rows[] = {
#define GATE(name, sets, syscalls) { #name, syscalls },
		WASMD_GATE_OPS(GATE)
#undef GATE
	};
	size_t n = strlen(buf), listed = 0, more = 0;

	for (unsigned op = 0; op < GATE_OP_COUNT; op++) {
		if ((ops >> op & 1) == 0 || rows[op].syscalls[0] == '\0')
			continue;
		if (listed == MOST_LISTED) {
			more++;
			continue;
		}
		n += (size_t)snprintf(buf + n, size - n, "%s%s%s",
				      listed > 0 ? ", "
				      : n > 0	 ? "; "
						 : "",
				      listed == 0 ? before : "", rows[op].name);
		listed++;
	}
	if (more > 0)
		(void)snprintf(buf + n, size - n, " and %zu more", more);
}

/* Tells of @h by what changes when the policy is @without it. */
static int tell(const struct fences *f, const struct policy *without, struct policy_held *h)
{
	struct image other = { 0 };

	if (lower(f, without, &other) < 0)
		return f->e->code;
	h->by = compare(&f->whole, &other);
	if (h->by & POLICY_HELD_SECCOMP) {
		list_ops("refused whole: ", f->whole.head.refused & ~other.head.refused, h->why,
			 sizeof(h->why));
		list_ops("let through: ", other.head.refused & ~f->whole.head.refused, h->why,
			 sizeof(h->why));
	}
	free(other.at);
	f->fn(f->arg, h);
	return 0;
}

/* ---- rules ------------------------------------------------------------------------- */

/* The rule stays in its place, and is about nothing. */
static void silence(struct policy_rule *r)
{
	r->ops = 0;
	r->sets = 0;
	r->then = POLICY_ALLOW;
	r->audit = false;
}

static int tell_rule(const struct fences *f, struct policy *without, size_t i)
{
	const struct policy_rule *r = &f->p->rules[i];
	struct policy_held h = { .line = r->line };

	(void)snprintf(h.what, sizeof(h.what), "rule %s", r->id);
	silence(&without->rules[i]);
	if (r->audit || r->complain || (f->p->complain && r->then != POLICY_ALLOW))
		(void)snprintf(h.why, sizeof(h.why), "only records");
	(void)tell(f, without, &h);
	without->rules[i] = *r;
	return f->e->code;
}

static int tell_rules(const struct fences *f)
{
	struct policy without = *f->p;
	size_t n = f->p->n_rules;

	without.rules = mem_new(n, sizeof(*without.rules));
	if (without.rules == NULL)
		return err_nomem(f->e);
	if (n > 0)
		memcpy(without.rules, f->p->rules, n * sizeof(*without.rules));
	for (size_t i = 0; f->e->code == 0 && i < n; i++)
		(void)tell_rule(f, &without, i);
	free(without.rules);
	return f->e->code;
}

static int tell_default(const struct fences *f)
{
	struct policy without = *f->p;
	struct policy_held h = { .what = "default: deny", .line = f->p->default_line };

	without.default_deny = false;
	return f->p->default_deny ? tell(f, &without, &h) : 0;
}

/* ---- grants ------------------------------------------------------------------------- */

static int tell_mount(const struct fences *f, struct policy *without, size_t i)
{
	const struct policy_mount *m = &f->p->mounts[i];
	struct policy_held h = { .line = m->line };
	size_t after = f->p->n_mounts - i - 1;

	(void)snprintf(h.what, sizeof(h.what), "mount %.100s", m->guest);
	memmove(&without->mounts[i], &without->mounts[i + 1], after * sizeof(*m));
	without->n_mounts--;
	(void)tell(f, without, &h);
	without->n_mounts++;
	memcpy(&without->mounts[i], m, (after + 1) * sizeof(*m));
	if (f->e->code == 0 && !m->write) {
		(void)snprintf(h.what, sizeof(h.what), "mount %.100s: ro", m->guest);
		without->mounts[i].write = true;
		(void)tell(f, without, &h);
	}
	if (f->e->code == 0 && m->n_only > 0) {
		(void)snprintf(h.what, sizeof(h.what), "mount %.100s: only", m->guest);
		without->mounts[i] = *m;
		without->mounts[i].n_only = 0;
		(void)tell(f, without, &h);
	}
	without->mounts[i] = *m;
	return f->e->code;
}

static int tell_mounts(const struct fences *f)
{
	struct policy_mount mounts[LIM_PREOPENS + 1] = { 0 };
	struct policy without = *f->p;

	without.mounts = mounts;
	if (without.n_mounts > 0)
		memcpy(mounts, f->p->mounts, without.n_mounts * sizeof(*mounts));
	for (size_t i = 0; f->e->code == 0 && i < f->p->n_mounts; i++)
		(void)tell_mount(f, &without, i);
	return f->e->code;
}

static int tell_limits(const struct fences *f)
{
	static const struct {
		const char *name;
		size_t at;
	} limits[] = {
#define LIMIT(name, field) { "limits." name, offsetof(struct policy_limits, field) },
		LIMIT("memory", memory) LIMIT("fuel", fuel) LIMIT("cpu", cpu_ns)
			LIMIT("wall", wall_ns) LIMIT("stack", stack) LIMIT("fds", fds)
				LIMIT("output", output) LIMIT("disk", disk)
					LIMIT("host_calls", host_calls)
#undef LIMIT
	};

	for (size_t i = 0; f->e->code == 0 && i < ARRAY_LEN(limits); i++) {
		struct policy without = *f->p;
		struct policy_held h = { 0 };
		uint64_t *field = (uint64_t *)(void *)((char *)&without.limits + limits[i].at);

		(void)snprintf(h.what, sizeof(h.what), "%s", limits[i].name);
		if (*field == 0 || *field == UINT64_MAX)
			continue;
		*field = 0;
		(void)tell(f, &without, &h);
	}
	return f->e->code;
}

static int tell_rest(const struct fences *f)
{
	struct policy without = *f->p;
	struct policy_held clock = { .what = "clock.resolution" }, random = { .what = "no random" };

	without.clock_resolution = 0;
	if (f->p->clock_resolution != 0 && tell(f, &without, &clock) < 0)
		return f->e->code;
	without = *f->p;
	without.random = true;
	return f->p->random ? 0 : tell(f, &without, &random);
}

int policy_fences(const struct policy *p, const char *const *base, policy_held_fn *fn, void *arg,
		  struct err *e)
{
	struct fences f = { .p = p, .base = base, .fn = fn, .arg = arg, .e = e };

	if (lower(&f, p, &f.whole) == 0 && tell_mounts(&f) == 0 && tell_limits(&f) == 0 &&
	    tell_rest(&f) == 0 && tell_rules(&f) == 0)
		(void)tell_default(&f);
	free(f.whole.at);
	return e->code;
}
