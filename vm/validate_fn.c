/*
 * Function bodies: locals, then instructions to the matching end. The stacks
 * are made once and reused for every body.
 */
#include "vm/validate_stack.h"

#define FIRST_OPERANDS 256u

static uint8_t type_of_char(char c)
{
	return c == 'i' ? VM_I32 : c == 'I' ? VM_I64 : c == 'f' ? VM_F32 : VM_F64;
}

static struct sig sig_of(const struct op_info *o)
{
	struct sig s = {
		.imm = o->imm, .align = o->align, .odd = o->in == NULL, .known = o->text != NULL
	};

	if (s.odd)
		return s;
	for (const char *p = o->in; *p != '\0'; p++)
		s.in[s.n_in++] = type_of_char(*p);
	if (o->out[0] != '\0') {
		s.n_out = 1;
		s.out = type_of_char(o->out[0]);
	}
	return s;
}

static void flat_fill(struct val *v, uint64_t first, uint64_t n, uint8_t type)
{
	if (first < FLAT_LOCALS)
		memset(v->flat + first, type, n < FLAT_LOCALS - first ? n : FLAT_LOCALS - first);
}

/* @n locals of one type after the @have there are. */
static void local_run(struct val *v, uint64_t have, uint32_t n, uint8_t type)
{
	struct local_run *run;

	if (n == 0 || have + n > LIM_LOCALS)
		return;
	flat_fill(v, have, n, type);
	run = VEC_PUSH(&v->runs);
	if (run != NULL)
		*run = (struct local_run){ (uint32_t)have, type };
	else
		(void)err_nomem(v->e);
}

/* Parameters always fit the flat part. */
_Static_assert(LIM_PARAMS <= FLAT_LOCALS, "parameters are looked up directly");

static void val_locals(struct val *v, const struct vm_func_type *t)
{
	uint64_t have = t->n_params;
	uint32_t n_runs = leb_u32(&v->r), n;

	v->runs.len = 0;
	if (t->n_params > 0)
		memcpy(v->flat, t->params, t->n_params);
	if (n_runs > rd_left(&v->r))
		rd_fail(&v->r, "unexpected end");
	for (uint32_t i = 0; i < n_runs && v->r.bad == NULL && v->e->code == 0; i++) {
		n = leb_u32(&v->r);
		local_run(v, have, n, valtype_read(&v->r));
		have += n;
	}
	if (have > UINT32_MAX)
		rd_fail(&v->r, "too many locals");
	else if (have > LIM_LOCALS && v->r.bad == NULL)
		err_set(v->e, ERR_LIMIT,
			"offset 0x%zx, function %u: %llu locals, more than the %u that are "
			"accepted",
			rd_at(&v->r), v->func, (unsigned long long)have, LIM_LOCALS);
	v->n_locals = (uint32_t)have;
}

/* "function 12, i32.add", or without the latter between instructions. */
static int val_report(struct val *v)
{
	char where[64];

	if (v->e->code != 0 || v->r.bad == NULL)
		return v->e->code;
	(void)snprintf(where, sizeof(where), v->named ? "function %u, %s" : "function %u", v->func,
		       op_info(v->op)->text);
	return rd_report(&v->r, v->e, where);
}

static int val_body(struct val *v, uint32_t func)
{
	const struct mod_func *f = &v->m->funcs.at[func];
	const struct vm_func_type *t = &v->m->types.at[f->type];
	struct ctl c = { t->params, t->results, 0, t->n_results, 0, 0, false };

	v->r = span_rd(v->m, f->body);
	v->func = func;
	v->op = OP_end;
	v->named = false;
	v->at = f->body.p;
	v->n_ops = 0;
	v->ctls.len = 0;
	val_locals(v, t);
	if (v->e->code == 0 && v->r.bad == NULL) {
		val_open(v, OP_block, c);
		val_walk(v);
	}
	return val_report(v);
}

static int all_bodies(struct val *v)
{
	const struct vm_module *m = v->m;
	int err = 0;

	if (!vec_room(&v->ops, &v->cap_ops, FIRST_OPERANDS, 1))
		return err_nomem(v->e);
	for (uint32_t i = m->n_imported[VM_FUNC]; i < m->funcs.len && err == 0; i++)
		err = val_body(v, i);
	return err;
}

int val_bodies(struct vm_module *m, struct err *e)
{
	struct val *v = mem_new(1, sizeof(*v));
	int err;

	if (v == NULL)
		return err_nomem(e);
	v->m = m;
	v->e = e;
	for (unsigned i = 0; i < OP_ROWS; i++)
		v->sig[i] = sig_of(&op_rows[i]);
	err = all_bodies(v);
	free(v->ops);
	VEC_DONE(&v->ctls);
	VEC_DONE(&v->runs);
	free(v);
	return err;
}
