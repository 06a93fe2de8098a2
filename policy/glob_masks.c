/*
 * A glob of few operations as masks: all its states are the bits of one word,
 * and a byte of the path moves them together. Made at load, from operations
 * that were checked; larger globs go without.
 */
#include "policy/glob_sim.h"
#include "wasmd/fault.h"

struct build {
	const struct glob *g;
	struct sim sim;
	struct states to;
	uint8_t bit[GLOB_OPS];	 /* operation -> bit */
	uint16_t ops[GLOB_BITS]; /* bit -> operation */
	unsigned n_bits, n_columns;
	uint8_t column[256];
	uint64_t takes[256];
};

/* False: there are too many. */
static bool number_bits(struct build *b)
{
	for (size_t i = b->g->head.prefix; i < b->g->head.n_ops; i++) {
		uint8_t kind = glob_op_at(b->g, i).kind;

		if (kind == GLOB_MATCH || kind == GLOB_FAIL || kind == GLOB_FORK ||
		    kind == GLOB_JUMP)
			continue;
		if (b->n_bits == GLOB_BITS)
			return false;
		b->bit[i] = (uint8_t)b->n_bits;
		b->ops[b->n_bits++] = (uint16_t)i;
	}
	return true;
}

/* What waits for a byte once operation @i is reached. */
static uint64_t closure(struct build *b, uint16_t i, bool *ret_match)
{
	uint64_t set = 0;

	b->sim.round++;
	b->sim.matched = false;
	b->to.n = 0;
	sim_enter(&b->sim, &b->to, i);
	for (size_t k = 0; k < b->to.n; k++)
		set |= UINT64_C(1) << b->bit[b->to.at[k]];
	*ret_match = b->sim.matched;
	return set;
}

/* Which bits take each byte, to @set. */
static void find_takers(const struct build *b, uint64_t set[256])
{
	for (unsigned i = 0; i < b->n_bits; i++) {
		struct glob_op op = glob_op_at(b->g, b->ops[i]);
		unsigned from = op.kind == GLOB_BYTE ? op.byte : 0;
		unsigned to = op.kind == GLOB_BYTE ? op.byte : 255;

		for (unsigned c = from; c <= to; c++)
			set[c] |= (uint64_t)glob_takes(b->g, op, (uint8_t)c) << i;
	}
}

/* A column that is @set, made if there is none. */
static uint8_t column_of(struct build *b, uint64_t set)
{
	unsigned i = 0;

	while (i < b->n_columns && b->takes[i] != set)
		i++;
	if (i == b->n_columns)
		b->takes[b->n_columns++] = set;
	return (uint8_t)i;
}

static void make_columns(struct build *b)
{
	uint64_t set[256] = { 0 };

	find_takers(b, set);
	for (unsigned c = 0; c < 256; c++)
		b->column[c] = column_of(b, set[c]);
}

static void fill(struct build *b, struct glob_masks *m)
{
	m->start = closure(b, b->g->head.prefix, &m->empty);
	for (unsigned i = 0; i < b->n_bits; i++) {
		uint64_t self = UINT64_C(1) << i, next = i + 1 < GLOB_BITS ? self << 1 : 0;
		bool match;
		uint64_t set = closure(b, (uint16_t)(b->ops[i] + 1), &match);

		m->follow[i] = set;
		m->accept |= match ? self : 0;
		m->chain |= (set & next) != 0 ? self : 0;
		m->loop |= set & self;
		m->odd |= (set & ~(self | next)) != 0 ? self : 0;
	}
	memcpy(m->column, b->column, sizeof(m->column));
	m->takes = m->follow + b->n_bits;
	memcpy(m->takes, b->takes, b->n_columns * sizeof(b->takes[0]));
}

int glob_quicken(struct glob *g, struct err *e)
{
	CLEANUP(free_p) struct build *b = NULL;
	struct glob_masks *m;

	if (g->head.plain)
		return 0; /* its prefix is all there is */
	b = mem_new(1, sizeof(*b));
	if (b == NULL)
		return err_nomem(e);
	b->g = g;
	if (!number_bits(b))
		return 0;
	sim_start(&b->sim, g);
	make_columns(b);
	m = mem_new(1, sizeof(*m) + (b->n_bits + b->n_columns) * sizeof(uint64_t));
	if (m == NULL)
		return err_nomem(e);
	fill(b, m);
	g->masks = m;
	return 0;
}

void glob_done(struct glob *g)
{
	free(g->masks);
	g->masks = NULL;
}

/* ---- running ------------------------------------------------------------------ */

static inline uint64_t follow_odd(const struct glob_masks *m, uint64_t odd)
{
	uint64_t next = 0;

	for (; odd != 0; odd &= odd - 1)
		next |= m->follow[__builtin_ctzll(odd)];
	return next;
}

/* From those that took a byte to those that wait for the next. */
static inline uint64_t follow(const struct glob_masks *m, uint64_t took)
{
	uint64_t next = (took & m->chain) << 1 | (took & m->loop), odd = took & m->odd;

	return odd == 0 ? next : next | follow_odd(m, odd);
}

void glob_run_masks(const struct glob_masks *m, const char *path, size_t len, bool below,
		    bool *ret_match, bool *ret_alive)
{
	const uint8_t *p = (const uint8_t *)path, *end = p + len;
	uint64_t wait = m->start, took = 0;

	*ret_match = m->empty && len == 0;
	for (; p < end && wait != 0; p++) {
		took = wait & m->takes[m->column[*p]];
		wait = follow(m, took);
	}
	if (len != 0)
		*ret_match = p == end && (took & m->accept) != 0;
	if (below)
		wait = follow(m, wait & m->takes[m->column['/']]);
	*ret_alive = wait != 0;
}
