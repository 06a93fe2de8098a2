/*
 * Blocks and branches: the control stack. Code after an unconditional branch
 * is dead until its block ends: the stack is polymorphic there.
 */
#include "vm/validate_stack.h"

void val_open(struct val *v, uint8_t op, struct ctl c)
{
	struct ctl *top;

	if (v->ctls.len > LIM_NEST) {
		val_fail(v, ERR_LIMIT, "blocks nest deeper than %u", LIM_NEST);
		return;
	}
	top = VEC_PUSH(&v->ctls);
	if (top == NULL) {
		val_fail(v, ERR_NOMEM, "out of memory");
		return;
	}
	*top = c;
	top->op = op;
	top->height = (uint32_t)v->n_ops;
	v->base = v->n_ops;
	val_pushes(v, c.in, c.n_in);
}

void val_dead(struct val *v)
{
	v->n_ops = v->base;
	val_top(v)->dead = true;
}

void val_block(struct val *v, const struct imms *im)
{
	struct ctl c = { .in = im->list, .out = im->list, .n_out = im->n };
	const struct vm_func_type *t;

	if (im->x != VM_NO_INDEX) {
		if (im->x >= v->m->types.len) {
			val_fail(v, ERR_INVALID, "unknown type %u", im->x);
			return;
		}
		t = &v->m->types.at[im->x];
		c = (struct ctl){ t->params, t->results, t->n_params, t->n_results, 0, 0, false };
	}
	if (v->op == OP_if)
		val_pop(v, VM_I32);
	val_pops(v, c.in, c.n_in);
	val_open(v, (uint8_t)v->op, c);
}

/* Exactly the results are left; they stay on the stack. */
static void check_results(struct val *v, const struct ctl *c)
{
	size_t have = v->n_ops - v->base;

	val_check(v, c->out, c->n_out);
	if (have > c->n_out)
		val_fail(v, ERR_INVALID,
			 "type mismatch: %zu values are on the stack, the block yields %u", have,
			 c->n_out);
}

void val_else(struct val *v)
{
	struct ctl *c = val_top(v);

	if (c->op != OP_if) {
		val_fail(v, ERR_MALFORMED, "there is no if that this belongs to");
		return;
	}
	check_results(v, c);
	c->op = OP_else;
	c->dead = false;
	v->n_ops = v->base;
	val_pushes(v, c->in, c->n_in);
}

/* An if without else passes its parameters on. */
static void check_if_alone(struct val *v, const struct ctl *c)
{
	if (c->n_in != c->n_out || (c->n_in > 0 && memcmp(c->in, c->out, c->n_in) != 0))
		val_fail(v, ERR_INVALID,
			 "type mismatch: an if without else must yield what it takes");
}

void val_end(struct val *v)
{
	struct ctl c = *val_top(v);

	check_results(v, &c);
	if (c.op == OP_if)
		check_if_alone(v, &c);
	if (v->r.bad != NULL)
		return;
	v->n_ops = c.height;
	v->ctls.len--;
	v->base = v->ctls.len > 0 ? val_top(v)->height : 0;
	val_pushes(v, c.out, c.n_out);
}

/* What a branch to @depth carries: a loop's parameters, else the results.
 * Never NULL: after a failure it is nothing. */
static const uint8_t *label(struct val *v, uint32_t depth, uint32_t *ret_n)
{
	const struct ctl *c;

	*ret_n = 0;
	if (depth >= v->ctls.len) {
		val_fail(v, ERR_INVALID, "unknown label %u: %zu are open", depth, v->ctls.len);
		return v->flat;
	}
	c = &v->ctls.at[v->ctls.len - 1 - depth];
	*ret_n = c->op == OP_loop ? c->n_in : c->n_out;
	return c->op == OP_loop ? c->in : c->out;
}

void val_br(struct val *v, uint32_t depth)
{
	uint32_t n;
	const uint8_t *types = label(v, depth, &n);

	val_pops(v, types, n);
	val_dead(v);
}

void val_br_if(struct val *v, uint32_t depth)
{
	uint32_t n;
	const uint8_t *types = label(v, depth, &n);

	val_pop(v, VM_I32);
	val_pops(v, types, n);
	val_pushes(v, types, n);
}

/* All labels carry as many values as the default one, which comes last. */
void val_br_table(struct val *v, const struct imms *im)
{
	struct rd r = v->r;
	const uint8_t *types, *last = NULL;
	uint32_t n, arity = 0;

	if (im->n > LIM_BR_TABLE) {
		val_fail(v, ERR_LIMIT, "%u labels, more than the %u that are accepted", im->n,
			 LIM_BR_TABLE);
		return;
	}
	val_pop(v, VM_I32);
	r.p = im->list;
	for (uint32_t i = 0; i <= im->n && v->r.bad == NULL; i++) {
		types = label(v, leb_u32(&r), &n);
		if (i > 0 && n != arity)
			val_fail(v, ERR_INVALID,
				 "type mismatch: label %u carries %u values, those before %u", i, n,
				 arity);
		else if (types != last)
			val_check(v, types, n);
		last = types;
		arity = n;
	}
	val_dead(v);
}

void val_return(struct val *v)
{
	val_br(v, (uint32_t)v->ctls.len - 1);
}
