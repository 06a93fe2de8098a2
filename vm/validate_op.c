/*
 * One instruction: rows of ops.def with in and out are checked by the row,
 * the odd ones here by hand (spec 3.4).
 */
#include "vm/validate_stack.h"

static void fail_index(struct val *v, const char *what, uint32_t x, size_t n)
{
	val_fail(v, ERR_INVALID, "unknown %s %u: there are %zu", what, x, n);
}

static uint8_t local_type(struct val *v, uint32_t x)
{
	size_t lo = 0, hi = v->runs.len, mid;

	if (x >= v->n_locals) {
		fail_index(v, "local", x, v->n_locals);
		return T_ANY;
	}
	if (x < FLAT_LOCALS)
		return v->flat[x];
	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (v->runs.at[mid].first <= x)
			lo = mid;
		else
			hi = mid;
	}
	return v->runs.at[lo].type;
}

static void val_local(struct val *v, uint32_t x)
{
	uint8_t t = local_type(v, x);

	if (v->op != OP_local_get)
		val_pop(v, t);
	if (v->op != OP_local_set)
		val_push(v, t);
}

static void val_global(struct val *v, uint32_t x)
{
	const struct vm_global_type *t;

	if (x >= v->m->globals.len) {
		fail_index(v, "global", x, v->m->globals.len);
		return;
	}
	t = &v->m->globals.at[x].type;
	if (v->op == OP_global_get)
		val_push(v, t->type);
	else if (!t->mutable)
		val_fail(v, ERR_INVALID, "immutable global %u", x);
	else
		val_pop(v, t->type);
}

/* The type of table @x, or T_ANY and an error. */
static uint8_t table_type(struct val *v, uint32_t x)
{
	if (x < v->m->tables.len)
		return v->m->tables.at[x].type.type;
	fail_index(v, "table", x, v->m->tables.len);
	return T_ANY;
}

static void need_memory(struct val *v, uint32_t x)
{
	if (x >= v->m->memories.len)
		fail_index(v, "memory", x, v->m->memories.len);
}

static void need_data(struct val *v, uint32_t x)
{
	if (v->m->n_data_count == VM_NO_INDEX)
		val_fail(v, ERR_MALFORMED, "data count section required");
	else if (x >= v->m->n_data_count)
		fail_index(v, "data segment", x, v->m->n_data_count);
}

static void need_elem(struct val *v, uint32_t x)
{
	if (x >= v->m->elems.len)
		fail_index(v, "elem segment", x, v->m->elems.len);
}

static void need_same(struct val *v, uint8_t want, uint8_t found)
{
	if (v->r.bad == NULL && want != found)
		val_fail(v, ERR_INVALID, "type mismatch: a table of %s, elements of %s",
			 type_name(want), type_name(found));
}

static void need_memarg(struct val *v, const struct sig *s, const struct imms *im)
{
	need_memory(v, im->x);
	if (im->align > s->align)
		val_fail(v, ERR_INVALID,
			 "alignment must not be larger than natural: 2^%u, at most 2^%u", im->align,
			 s->align);
	if (im->k > UINT32_MAX)
		val_fail(v, ERR_INVALID, "offset out of range: 0x%llx", (unsigned long long)im->k);
}

static void val_table(struct val *v, uint32_t x)
{
	uint8_t t = table_type(v, x);

	switch (v->op) {
	case OP_table_get:
		val_pop(v, VM_I32);
		val_push(v, t);
		break;
	case OP_table_set:
		val_pop(v, t);
		val_pop(v, VM_I32);
		break;
	case OP_table_grow:
		val_pop(v, VM_I32);
		val_pop(v, t);
		val_push(v, VM_I32);
		break;
	case OP_table_fill:
		val_pop(v, VM_I32);
		val_pop(v, t);
		val_pop(v, VM_I32);
		break;
	default:
		break;
	}
}

static void val_signature(struct val *v, uint32_t type)
{
	const struct vm_func_type *t = &v->m->types.at[type];

	val_pops(v, t->params, t->n_params);
	val_pushes(v, t->results, t->n_results);
}

static void val_func(struct val *v, uint32_t x)
{
	if (x >= v->m->funcs.len)
		fail_index(v, "function", x, v->m->funcs.len);
	else if (v->op == OP_call)
		val_signature(v, v->m->funcs.at[x].type);
	else if (!v->m->funcs.at[x].declared)
		val_fail(v, ERR_INVALID,
			 "undeclared function reference %u: no export, element or global names it",
			 x);
	else
		val_push(v, VM_FUNCREF);
}

static void val_call_indirect(struct val *v, const struct imms *im)
{
	uint8_t t = table_type(v, im->y);

	if (t != VM_FUNCREF)
		val_fail(v, ERR_INVALID, "type mismatch: table %u holds %s, not functions", im->y,
			 type_name(t));
	val_pop(v, VM_I32);
	if (im->x >= v->m->types.len)
		fail_index(v, "type", im->x, v->m->types.len);
	else
		val_signature(v, im->x);
}

static bool is_ref(uint8_t t)
{
	return t == VM_FUNCREF || t == VM_EXTERNREF;
}

