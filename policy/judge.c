/*
 * The judge: an image, checked byte by byte and verified, then asked about
 * calls. Everything that is used afterwards is copied out first, except the
 * guest paths, which point into the image.
 */
#include "policy/glob.h"
#include "policy/image.h"
#include "policy/lower.h"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

#define MOST_FILTER 4096u /* BPF_MAXINSNS of the kernel */

struct globs {
	struct glob *at;
	size_t n;
};

struct policy_judge {
	struct image_head head;
	struct verified_prog *prog;
	struct globs globs, only[LIM_PREOPENS]; /* of the rules, of each mount */
	size_t n_mounts;
	struct sock_filter *filter;
	struct policy_image_mount mounts[LIM_PREOPENS];
	/* Operations whose verdict the program reaches by looking at nothing
	 * but the operation: asked once, at load. */
	uint64_t fixed;
	struct policy_verdict fixed_verdict[GATE_OP_COUNT];
};

struct load {
	const uint8_t *image;
	size_t len;
	struct policy_judge *j;
	struct err *e;
};

static const uint8_t no_globs[1]; /* a part of no bytes still has an address */

/* The bytes of @part, which must be whole elements of @size; NULL: they are not. */
static const void *part_of(const struct load *d, struct image_part part, size_t size)
{
	if (part.len == 0)
		return no_globs;
	if (part.at < sizeof(struct image_head) || part.at > d->len ||
	    part.len > d->len - part.at || part.len % size != 0)
		return NULL;
	return d->image + part.at;
}

static int bad(struct load *d, const char *why)
{
	return err_set(d->e, ERR_POLICY, "the policy image is damaged: %s", why);
}

static int load_head(struct load *d)
{
	struct image_head *h = &d->j->head;

	if (d->len < sizeof(*h))
		return bad(d, "it is cut short");
	memcpy(h, d->image, sizeof(*h));
	if (h->magic != IMAGE_MAGIC)
		return bad(d, "it does not begin with WASMDPOL");
	if (h->version != IMAGE_VERSION)
		return err_set(d->e, ERR_POLICY, "the policy image has version %u, expected %u",
			       h->version, IMAGE_VERSION);
	if (h->len != d->len || d->len > LIM_POLICY_IMAGE)
		return bad(d, "its length is not what it says");
	if ((h->flags & ~IMAGE_FLAGS) != 0 || h->pad != 0 || h->n_rules > LIM_POLICY_RULES)
		return bad(d, "a field of its head is out of range");
	return 0;
}

/* The globs that the elements of @list locate, at most @most of them. */
static int load_globs(struct load *d, struct image_part list, size_t most, struct globs *ret)
{
	size_t n = list.len / sizeof(struct image_part);
	const uint8_t *parts = part_of(d, list, sizeof(struct image_part));

	if (parts == NULL || n > most)
		return bad(d, "its globs lie outside it");
	ret->at = mem_new(n, sizeof(*ret->at));
	if (ret->at == NULL)
		return err_nomem(d->e);
	for (; ret->n < n; ret->n++) {
		struct glob *g = &ret->at[ret->n];
		struct image_part part;
		const void *bytes;

		memcpy(&part, parts + ret->n * sizeof(part), sizeof(part));
		bytes = part_of(d, part, 1);
		if (bytes == NULL || !glob_load(bytes, part.len, g))
			return bad(d, "one of its globs is malformed");
		if (glob_quicken(g, d->e) < 0)
			return d->e->code;
	}
	return 0;
}

static void globs_done(struct globs *g)
{
	for (size_t i = 0; i < g->n; i++)
		glob_done(&g->at[i]);
	free(g->at);
}

