/*
 * Instances: functions, tables, memories and globals of a module made in a
 * store, segments applied in order (spec 4.7.2), exports, and the way in for
 * calls from the host.
 */
#include "vm/body.h"
#include "vm/store.h"

/* ---- constant expressions ------------------------------------------------ */

struct vm_func *instance_func(const struct vm_instance *in, uint32_t i)
{
	uint32_t n = in->code->m->n_imported[VM_FUNC];

	return i < n ? in->imports[i] : &in->own[i - n];
}

/* Valid ones hold a single value until extended constants come. */
union slot const_eval(const struct vm_instance *in, struct span expr)
{
	struct rd r = span_rd(in->code->m, expr);
	uint32_t op = op_read(&r);
	struct imms im = { 0 };

	imm_read(&r, op_info(op)->imm, &im);
	switch (op) {
	case OP_i32_const:
		return (union slot){ .u64 = (uint32_t)im.k };
	case OP_global_get:
		return in->globals[im.x]->v;
	case OP_ref_func:
		return (union slot){ .ref = instance_func(in, im.x) };
	case OP_ref_null:
		return (union slot){ .u64 = 0 };
	default:
		return (union slot){ .u64 = im.k };
	}
}

/* ---- making one ----------------------------------------------------------- */

static void instance_free(void *p)
{
	struct vm_instance *in = p;

	free(in->globals);
	free(in->own);
	free(in->imports);
	free(in->tables);
	free(in->memories);
	free(in->types);
	free(in->dropped_elem);
	free(in->dropped_data);
	free(in->own_globals);
	(void)vm_code_unref(in->code);
	free(in);
}

static bool instance_rooms(struct vm_instance *in)
{
	const struct vm_module *m = in->code->m;

	in->globals = mem_new(m->globals.len, sizeof(*in->globals));
	in->own = mem_new(in->code->n_own, sizeof(*in->own));
	in->imports = mem_new(m->n_imported[VM_FUNC], sizeof(*in->imports));
	in->tables = mem_new(m->tables.len, sizeof(*in->tables));
	in->memories = mem_new(m->memories.len, sizeof(*in->memories));
	in->types = mem_new(m->types.len, sizeof(*in->types));
	in->dropped_elem = mem_new(m->elems.len, sizeof(*in->dropped_elem));
	in->dropped_data = mem_new(m->datas.len, sizeof(*in->dropped_data));
	in->own_globals =
		mem_new(m->globals.len - m->n_imported[VM_GLOBAL], sizeof(*in->own_globals));
	return in->globals != NULL && in->own != NULL && in->imports != NULL &&
	       in->tables != NULL && in->memories != NULL && in->types != NULL &&
	       in->dropped_elem != NULL && in->dropped_data != NULL && in->own_globals != NULL;
}

static int make_funcs(struct vm_instance *in, struct err *e)
{
	const struct vm_module *m = in->code->m;
	uint32_t first = m->n_imported[VM_FUNC];

	for (size_t i = 0; i < m->types.len; i++) {
		in->types[i] = store_intern(in->st, &m->types.at[i], e);
		if (in->types[i] == NULL)
			return e->code;
	}
	for (uint32_t i = 0; i < in->code->n_own; i++) {
		const struct body *b = in->code->bodies[i];

		in->own[i] = (struct vm_func){ .ip = b != NULL ? b->cells : stub_lazy,
					       .in = in,
					       .type = in->types[m->funcs.at[first + i].type] };
	}
	return 0;
}

static void make_globals(struct vm_instance *in)
{
	const struct vm_module *m = in->code->m;
	uint32_t first = m->n_imported[VM_GLOBAL];

	for (size_t i = first; i < m->globals.len; i++) {
		struct vm_global *g = &in->own_globals[i - first];

		g->type = m->globals.at[i].type;
		g->v = const_eval(in, m->globals.at[i].init);
		in->globals[i] = g;
	}
}

static int make_tables(struct vm_instance *in, struct err *e)
{
	const struct vm_module *m = in->code->m;

	for (size_t i = m->n_imported[VM_TABLE]; i < m->tables.len; i++) {
		const struct mod_table *t = &m->tables.at[i];
		union slot v = { .u64 = 0 };

		if (t->init.len != 0)
			v = const_eval(in, t->init);
		if (vm_table_new(in->st, &t->type, (union vm_value){ .ref = v.ref }, &in->tables[i],
				 e) != 0)
			return e->code;
	}
	return 0;
}

static int make_memories(struct vm_instance *in, struct err *e)
{
	const struct vm_module *m = in->code->m;

	for (size_t i = m->n_imported[VM_MEMORY]; i < m->memories.len; i++)
		if (vm_memory_new(in->st, &m->memories.at[i], &in->memories[i], e) != 0)
			return e->code;
	in->mem = m->memories.len != 0 ? in->memories[0] : &in->st->no_memory;
	return 0;
}

static enum vm_trap run_elem(struct vm_instance *in, uint32_t i)
{
	const struct mod_elem *s = &in->code->m->elems.at[i];
	enum vm_trap t;

	if (s->mode == SEG_PASSIVE)
		return VM_TRAP_NONE;
	if (s->mode == SEG_ACTIVE) {
		t = table_init_from(in, in->tables[s->table], i, const_eval(in, s->offset).u32, 0,
				    s->n);
		if (t != VM_TRAP_NONE)
			return t;
	}
	in->dropped_elem[i] = true;
	return VM_TRAP_NONE;
}