/* Without a type only numbers can be chosen from. */
static void val_select(struct val *v)
{
	uint8_t a, b;

	val_pop(v, VM_I32);
	a = val_pop_any(v);
	b = val_pop_any(v);
	if (is_ref(a) || is_ref(b))
		val_fail(v, ERR_INVALID, "type mismatch: select of references must name its type");
	else if (a != b && a != T_ANY && b != T_ANY)
		val_fail(v, ERR_INVALID, "expected %s, found %s", type_name(b), type_name(a));
	val_push(v, a != T_ANY ? a : b);
}

static void val_select_t(struct val *v, const struct imms *im)
{
	if (v->r.bad != NULL)
		return;
	if (im->n != 1) {
		val_fail(v, ERR_INVALID, "invalid result arity %u: select yields one value", im->n);
		return;
	}
	val_pop(v, VM_I32);
	val_pop(v, im->list[0]);
	val_pop(v, im->list[0]);
	val_push(v, im->list[0]);
}

static void val_is_null(struct val *v)
{
	uint8_t t = val_pop_any(v);

	if (t != T_ANY && !is_ref(t))
		val_fail(v, ERR_INVALID, "expected a reference, found %s", type_name(t));
	val_push(v, VM_I32);
}

/* Odd ones without immediates. */
static void val_plain(struct val *v)
{
	switch (v->op) {
	case OP_unreachable:
		val_dead(v);
		break;
	case OP_else:
		val_else(v);
		break;
	case OP_end:
		val_end(v);
		break;
	case OP_return:
		val_return(v);
		break;
	case OP_drop:
		(void)val_pop_any(v);
		break;
	case OP_select:
		val_select(v);
		break;
	case OP_ref_is_null:
		val_is_null(v);
		break;
	default:
		break;
	}
}

/* Immediates that must name something; the rest of the row stands. */
static void val_indices(struct val *v, const struct imms *im, enum imm shape)
{
	switch (shape) {
	case IMM_MEMORY:
		need_memory(v, im->x);
		break;
	case IMM_MEMORY2:
		need_memory(v, im->x);
		need_memory(v, im->y);
		break;
	case IMM_DATA_MEM:
		need_memory(v, im->y);
		need_data(v, im->x);
		break;
	case IMM_DATA:
		need_data(v, im->x);
		break;
	case IMM_ELEM:
		need_elem(v, im->x);
		break;
	case IMM_ELEM_TABLE:
		need_elem(v, im->x);
		if (v->r.bad == NULL)
			need_same(v, table_type(v, im->y), v->m->elems.at[im->x].type);
		break;
	case IMM_TABLE2:
		need_same(v, table_type(v, im->x), table_type(v, im->y));
		break;
	default:
		break;
	}
}

static void val_label(struct val *v, uint32_t depth)
{
	if (v->op == OP_br)
		val_br(v, depth);
	else
		val_br_if(v, depth);
}

/* Odd ones with immediates, and the indices of the others. */
static void val_rest(struct val *v, const struct imms *im, enum imm shape)
{
	switch (shape) {
	case IMM_BLOCK:
		val_block(v, im);
		break;
	case IMM_LABEL:
		val_label(v, im->x);
		break;
	case IMM_BR_TABLE:
		val_br_table(v, im);
		break;
	case IMM_FUNC:
		val_func(v, im->x);
		break;
	case IMM_CALL_INDIRECT:
		val_call_indirect(v, im);
		break;
	case IMM_GLOBAL:
		val_global(v, im->x);
		break;
	case IMM_TABLE:
		val_table(v, im->x);
		break;
	case IMM_REFTYPE:
		val_push(v, (uint8_t)im->x);
		break;
	case IMM_SELECT_T:
		val_select_t(v, im);
		break;
	default:
		val_indices(v, im, shape);
		break;
	}
}

/* Apart from val_op, which so keeps everything in registers. */
__attribute__((noinline)) static void val_imms(struct val *v, const struct sig *s)
{
	struct imms im = { 0 };

	imm_read(&v->r, (enum imm)s->imm, &im);
	if (s->imm == IMM_MEMARG)
		need_memarg(v, s, &im);
	else
		val_rest(v, &im, (enum imm)s->imm);
}

/* The commonest shapes come first; more than half of all instructions use or
 * set a local. */
static inline void val_op(struct val *v, const struct sig *s)
{
	if (s->imm == IMM_LOCAL)
		val_local(v, leb_u32(&v->r));
	else if (s->imm == IMM_S32)
		(void)leb_s32(&v->r);
	else if (s->imm != IMM_NONE)
		val_imms(v, s);
	else if (s->odd)
		val_plain(v);
	if (s->odd)
		return;
	for (unsigned i = s->n_in; i-- > 0;)
		val_pop(v, s->in[i]);
	if (s->n_out > 0)
		val_push(v, s->out);
}

/* As op_read, by the table that the walk has at hand. */
static inline uint32_t next_op(struct val *v)
{
	if (v->r.p < v->r.end && v->sig[*v->r.p].known)
		return *v->r.p++;
	v->named = false;
	return op_read_prefixed(&v->r);
}

void val_walk(struct val *v)
{
	uint32_t op;

	while (v->ctls.len > 0 && v->r.bad == NULL) {
		v->at = v->r.p;
		op = next_op(v);
		if (v->r.bad != NULL)
			return;
		v->op = op;
		v->named = true;
		val_op(v, &v->sig[op_row(op)]);
	}
	if (v->r.bad == NULL && v->r.p != v->r.end) {
		v->named = false;
		rd_fail(&v->r, "section size mismatch: bytes follow the function's end");
	}
}