static int load_mount(struct load *d, const struct image_mount *m)
{
	const char *guest = part_of(d, m->guest, 1);
	struct globs *only = &d->j->only[d->j->n_mounts];

	if (guest == NULL || m->guest.len < 2 || m->guest.len > LIM_PATH_BYTES || guest[0] != '/' ||
	    strnlen(guest, m->guest.len) != m->guest.len - 1 || m->write > 1 || m->tmpfs > 1 ||
	    (m->landlock & ~landlock_mount(m->write)) != 0)
		return bad(d, "one of its mounts is malformed");
	d->j->mounts[d->j->n_mounts++] = (struct policy_image_mount){
		.guest = guest,
		.write = m->write,
		.tmpfs = m->tmpfs,
		.landlock = m->landlock,
	};
	return m->only.len == 0 ? 0 : load_globs(d, m->only, LIM_POLICY_ONLY, only);
}

static int load_mounts(struct load *d)
{
	size_t n = d->j->head.mounts.len / sizeof(struct image_mount);
	const uint8_t *at = part_of(d, d->j->head.mounts, sizeof(struct image_mount));

	if (at == NULL || n > LIM_PREOPENS)
		return bad(d, "its mounts lie outside it");
	for (size_t i = 0; i < n; i++) {
		struct image_mount m;

		memcpy(&m, at + i * sizeof(m), sizeof(m));
		if (load_mount(d, &m) < 0)
			return d->e->code;
	}
	return 0;
}

/* A copy of @part, aligned and out of the image's reach. */
static void *copy_of(struct load *d, struct image_part part, size_t size, const char *what)
{
	const void *from = part_of(d, part, size);
	void *to;

	if (from == NULL || part.len == 0) {
		(void)bad(d, what);
		return NULL;
	}
	to = mem_new(part.len, 1);
	if (to == NULL) {
		(void)err_nomem(d->e);
		return NULL;
	}
	memcpy(to, from, part.len);
	return to;
}

static int load_filter(struct load *d)
{
	struct image_part part = d->j->head.filter;

	if (part.len / sizeof(struct sock_filter) > MOST_FILTER)
		return bad(d, "its filter is too long");
	d->j->filter = copy_of(d, part, sizeof(struct sock_filter), "it has no filter");
	return d->j->filter != NULL ? 0 : d->e->code;
}

static int load_prog(struct load *d)
{
	struct image_part part = d->j->head.prog;
	struct prog_world world = prog_world_gate(d->j->globs.n);
	CLEANUP(free_p) struct insn *at = copy_of(d, part, sizeof(*at), "it has no program");

	if (at == NULL)
		return d->e->code;
	if (prog_verify(at, part.len / sizeof(*at), &world, 0, &d->j->prog, d->e) < 0)
		return err_prefix(d->e, "the gate's program");
	return 0;
}

/* ---- judging -------------------------------------------------------------------- */

static struct policy_verdict verdict_of(const struct policy_judge *j, uint64_t r0)
{
	uint32_t value = r0 & VERDICT_VALUE, rule = (uint32_t)(r0 >> 32);
	struct policy_verdict v = {
		.value = value < VERDICT_KILL && value <= 4095 ? -(int)value : GATE_KILL,
		.rule = rule < j->head.n_rules ? rule : POLICY_NO_RULE,
		.record = (r0 & VERDICT_RECORD) != 0,
	};

	v.complained = v.value == 0 && (r0 & VERDICT_COMPLAINED) != 0;
	return v;
}

/* A program that goes wrong at run time ends the instance. */
static const struct policy_verdict broken = {
	.value = GATE_KILL,
	.rule = POLICY_NO_RULE,
	.record = true,
};

/* Asks about each operation with nothing but its number in reach: where the
 * program reaches a verdict all the same, that verdict is always its answer. */
static void find_fixed(struct policy_judge *j)
{
	for (uint32_t op = 0; op < GATE_OP_COUNT; op++) {
		uint32_t only_op = op;
		struct run_env env = { .ctx = &only_op, .ctx_len = sizeof(only_op) };
		uint64_t r0;

		if (prog_run(j->prog, &env, &r0) != RUN_OK)
			continue;
		j->fixed |= UINT64_C(1) << op;
		j->fixed_verdict[op] = verdict_of(j, r0);
	}
}