static enum vm_trap run_data(struct vm_instance *in, uint32_t i)
{
	const struct mod_data *s = &in->code->m->datas.at[i];
	enum vm_trap t;

	if (s->mode != SEG_ACTIVE)
		return VM_TRAP_NONE;
	t = memory_init_from(in, in->memories[s->memory], i, const_eval(in, s->offset).u32, 0,
			     s->bytes.len);
	if (t == VM_TRAP_NONE)
		in->dropped_data[i] = true;
	return t;
}

/* Fuel is the guest's: making an instance costs its owner, not the guest. */
static int run_segments(struct vm_instance *in, struct vm_trap_info *trap, struct err *e)
{
	const struct vm_module *m = in->code->m;
	uint64_t fuel = in->st->reserve;
	int64_t left = in->st->left;
	enum vm_trap t = VM_TRAP_NONE;
	const char *what = "element";
	uint32_t i;

	in->st->reserve = UINT64_MAX;
	for (i = 0; i < m->elems.len && t == VM_TRAP_NONE; i++)
		t = run_elem(in, i);
	if (t == VM_TRAP_NONE) {
		what = "data";
		for (i = 0; i < m->datas.len && t == VM_TRAP_NONE; i++)
			t = run_data(in, i);
	}
	in->st->reserve = fuel;
	in->st->left = left;
	*trap = (struct vm_trap_info){ .trap = t };
	if (t == VM_TRAP_NONE)
		return 0;
	return err_set(e, ERR_TRAP, "%s segment %u: %s", what, i - 1, vm_trap_text(t));
}

int vm_instance_new(struct vm_store *s, struct vm_code *c, vm_resolve_fn *resolve, void *arg,
		    struct vm_instance **ret, struct vm_trap_info *trap, struct err *e)
{
	struct vm_instance *in = mem_new(1, sizeof(*in));

	*trap = (struct vm_trap_info){ 0 };
	if (in == NULL)
		return err_nomem(e);
	in->st = s;
	in->mem = &s->no_memory;
	in->code = vm_code_ref(c);
	if (store_own(s, in, instance_free, e) != 0)
		return e->code;
	if (!instance_rooms(in))
		return err_nomem(e);
	if (make_funcs(in, e) != 0 || link_imports(in, resolve, arg, e) != 0)
		return e->code;
	make_globals(in);
	if (make_tables(in, e) != 0 || make_memories(in, e) != 0 || run_segments(in, trap, e) != 0)
		return e->code;
	*ret = in;
	return 0;
}

/* ---- using one ------------------------------------------------------------ */

static struct vm_extern instance_extern(const struct vm_instance *in, enum vm_kind kind, uint32_t i)
{
	struct vm_extern x = { .kind = kind };

	if (kind == VM_FUNC)
		x.func = instance_func(in, i);
	else if (kind == VM_TABLE)
		x.table = in->tables[i];
	else if (kind == VM_MEMORY)
		x.memory = in->memories[i];
	else
		x.global = in->globals[i];
	return x;
}

bool vm_instance_export(const struct vm_instance *in, const char *name, size_t len,
			struct vm_extern *ret)
{
	const struct vm_module *m = in->code->m;

	for (size_t i = 0; i < m->exports.len; i++) {
		const struct mod_export *x = &m->exports.at[i];

		if (x->name.len == len && (len == 0 || memcmp(x->name.p, name, len) == 0)) {
			*ret = instance_extern(in, x->kind, x->index);
			return true;
		}
	}
	return false;
}

enum vm_trap vm_instance_start(struct vm_instance *in, struct vm_trap_info *trap)
{
	uint32_t start = in->code->m->start;
	union vm_value none = { 0 };

	*trap = (struct vm_trap_info){ 0 };
	if (start == VM_NO_INDEX || in->started)
		return VM_TRAP_NONE;
	in->started = true;
	return vm_call(in->st, instance_func(in, start), &none, trap);
}

static uint64_t value_bits(union vm_value v, uint8_t type)
{
	return type == VM_I32 || type == VM_F32 ? v.i32 : v.bits;
}

enum vm_trap vm_call(struct vm_store *s, struct vm_func *f, union vm_value *v,
		     struct vm_trap_info *trap)
{
	const struct vm_func_type *t = f->type;
	union slot *fp = s->stack;

	*trap = (struct vm_trap_info){ 0 };
	if ((size_t)(s->stack_end - fp) < t->n_params) {
		trap->trap = VM_TRAP_STACK_OVERFLOW;
		return trap->trap;
	}
	for (uint32_t i = 0; i < t->n_params; i++)
		fp[i].u64 = value_bits(v[i], t->params[i]);
	s->ctl[0] = (struct ctl){ .ip = stub_exit, .fp = fp, .in = &s->root, .func = f };
	run(s, f->ip, fp, f->in, s->ctl);
	if (s->trap != VM_TRAP_NONE) {
		trap_collect(s, s->trap, trap);
		return trap->trap;
	}
	for (uint32_t i = 0; i < t->n_results; i++)
		v[i].bits = fp[i].u64;
	return VM_TRAP_NONE;
}
