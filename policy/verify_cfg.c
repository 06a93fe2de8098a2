/*
 * The order of execution: Bourdoncle's weak topological order (1993), made
 * without recursion. Every edge leads onward, or back to the head of a loop
 * around it; loops nest, and each has one entry. Strong components come from
 * Tarjan's algorithm, last first, and so fill the order from its end; what is
 * left of a loop without its head is ordered in the same way.
 */
#include "policy/verify.h"

#include "wasmd/fault.h"
#include "wasmd/vec.h"

#define PLACED UINT32_MAX

/* A set of instructions still to be ordered: all that region[] numbers so. */
struct region {
	uint32_t id, head; /* head: an instruction, or the function's entry */
	uint32_t loop;	   /* place of the loop's head, or NO_LOOP: a whole function */
	uint32_t end;	   /* place behind its last */
	uint32_t depth;
};

struct visit {
	uint32_t insn, edge;
};

struct order {
	struct verify *v;
	uint32_t *region, *index, *low;
	uint32_t *stack; /* Tarjan's, of instructions */
	struct visit *path;
	size_t n_stack, n_path;
	uint32_t clock, regions;
	VEC(struct region) todo;
	struct region now;
	uint32_t free_end; /* places from here on are taken, within the region */
};

static bool here(const struct order *o, size_t insn)
{
	return o->region[insn] == o->now.id;
}

/* ---- placing a component --------------------------------------------------- */

static void place(struct order *o, uint32_t at, uint32_t insn, uint32_t end)
{
	o->v->order[at] = (struct place){ .insn = insn, .end = end, .loop = o->now.loop };
	o->v->place_of[insn] = at;
	o->region[insn] = PLACED;
}

static int place_loop(struct order *o, uint32_t head, const uint32_t *member, uint32_t n)
{
	struct region *r = VEC_PUSH(&o->todo);
	uint32_t at = o->free_end - n;

	if (r == NULL)
		return err_nomem(o->v->e);
	*r = (struct region){
		.id = ++o->regions,
		.head = head,
		.loop = at,
		.end = o->free_end,
		.depth = o->now.depth + 1,
	};
	if (r->depth > LIM_BPF_LOOPS)
		return verify_bad(o->v, head, "loops are nested deeper than %u", LIM_BPF_LOOPS);
	for (uint32_t i = 0; i < n; i++) {
		o->region[member[i]] = r->id;
		o->index[member[i]] = 0;
	}
	place(o, at, head, o->free_end);
	return 0;
}

static bool leads_to_itself(const struct order *o, size_t insn)
{
	size_t next[2];
	unsigned n = verify_next(o->v, insn, next);

	return (n > 0 && next[0] == insn) || (n > 1 && next[1] == insn);
}

/* The component whose root is @root lies on top of the stack. */
static int place_component(struct order *o, uint32_t root)
{
	size_t from = o->n_stack;
	uint32_t n;
	int r = 0;

	do
		from--;
	while (o->stack[from] != root);
	n = (uint32_t)(o->n_stack - from);
	if (n > 1 || leads_to_itself(o, root))
		r = place_loop(o, root, &o->stack[from], n);
	else
		place(o, o->free_end - 1, root, 0);
	o->free_end -= n;
	o->n_stack = from;
	return r;
}

/* ---- Tarjan's walk ----------------------------------------------------------- */

static void enter(struct order *o, uint32_t insn)
{
	o->index[insn] = o->low[insn] = ++o->clock;
	o->stack[o->n_stack++] = insn;
	o->path[o->n_path++] = (struct visit){ .insn = insn };
}

static void follow(struct order *o, struct visit *at, size_t to)
{
	if (!here(o, to))
		return;
	if (o->index[to] == 0)
		enter(o, (uint32_t)to);
	else if (o->index[to] < o->low[at->insn])
		o->low[at->insn] = o->index[to];
}

static int leave(struct order *o, uint32_t insn)
{
	struct visit *up;

	o->n_path--;
	if (o->low[insn] == o->index[insn] && place_component(o, insn) < 0)
		return o->v->e->code;
	if (o->n_path == 0)
		return 0;
	up = &o->path[o->n_path - 1];
	if (here(o, insn) && o->low[insn] < o->low[up->insn])
		o->low[up->insn] = o->low[insn];
	return 0;
}

