/*
 * Constant expressions (spec 3.4.13): constants, null, functions, and globals
 * that cannot change and stand before.
 */
#include "vm/validate.h"

struct walk {
	const struct const_ctx *c;
	struct rd r;
	size_t at;
	uint32_t op;
	uint32_t n; /* values so far */
	uint8_t type;
};

__attribute__((format(printf, 3, 4), cold)) static void refuse(struct walk *w, int code,
							       const char *fmt, ...)
{
	char why[160];
	va_list ap;

	if (w->r.bad != NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	rd_fail(&w->r, fmt);
	err_set(w->c->e, code, "offset 0x%zx, %s %u, %s: %s", w->at, w->c->what, w->c->index,
		op_info(w->op)->text, why);
}

static void yield(struct walk *w, uint8_t type)
{
	w->type = type;
	w->n++;
}

static void ref_func(struct walk *w, uint32_t x)
{
	struct vm_module *m = w->c->m;

	if (x >= m->funcs.len) {
		refuse(w, ERR_INVALID, "unknown function %u: there are %zu", x, m->funcs.len);
		return;
	}
	m->funcs.at[x].declared = true;
	yield(w, VM_FUNCREF);
}

static void global_get(struct walk *w, uint32_t x)
{
	const struct vm_module *m = w->c->m;

	if (x >= w->c->n_globals)
		refuse(w, ERR_INVALID, "unknown global %u: %u stand before this", x,
		       w->c->n_globals);
	else if (m->globals.at[x].type.mutable)
		refuse(w, ERR_INVALID, "constant expression required: global %u is mutable", x);
	else
		yield(w, m->globals.at[x].type.type);
}

static void extended(struct walk *w)
{
	refuse(w, ERR_UNSUPPORTED,
	       "arithmetic here needs the feature %s, which this engine does not have",
	       feature_info[FEAT_EXT_CONST].name);
	err_hint(w->c->e, "compile it %s", feature_info[FEAT_EXT_CONST].without);
}

static void step(struct walk *w, const struct imms *im)
{
	switch (w->op) {
	case OP_i32_const:
		yield(w, VM_I32);
		break;
	case OP_i64_const:
		yield(w, VM_I64);
		break;
	case OP_f32_const:
		yield(w, VM_F32);
		break;
	case OP_f64_const:
		yield(w, VM_F64);
		break;
	case OP_ref_null:
		yield(w, (uint8_t)im->x);
		break;
	case OP_ref_func:
		ref_func(w, im->x);
		break;
	case OP_global_get:
		global_get(w, im->x);
		break;
	case OP_i32_add:
	case OP_i32_sub:
	case OP_i32_mul:
	case OP_i64_add:
	case OP_i64_sub:
	case OP_i64_mul:
		extended(w);
		break;
	default:
		refuse(w, ERR_INVALID, "constant expression required");
		break;
	}
}

static void finish(struct walk *w, uint8_t type)
{
	if (w->r.bad != NULL)
		return;
	if (w->n == 0)
		refuse(w, ERR_INVALID, "type mismatch: expected %s, but there is no value",
		       type_name(type));
	else if (w->n > 1)
		refuse(w, ERR_INVALID, "type mismatch: a constant expression yields one value");
	else if (w->type != type)
		refuse(w, ERR_INVALID, "expected %s, found %s", type_name(type),
		       type_name(w->type));
}

int val_const(const struct const_ctx *c, struct span s, uint8_t type)
{
	struct walk w = { .c = c, .r = span_rd(c->m, s), .op = OP_nop };
	struct imms im = { 0 };
	char where[64];

	while (w.r.bad == NULL && w.op != OP_end) {
		w.at = rd_at(&w.r);
		w.op = op_read(&w.r);
		imm_read(&w.r, (enum imm)op_info(w.op)->imm, &im);
		if (w.r.bad == NULL && w.op != OP_end)
			step(&w, &im);
	}
	finish(&w, type);
	if (w.r.bad == NULL || c->e->code != 0)
		return c->e->code;
	(void)snprintf(where, sizeof(where), "%s %u", c->what, c->index);
	return rd_report(&w.r, c->e, where);
}
