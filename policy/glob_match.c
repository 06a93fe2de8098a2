/*
 * Runs a glob's automaton: all its states at once, each at most once per
 * byte of the path, so that no glob can blow up.
 */
#include "policy/glob_sim.h"

struct glob_op glob_op_at(const struct glob *g, size_t i)
{
	struct glob_op op;

	memcpy(&op, g->ops + i * sizeof(op), sizeof(op));
	return op;
}

void sim_start(struct sim *s, const struct glob *g)
{
	s->g = g; /* not initialised as a whole: that would cost 4 KiB a call */
	s->round = 0;
	s->matched = false;
	memset(s->seen, 0, g->head.n_ops * sizeof(s->seen[0]));
}

void sim_enter(struct sim *s, struct states *to, uint16_t start)
{
	uint16_t stack[GLOB_OPS];
	size_t n = 0;

	if (s->seen[start] != s->round) {
		s->seen[start] = s->round;
		stack[n++] = start;
	}
	while (n > 0) {
		uint16_t i = stack[--n];
		struct glob_op op = glob_op_at(s->g, i);
		uint16_t next[2] = { op.arg, (uint16_t)(i + 1) };
		unsigned n_next = op.kind == GLOB_FORK ? 2 : op.kind == GLOB_JUMP ? 1 : 0;

		if (op.kind == GLOB_MATCH)
			s->matched = true;
		else if (n_next == 0 && op.kind != GLOB_FAIL)
			to->at[to->n++] = i;
		for (unsigned k = 0; k < n_next; k++) {
			if (s->seen[next[k]] == s->round)
				continue;
			s->seen[next[k]] = s->round;
			stack[n++] = next[k];
		}
	}
}

bool glob_takes(const struct glob *g, struct glob_op op, uint8_t c)
{
	switch (op.kind) {
	case GLOB_BYTE:
		return op.byte == c;
	case GLOB_ANY:
		return true;
	case GLOB_NOT_SLASH:
		return c != '/';
	case GLOB_CLASS:
		return g->classes[op.arg * 32u + c / 8] >> c % 8 & 1;
	default:
		return false;
	}
}

static void step(struct sim *s, const struct states *from, struct states *to, uint8_t c)
{
	s->round++;
	s->matched = false;
	to->n = 0;
	for (size_t k = 0; k < from->n; k++)
		if (glob_takes(s->g, glob_op_at(s->g, from->at[k]), c))
			sim_enter(s, to, (uint16_t)(from->at[k] + 1));
}

/* Feeds @path, then, with @below, a slash. Did it match; is anything alive? */
static void simulate(struct sim *s, const struct glob *g, const char *path, size_t len, bool below,
		     bool *ret_match, bool *ret_alive)
{
	struct states sets[2];
	size_t i = g->head.prefix;
	unsigned cur = 0;

	sim_start(s, g);
	s->round = 1;
	sets[0].n = 0;
	sim_enter(s, &sets[0], g->head.prefix);
	for (; i < len && sets[cur].n > 0; i++, cur ^= 1)
		step(s, &sets[cur], &sets[cur ^ 1], (uint8_t)path[i]);
	*ret_match = s->matched && i == len;
	if (below) {
		step(s, &sets[cur], &sets[cur ^ 1], '/');
		cur ^= 1;
	}
	*ret_alive = sets[cur].n > 0;
}

/* The path's beginning equals the glob's prefix. */
static void feed(const struct glob *g, const char *path, size_t len, bool below, bool *ret_match,
		 bool *ret_alive)
{
	size_t n = g->head.prefix;
	struct sim s;

	if (g->masks != NULL)
		glob_run_masks(g->masks, path + n, len - n, below, ret_match, ret_alive);
	else
		simulate(&s, g, path, len, below, ret_match, ret_alive);
}

/* Do the first @n literal bytes of the glob equal @path's? */
static bool prefix_is(const struct glob *g, const char *path, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (g->ops[i * sizeof(struct glob_op) + offsetof(struct glob_op, byte)] !=
		    (uint8_t)path[i])
			return false;
	return true;
}

bool glob_match(const struct glob *g, const char *path, size_t len)
{
	bool match, alive;

	if (len < g->head.prefix || !prefix_is(g, path, g->head.prefix))
		return false;
	if (g->head.plain)
		return len == g->head.prefix;
	feed(g, path, len, false, &match, &alive);
	return match;
}

bool glob_above(const struct glob *g, const char *path, size_t len)
{
	bool match, alive, root = len == 1 && path[0] == '/';

	if (len < g->head.prefix) {
		char next = (char)glob_op_at(g, len).byte;

		return prefix_is(g, path, len) && (root || next == '/');
	}
	if (!prefix_is(g, path, g->head.prefix))
		return false;
	feed(g, path, len, !root, &match, &alive);
	return match || alive;
}

static bool op_ok(const struct glob *g, struct glob_op op, size_t i)
{
	switch (op.kind) {
	case GLOB_MATCH:
	case GLOB_FAIL:
		return true;
	case GLOB_CLASS:
		return op.arg < g->head.n_classes && i + 1 < g->head.n_ops;
	case GLOB_FORK:
	case GLOB_JUMP:
		return op.arg >= g->head.prefix && op.arg < g->head.n_ops && i + 1 < g->head.n_ops;
	default:
		return op.kind < GLOB_KINDS && i + 1 < g->head.n_ops;
	}
}

static bool head_ok(const struct glob *g, size_t len)
{
	const struct glob_head *h = &g->head;

	return h->n_ops != 0 && h->n_ops <= GLOB_OPS && h->n_classes <= GLOB_CLASSES &&
	       h->prefix < h->n_ops && h->plain <= 1 &&
	       len == sizeof(*h) + h->n_ops * sizeof(struct glob_op) + h->n_classes * 32u;
}

bool glob_load(const void *p, size_t len, struct glob *ret)
{
	struct glob g = { .masks = NULL };

	if (len < sizeof(g.head))
		return false;
	memcpy(&g.head, p, sizeof(g.head));
	g.ops = (const uint8_t *)p + sizeof(g.head);
	g.classes = g.ops + g.head.n_ops * sizeof(struct glob_op);
	if (!head_ok(&g, len))
		return false;
	for (size_t i = 0; i < g.head.n_ops; i++) {
		struct glob_op op = glob_op_at(&g, i);

		if (!op_ok(&g, op, i) || (i < g.head.prefix && op.kind != GLOB_BYTE))
			return false;
	}
	*ret = g;
	return true;
}