static int walk(struct order *o, size_t start)
{
	if (!here(o, start) || o->index[start] != 0)
		return 0;
	enter(o, (uint32_t)start);
	while (o->n_path > 0) {
		struct visit *at = &o->path[o->n_path - 1];
		size_t next[2];

		if (at->edge < verify_next(o->v, at->insn, next))
			follow(o, at, next[at->edge++]);
		else if (leave(o, at->insn) < 0)
			return o->v->e->code;
	}
	return 0;
}

/* ---- regions, functions --------------------------------------------------------- */

static int order_region(struct order *o, struct region now)
{
	size_t next[2];
	unsigned n;

	o->now = now;
	o->free_end = now.end;
	o->clock = 0;
	if (now.loop == NO_LOOP)
		return walk(o, now.head);
	n = verify_next(o->v, now.head, next);
	for (unsigned i = 0; i < n; i++)
		if (walk(o, next[i]) < 0)
			return o->v->e->code;
	return 0;
}

/* Numbers what @f reaches with its region; finds the functions that it calls. */
static int claim(struct order *o, struct function *f, uint32_t id, uint32_t *ret_n)
{
	uint32_t n = 0, *todo = o->stack;
	size_t left = 0;

	todo[left++] = f->entry;
	o->region[f->entry] = id;
	while (left > 0) {
		uint32_t i = todo[--left];
		size_t next[2];
		unsigned k = verify_next(o->v, i, next);

		n++;
		while (k-- > 0) {
			uint32_t to = (uint32_t)next[k];

			if (o->region[to] == id)
				continue;
			if (o->region[to] != 0)
				return verify_bad(o->v, i, "jumps to %u, into another function",
						  to);
			o->region[to] = id;
			todo[left++] = to;
		}
	}
	*ret_n = n;
	return 0;
}

static int order_function(struct order *o, struct function *f, uint32_t *end)
{
	struct region whole = {
		.id = ++o->regions, .head = f->entry, .loop = NO_LOOP, .end = *end
	};
	uint32_t n = 0;

	if (o->region[f->entry] != 0)
		return verify_bad(o->v, f->entry, "a function begins inside another");
	if (claim(o, f, whole.id, &n) < 0)
		return o->v->e->code;
	f->to = *end;
	f->from = *end -= n;
	if (order_region(o, whole) < 0)
		return o->v->e->code;
	while (o->todo.len > 0) {
		struct region r = o->todo.at[--o->todo.len];

		if (order_region(o, r) < 0)
			return o->v->e->code;
	}
	return 0;
}

/* ---- what the order must have ------------------------------------------------------ */

/* Does the loop whose head stands at @loop go around @at? */
static bool around(const struct verify *v, uint32_t loop, uint32_t at)
{
	return loop == NO_LOOP || (at >= loop && at < v->order[loop].end);
}

static int check_entries(struct verify *v, size_t i)
{
	size_t next[2];
	unsigned n = verify_next(v, i, next);

	for (unsigned k = 0; k < n; k++)
		if (!around(v, v->order[v->place_of[next[k]]].loop, v->place_of[i]))
			return verify_bad(v, i, "jumps to %zu, a second entry of a loop", next[k]);
	return 0;
}

static int check_order(struct order *o)
{
	struct verify *v = o->v;

	for (size_t i = 0; i < v->n; i++)
		if (!v->mid[i] && o->region[i] != PLACED)
			return verify_bad(v, i, "no path leads here");
	for (size_t i = 0; i < v->n; i++)
		if (!v->mid[i] && check_entries(v, i) < 0)
			return v->e->code;
	return 0;
}

static int order_all(struct order *o)
{
	uint32_t end = (uint32_t)o->v->n;

	for (size_t f = 0; f < o->v->n_func; f++)
		if (order_function(o, &o->v->func[f], &end) < 0)
			return o->v->e->code;
	return check_order(o);
}

int verify_order(struct verify *v)
{
	CLEANUP(free_p) uint32_t *words = mem_new(v->n, 4 * sizeof(*words));
	CLEANUP(free_p) struct visit *path = mem_new(v->n, sizeof(*path));
	struct order o = { .v = v, .path = path };
	int r;

	if (words == NULL || path == NULL)
		return err_nomem(v->e);
	o.region = words;
	o.index = words + v->n;
	o.low = words + 2 * v->n;
	o.stack = words + 3 * v->n;
	r = order_all(&o);
	VEC_DONE(&o.todo);
	return r;
}
