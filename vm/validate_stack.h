/*
 * The operand stack of the validator: one byte, an enum vm_type or T_ANY, for
 * each operand. A pop below the innermost block fails, unless the code there
 * is dead: then it yields whatever is wanted.
 */
#ifndef VM_VALIDATE_STACK_H
#define VM_VALIDATE_STACK_H

#include "vm/validate.h"

/* validate_stack.c: the slow halves. */
bool val_grow(struct val *v, size_t more);
void val_pop_odd(struct val *v, uint8_t want);
void val_check(struct val *v, const uint8_t *types, uint32_t n);

static inline struct ctl *val_top(const struct val *v)
{
	return &v->ctls.at[v->ctls.len - 1];
}

static inline void val_push(struct val *v, uint8_t t)
{
	if (v->n_ops == v->cap_ops && !val_grow(v, 1))
		return;
	v->ops[v->n_ops++] = t;
}

static inline void val_pop(struct val *v, uint8_t want)
{
	if (v->n_ops > v->base && v->ops[v->n_ops - 1] == want)
		v->n_ops--;
	else
		val_pop_odd(v, want);
}

/* Whatever is on top; T_ANY in dead code. */
static inline uint8_t val_pop_any(struct val *v)
{
	if (v->n_ops > v->base)
		return v->ops[--v->n_ops];
	val_pop_odd(v, T_ANY);
	return T_ANY;
}

static inline void val_pushes(struct val *v, const uint8_t *types, uint32_t n)
{
	if (v->n_ops + n > v->cap_ops && !val_grow(v, n))
		return;
	if (n > 0)
		memcpy(v->ops + v->n_ops, types, n);
	v->n_ops += n;
}

/* The last of @types is on top. */
static inline void val_pops(struct val *v, const uint8_t *types, uint32_t n)
{
	size_t have = v->n_ops - v->base;

	val_check(v, types, n);
	v->n_ops -= n < have ? n : have;
}

#endif