static struct policy_verdict run_program(const struct policy_judge *j, const struct gate_req *req)
{
	const struct helper_env help = { .req = req, .globs = j->globs.at, .n_globs = j->globs.n };
	const struct run_env env = {
		.ctx = (void *)(uintptr_t)req, /* never written: ctx_write is not set */
		.ctx_len = sizeof(*req),
		.help = &help,
	};
	uint64_t r0;

	return prog_run(j->prog, &env, &r0) == RUN_OK ? verdict_of(j, r0) : broken;
}

struct policy_verdict policy_judge(const struct policy_judge *j, const struct gate_req *req)
{
	if (req->op >= GATE_OP_COUNT)
		return broken;
	return j->fixed >> req->op & 1 ? j->fixed_verdict[req->op] : run_program(j, req);
}

/* ---- the face --------------------------------------------------------------------- */

int policy_load(const void *image, size_t len, struct policy_judge **ret, struct err *e)
{
	struct load d = { .image = image, .len = len, .e = e };

	d.j = mem_new(1, sizeof(*d.j));
	if (d.j == NULL)
		return err_nomem(e);
	if (load_head(&d) < 0 ||
	    load_globs(&d, d.j->head.globs, LIM_POLICY_RULES, &d.j->globs) < 0 ||
	    load_mounts(&d) < 0 || load_filter(&d) < 0 || load_prog(&d) < 0) {
		(void)policy_judge_free(d.j);
		return e->code;
	}
	find_fixed(d.j);
	*ret = d.j;
	return 0;
}

struct policy_judge *policy_judge_free(struct policy_judge *j)
{
	if (j != NULL) {
		(void)prog_free(j->prog);
		globs_done(&j->globs);
		for (size_t i = 0; i < LIM_PREOPENS; i++)
			globs_done(&j->only[i]);
		free(j->filter);
		free(j);
	}
	return NULL;
}

const struct policy_limits *policy_judge_limits(const struct policy_judge *j)
{
	return &j->head.limits;
}

size_t policy_judge_n_mounts(const struct policy_judge *j)
{
	return j->n_mounts;
}

struct policy_image_mount policy_judge_mount(const struct policy_judge *j, size_t i)
{
	return i < j->n_mounts ? j->mounts[i] : (struct policy_image_mount){ 0 };
}

uint64_t policy_judge_landlock_handled(const struct policy_judge *j)
{
	return j->head.landlock_handled;
}

struct sock_fprog policy_judge_seccomp(const struct policy_judge *j)
{
	return (struct sock_fprog){
		.len = (unsigned short)(j->head.filter.len / sizeof(struct sock_filter)),
		.filter = j->filter,
	};
}

uint64_t policy_judge_clock_resolution(const struct policy_judge *j)
{
	return j->head.clock_resolution;
}

bool policy_judge_random(const struct policy_judge *j)
{
	return (j->head.flags & IMAGE_RANDOM) != 0;
}

uint32_t policy_judge_require(const struct policy_judge *j)
{
	return j->head.require;
}

uint64_t policy_judge_refused(const struct policy_judge *j)
{
	return j->head.refused;
}

bool policy_judge_paths(const struct policy_judge *j)
{
	return (j->head.flags & IMAGE_PATHS) != 0;
}

bool policy_judge_only(const struct policy_judge *j)
{
	for (size_t i = 0; i < j->n_mounts; i++)
		if (j->only[i].n > 0)
			return true;
	return false;
}

bool policy_judge_visible(const struct policy_judge *j, size_t i, const char *rel, size_t len,
			  bool dir)
{
	const struct globs *only;

	if (i >= j->n_mounts)
		return false;
	only = &j->only[i];
	if (only->n == 0 || len == 0)
		return only->n == 0 || dir;
	for (size_t k = 0; k < only->n; k++)
		if (dir ? glob_above(&only->at[k], rel, len) : glob_match(&only->at[k], rel, len))
			return true;
	return false;
}
