/*
 * Blocks, branches, calls. Branches carry the fuel of what stands before
 * them since the last branch, in the order of the text: exact, the same for
 * every run, and never more than the text between two branches off. Behind
 * what cannot be reached nothing is compiled up to the next label.
 */
#include "vm/compile.h"

/* The test of a branch, taken from the top of the stack. */
struct test {
	unsigned op, loop; /* @loop: how far the form towards the loop lies */
	uint32_t a, b;
	bool sa; /* acc is the second operand */
};

/* clang-format off */
/* Of a comparison that can become a branch: the branch taken if it holds, the
 * one taken if not, and how far its form towards the loop lies (0: none). */
static const struct branch {
	uint16_t yes, no, loop;
	bool sa;
} branches[C_COUNT] = {
#define ROW(op, y, n, l) [C_##op] = { C_##y, C_##n, l, false },
#define CMP(id, inv, ...)                                         \
	ROW(id, br_##id, br_##inv, INT_FORMS)                     \
	ROW(id##_k, br_##id##_k, br_##inv##_k, INT_FORMS)         \
	ROW(id##_a, br_##id##_a, br_##inv##_a, INT_FORMS)         \
	ROW(id##_ak, br_##id##_ak, br_##inv##_ak, INT_FORMS)      \
	[C_##id##_sa] = { C_br_##id##_sa, C_br_##inv##_sa, INT_FORMS, true },
#define FCMP(id, ...)                           \
	ROW(id, br_##id, brn_##id, 0)           \
	ROW(id##_a, br_##id##_a, brn_##id##_a, 0) \
	ROW(id##_sa, br_##id##_sa, brn_##id##_sa, 0)
	CODE_CMPS(CMP)
	CODE_FCMPS(FCMP)
	ROW(i32_eqz, BR_Z, BR_NZ, TEST_LP)
	ROW(i32_eqz_a, BR_Z_a, BR_NZ_a, TEST_LP)
#undef CMP
#undef FCMP
#undef ROW
};
/* clang-format on */

/* What i32.eqz, just taken back as @eqz, turns round, if it is a comparison too
 * and its result goes nowhere else. */
static bool take_back_turned(struct comp *c, union cell eqz, union cell *ret)
{
	union cell w;

	if (c->prev == COMP_NONE || eqz.b != temp(c, (uint32_t)c->stack.len))
		return false;
	w = c->cells.at[c->prev];
	if (w.a != eqz.b || branches[w.op].yes == 0)
		return false;
	c->cells.len = c->prev;
	forget_registers(c);
	*ret = w;
	return true;
}

static bool is_eqz(union cell w)
{
	return w.op == C_i32_eqz || w.op == C_i32_eqz_a;
}

/* The comparison at the end of the code, as a branch; it is taken back. */
static struct test test_fuse(struct comp *c, bool want)
{
	union cell w = take_back(c);
	const struct branch *br;

	if (is_eqz(w) && take_back_turned(c, w, &w))
		want = !want;
	br = &branches[w.op];
	return (struct test){ .op = want ? br->yes : br->no,
			      .loop = br->loop,
			      .a = w.b,
			      .b = is_eqz(w) ? 0 : w.c,
			      .sa = br->sa };
}

static struct test test_pop(struct comp *c, bool want)
{
	uint32_t height = (uint32_t)c->stack.len - 1, slot;

	if (c->stack.at[height].kind == VAL_TEMP && is_last(c, height) &&
	    branches[c->cells.at[c->last].op].yes != 0) {
		(void)pop(c);
		return test_fuse(c, want);
	}
	slot = pop_slot(c);
	return (struct test){ .op = (want ? C_BR_NZ : C_BR_Z) + (slot == c->acc),
			      .loop = TEST_LP,
			      .a = slot };
}

/* The target cell is to follow. */
static void emit_test(struct comp *c, struct test t)
{
	emit_place(c);
	(void)emit(c, t.op, t.a, t.b, take_cost(c));
}

/* clang-format off */
/* Of a branch that tests acc: that with the counting before it. */
static const uint16_t counting[C_COUNT] = {
#define CMP(id, ...) [C_br_##id##_a] = C_inc_lp_##id##_a, [C_br_##id##_ak] = C_inc_lp_##id##_ak, \
		     [C_br_##id##_sa] = C_inc_lp_##id##_sa,
	CODE_CMP32S(CMP)
	[C_BR_NZ_a] = C_INC_LP_NZ,
#undef CMP
};
/* clang-format on */

/* With the counting that stands before it, if that is so. */
static bool emit_count_test(struct comp *c, struct test t, bool loop)
{
	uint32_t op = counting[t.op];
	union cell w;

	if (c->prev == COMP_NONE || op == 0 || !is_count(c->cells.at[c->prev]))
		return false;
	if (!loop)
		op += t.op == C_BR_NZ_a ? 1u : INC_FORMS;
	w = c->cells.at[c->prev];
	c->cells.len = c->prev;
	emit_place(c);
	(void)emit(c, op, w.a, t.sa ? t.a : t.b, take_cost(c));
	emit_pair(c, (uint32_t)(int16_t)w.c, 0);
	return true;
}

/* Back to the loop at hand. */
static void emit_loop_test(struct comp *c, struct test t)
{
	if (emit_count_test(c, t, true))
		return;
	t.op += t.loop;
	emit_test(c, t);
}

/* lp leads to @l from here: there is no call or other loop on any way. */
static bool by_lp(const struct comp *c, const struct label *l)
{
	return l->head != COMP_NONE && l->head == c->loop;
}

static void go_dead(struct comp *c)
{
	c->dead = 1;
	c->last = COMP_NONE;
}

static struct label *label(struct comp *c, uint32_t depth)
{
	return &c->labels.at[c->labels.len - 1 - depth];
}

/* What a branch to @l takes along. */
static uint32_t arity(const struct label *l)
{
	return l->head != COMP_NONE ? l->n_params : l->n_results;
}

/* ---- branches ------------------------------------------------------------ */

/* At this stack height a branch to @l moves nothing. */
static bool in_place(const struct comp *c, const struct label *l, size_t height)
{
	return l != c->labels.at && (arity(l) == 0 || l->base + arity(l) == height);
}

/* The top values into the slots from @to on, for which fuel is charged.
 * Sources never lie below their destinations, so going upwards overwrites
 * nothing that is still needed. */
static void move_top(struct comp *c, uint32_t to, uint32_t n)
{
	uint32_t from = (uint32_t)c->stack.len - n;

	c->cost += n;
	for (uint32_t i = 0; i < n; i++)
		store_val(c, to + i, c->stack.at[from + i], from + i);
}

/* Several results may be parameters in another order: by way of temporaries. */
static void emit_return(struct comp *c)
{
	uint32_t top = (uint32_t)c->stack.len - 1;
	struct val v;
	uint32_t slot;

	if (c->n_results == 1) {
		v = c->stack.at[top];
		if (v.kind == VAL_CONST)
			store_val(c, temp(c, top), v, top);
		slot = v.kind == VAL_LOCAL ? v.local : temp(c, top);
		emit_place(c);
		(void)emit(c, slot == c->acc ? C_RET1_a : C_RET1, slot, 0, take_cost(c));
		return;
	}
	settle(c, c->n_results);
	move_top(c, 0, c->n_results);
	emit_place(c);
	(void)emit(c, C_RET0, 0, 0, take_cost(c));
}

/* Leaves for @l; what is on the stack stays as it is for other ways. */
static void emit_br(struct comp *c, struct label *l)
{
	if (l == c->labels.at) {
		emit_return(c);
		return;
	}
	if (in_place(c, l, c->stack.len))
		settle(c, arity(l));
	else
		move_top(c, temp(c, l->base), arity(l));
	emit_place(c);
	(void)emit(c, by_lp(c, l) ? C_LP : C_BR, 0, 0, take_cost(c));
	if (!by_lp(c, l))
		emit_target(c, l);
}

void lower_br(struct comp *c, const struct lower *w, const struct imms *im)
{
	emit_br(c, label(c, im->x));
	go_dead(c);
}

void lower_return(struct comp *c, const struct lower *w, const struct imms *im)
{
	emit_return(c);
	go_dead(c);
}

/* Straight to the label where nothing has to move on the way; else over the
 * moves. What is settled is settled before the ways part. */
void lower_br_if(struct comp *c, const struct lower *w, const struct imms *im)
{
	struct label *l = label(c, im->x);
	bool straight = in_place(c, l, c->stack.len - 1);
	struct test t = test_pop(c, straight);
	uint32_t over = 0;

	if (straight || arity(l) > 1)
		settle(c, arity(l));
	if (straight && t.loop != 0 && by_lp(c, l)) {
		emit_loop_test(c, t);
		return;
	}
	if (!straight || !emit_count_test(c, t, false))
		emit_test(c, t);
	if (straight) {
		emit_target(c, l);
		return;
	}
	emit_chain(c, &over);
	emit_br(c, l);
	bind_here(c, &over);
}

/* ---- br_table ------------------------------------------------------------ */

/* A way to a label where values have to move first; one for each label. */
struct stub {
	uint32_t depth, chain;
};

struct stubs {
	VEC(struct stub) v;
};

static uint32_t *stub_chain(struct comp *c, struct stubs *all, uint32_t depth)
{
	struct label *l = label(c, depth);

	if (l->stub == 0) {
		struct stub *s = VEC_PUSH(&all->v);

		if (s == NULL) {
			c->bad = COMP_NOMEM;
			return NULL;
		}
		*s = (struct stub){ .depth = depth };
		l->stub = (uint32_t)all->v.len;
	}
	return &all->v.at[l->stub - 1].chain;
}

static void table_entry(struct comp *c, struct stubs *all, uint32_t depth)
{
	struct label *l = label(c, depth);
	uint32_t *chain;

	if (in_place(c, l, c->stack.len)) {
		emit_target(c, l);
		return;
	}
	chain = stub_chain(c, all, depth);
	if (chain != NULL)
		emit_chain(c, chain);
}

static void emit_stubs(struct comp *c, struct stubs *all)
{
	for (size_t i = 0; i < all->v.len && c->bad == COMP_OK; i++) {
		struct stub *s = &all->v.at[i];

		label(c, s->depth)->stub = 0;
		bind_here(c, &s->chain);
		emit_br(c, label(c, s->depth));
	}
	VEC_DONE(&all->v);
}

/* All labels of one table take the same number of values along. */
void lower_br_table(struct comp *c, const struct lower *w, const struct imms *im)
{
	struct stubs all = { 0 };
	struct rd list = { .base = im->list, .p = im->list, .end = c->r.end };
	uint32_t slot = pop_slot(c), depth = leb_u32(&list);

	settle(c, arity(label(c, depth)));
	emit_place(c);
	(void)emit(c, slot == c->acc ? C_BR_TABLE_a : C_BR_TABLE, slot, 0, take_cost(c));
	emit_word(c, im->n);
	table_entry(c, &all, depth);
	for (uint32_t i = 0; i < im->n && c->bad == COMP_OK; i++)
		table_entry(c, &all, leb_u32(&list));
	emit_stubs(c, &all);
	go_dead(c);
}

/* ---- blocks -------------------------------------------------------------- */

static struct label *open_block(struct comp *c, const struct imms *im)
{
	struct label *l = VEC_PUSH(&c->labels);

	if (l == NULL) {
		c->bad = COMP_NOMEM;
		return NULL;
	}
	l->n_results = im->n;
	if (im->x != VM_NO_INDEX) {
		l->n_params = c->m->types.at[im->x].n_params;
		l->n_results = c->m->types.at[im->x].n_results;
	}
	l->head = COMP_NONE;
	l->base = (uint32_t)c->stack.len - l->n_params;
	settle(c, l->n_params);
	settle_locals(c);
	return l;
}

void lower_block(struct comp *c, const struct lower *w, const struct imms *im)
{
	(void)open_block(c, im);
}

/* Fuel of what stands before must not be charged at every turn. */
void lower_loop(struct comp *c, const struct lower *w, const struct imms *im)
{
	struct label *l = open_block(c, im);

	if (l == NULL)
		return;
	emit_charge(c);
	l->head = (uint32_t)c->cells.len;
	c->loop = l->head;
	(void)emit(c, C_LOOP, 0, 0, 0);
}

void lower_if(struct comp *c, const struct lower *w, const struct imms *im)
{
	struct test t = test_pop(c, false);
	struct label *l = open_block(c, im);

	if (l == NULL)
		return;
	emit_test(c, t);
	emit_chain(c, &l->orelse);
}

void lower_else(struct comp *c, const struct lower *w, const struct imms *im)
{
	struct label *l = label(c, 0);

	if (c->dead == 0)
		emit_br(c, l);
	c->dead = 0;
	bind_here(c, &l->orelse);
	reset_stack(c, l->base, l->n_params);
}

/* The end is reached by falling through, by a branch, or not at all. */
void lower_end(struct comp *c, const struct lower *w, const struct imms *im)
{
	struct label *l = label(c, 0);

	if (l == c->labels.at) {
		if (c->dead == 0)
			emit_return(c);
		c->labels.len--;
		return;
	}
	if (c->dead == 0)
		settle(c, l->n_results);
	if (l->patches != 0 || l->orelse != 0)
		c->dead = 0;
	bind_here(c, &l->orelse);
	bind_here(c, &l->patches);
	reset_stack(c, l->base, c->dead == 0 ? l->n_results : 0);
	c->labels.len--;
}

void lower_unreachable(struct comp *c, const struct lower *w, const struct imms *im)
{
	emit_place(c);
	(void)emit(c, C_UNREACHABLE, 0, 0, 0);
	go_dead(c);
}

/* ---- calls --------------------------------------------------------------- */

/* Arguments become the callee's first slots, results come back in the same. */
static uint32_t call_begin(struct comp *c, const struct vm_func_type *t)
{
	settle(c, t->n_params);
	emit_place(c);
	reset_stack(c, (uint32_t)c->stack.len - t->n_params, 0);
	c->loop = COMP_NONE;
	return temp(c, (uint32_t)c->stack.len);
}

static void call_done(struct comp *c, const struct vm_func_type *t)
{
	reset_stack(c, (uint32_t)c->stack.len, t->n_results);
}

void lower_call(struct comp *c, const struct lower *w, const struct imms *im)
{
	const struct vm_func_type *t = &c->m->types.at[c->m->funcs.at[im->x].type];
	uint32_t n = c->m->n_imported[VM_FUNC], base = call_begin(c, t);

	(void)emit(c, im->x < n ? C_CALL_IMPORT : C_CALL, base, 0, take_cost(c));
	if (im->x >= n)
		emit_word(c, 0); /* where to, once it is known */
	emit_pair(c, im->x < n ? im->x : im->x - n, 0);
	call_done(c, t);
}

void lower_call_indirect(struct comp *c, const struct lower *w, const struct imms *im)
{
	const struct vm_func_type *t = &c->m->types.at[im->x];
	uint32_t index = pop_slot(c), base = call_begin(c, t);

	(void)emit(c, C_CALL_INDIRECT, base, index, take_cost(c));
	emit_pair(c, im->y, im->x);
	call_done(c, t);
}
