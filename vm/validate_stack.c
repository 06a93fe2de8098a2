/*
 * The slow halves of validate_stack.h, and the sentences of type errors.
 */
#include "vm/validate_stack.h"

void val_fail(struct val *v, int code, const char *fmt, ...)
{
	char why[160];
	va_list ap;

	if (v->r.bad != NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	rd_fail(&v->r, fmt);
	err_set(v->e, code, "offset 0x%zx, function %u, %s: %s", (size_t)(v->at - v->r.base),
		v->func, op_info(v->op)->text, why);
}

bool val_grow(struct val *v, size_t more)
{
	if (v->n_ops + more > LIM_OPERANDS) {
		val_fail(v, ERR_LIMIT, "more than %u operands on the stack", LIM_OPERANDS);
		return false;
	}
	if (vec_room(&v->ops, &v->cap_ops, v->n_ops + more, 1)) {
		if (v->cap_ops > LIM_OPERANDS)
			v->cap_ops = LIM_OPERANDS;
		return true;
	}
	val_fail(v, ERR_NOMEM, "out of memory");
	return false;
}

static void fail_empty(struct val *v, uint8_t want)
{
	val_fail(v, ERR_INVALID, "type mismatch: expected %s, but the stack is empty",
		 type_name(want));
}

static void fail_type(struct val *v, uint8_t want, uint8_t found)
{
	val_fail(v, ERR_INVALID, "expected %s, found %s", type_name(want), type_name(found));
}

void val_pop_odd(struct val *v, uint8_t want)
{
	if (v->n_ops > v->base) {
		if (v->ops[v->n_ops - 1] != T_ANY)
			fail_type(v, want, v->ops[v->n_ops - 1]);
		v->n_ops--;
	} else if (!val_top(v)->dead) {
		fail_empty(v, want);
	}
}

/* The loop without a branch is what a compiler turns into vector code; types
 * of a thousand values are legal. */
void val_check(struct val *v, const uint8_t *types, uint32_t n)
{
	size_t have = v->n_ops - v->base, k = n < have ? n : have;
	const uint8_t *o = v->ops + v->n_ops - k, *t = types + n - k;
	uint8_t bad = 0;

	for (size_t i = 0; i < k; i++)
		bad |= (uint8_t)((o[i] != t[i]) & (o[i] != T_ANY));
	while (bad && k-- > 0)
		if (o[k] != t[k] && o[k] != T_ANY)
			fail_type(v, t[k], o[k]);
	if (n > have && !val_top(v)->dead)
		fail_empty(v, types[n - have - 1]);
}
