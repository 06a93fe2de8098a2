/*
 * The module around the bodies (spec 3.5): indices, limits, constant
 * expressions, names of exports. Bodies come last, when it is known which
 * functions may be referred to.
 */
#include "vm/validate.h"

/* The offset is left out where it was not kept: entries of plain indices. */
static int unknown(struct err *e, const char *who, size_t i, const char *what, uint32_t x, size_t n)
{
	return err_set(e, ERR_INVALID, "%s %zu: unknown %s %u: there are %zu", who, i, what, x, n);
}

static int check_func_types(struct vm_module *m, struct err *e)
{
	for (size_t i = 0; i < m->funcs.len; i++)
		if (m->funcs.at[i].type >= m->types.len)
			return unknown(e, "function", i, "type", m->funcs.at[i].type, m->types.len);
	return 0;
}

static int check_limits(const struct vm_limits *lim, const char *who, size_t i, uint64_t most,
			struct err *e)
{
	if (lim->min > most || (lim->has_max && lim->max > most))
		return err_set(e, ERR_INVALID, "%s %zu: %s size must be at most %llu %s", who, i,
			       who, (unsigned long long)most,
			       most == LIM_MEMORY_PAGES ? "pages (4 GiB)" : "entries");
	if (lim->has_max && lim->min > lim->max)
		return err_set(e, ERR_INVALID,
			       "%s %zu: size minimum must not be greater than maximum: %llu, %llu",
			       who, i, (unsigned long long)lim->min, (unsigned long long)lim->max);
	return 0;
}

static int check_memories(struct vm_module *m, struct err *e)
{
	for (size_t i = 0; i < m->memories.len && e->code == 0; i++)
		(void)check_limits(&m->memories.at[i], "memory", i, LIM_MEMORY_PAGES, e);
	return e->code;
}

/* Initial values see imported globals only (spec 3.5.16). */
static int check_tables(struct vm_module *m, struct err *e)
{
	struct const_ctx c = { m, e, "table", 0, m->n_imported[VM_GLOBAL] };

	for (size_t i = 0; i < m->tables.len && e->code == 0; i++) {
		const struct mod_table *t = &m->tables.at[i];

		c.index = (uint32_t)i;
		if (check_limits(&t->type.limits, "table", i, UINT32_MAX, e) == 0 &&
		    t->init.len > 0)
			(void)val_const(&c, t->init, t->type.type);
	}
	return e->code;
}

static int check_globals(struct vm_module *m, struct err *e)
{
	struct const_ctx c = { m, e, "global", 0, 0 };

	for (size_t i = m->n_imported[VM_GLOBAL]; i < m->globals.len && e->code == 0; i++) {
		c.index = c.n_globals = (uint32_t)i;
		(void)val_const(&c, m->globals.at[i].init, m->globals.at[i].type.type);
	}
	return e->code;
}

static int check_elem_funcs(struct vm_module *m, size_t i, struct err *e)
{
	const struct mod_elem *s = &m->elems.at[i];

	for (uint32_t k = 0; k < s->n; k++) {
		if (s->funcs[k] >= m->funcs.len)
			return unknown(e, "element segment", i, "function", s->funcs[k],
				       m->funcs.len);
		m->funcs.at[s->funcs[k]].declared = true;
	}
	return 0;
}

static int check_elem_table(struct vm_module *m, const struct const_ctx *c)
{
	const struct mod_elem *s = &m->elems.at[c->index];

	if (s->table >= m->tables.len)
		return unknown(c->e, c->what, c->index, "table", s->table, m->tables.len);
	if (m->tables.at[s->table].type.type != s->type)
		return err_set(c->e, ERR_INVALID,
			       "element segment %u: type mismatch: a table of %s, elements of %s",
			       c->index, type_name(m->tables.at[s->table].type.type),
			       type_name(s->type));
	return val_const(c, s->offset, VM_I32);
}

static int check_elem(struct vm_module *m, size_t i, struct err *e)
{
	const struct mod_elem *s = &m->elems.at[i];
	struct const_ctx c = { m, e, "element segment", (uint32_t)i, (uint32_t)m->globals.len };

	if (s->mode == SEG_ACTIVE && check_elem_table(m, &c) != 0)
		return e->code;
	if (!s->exprs)
		return check_elem_funcs(m, i, e);
	for (uint32_t k = 0; k < s->n && e->code == 0; k++)
		(void)val_const(&c, s->inits[k], s->type);
	return e->code;
}

static int check_elems(struct vm_module *m, struct err *e)
{
	for (size_t i = 0; i < m->elems.len && e->code == 0; i++)
		(void)check_elem(m, i, e);
	return e->code;
}

static int check_datas(struct vm_module *m, struct err *e)
{
	struct const_ctx c = { m, e, "data segment", 0, (uint32_t)m->globals.len };

	for (size_t i = 0; i < m->datas.len && e->code == 0; i++) {
		const struct mod_data *s = &m->datas.at[i];

		c.index = (uint32_t)i;
		if (s->mode != SEG_ACTIVE)
			continue;
		if (s->memory >= m->memories.len)
			(void)unknown(e, c.what, i, "memory", s->memory, m->memories.len);
		else
			(void)val_const(&c, s->offset, VM_I32);
	}
	return e->code;
}

static int check_start(struct vm_module *m, struct err *e)
{
	const struct vm_func_type *t;

	if (m->start == VM_NO_INDEX)
		return 0;
	if (m->start >= m->funcs.len)
		return err_set(e, ERR_INVALID, "start function: unknown function %u: there are %zu",
			       m->start, m->funcs.len);
	t = &m->types.at[m->funcs.at[m->start].type];
	if (t->n_params != 0 || t->n_results != 0)
		return err_set(e, ERR_INVALID,
			       "start function %u: it takes %u and yields %u values, must be none",
			       m->start, t->n_params, t->n_results);
	return 0;
}

static int check_export_indices(struct vm_module *m, struct err *e)
{
	static const char *const what[] = { "function", "table", "memory", "global" };
	const size_t n[] = { m->funcs.len, m->tables.len, m->memories.len, m->globals.len };

	for (size_t i = 0; i < m->exports.len; i++) {
		const struct mod_export *x = &m->exports.at[i];

		if (x->index >= n[x->kind])
			return err_set(e, ERR_INVALID,
				       "offset 0x%x, export %zu: unknown %s %u: there are %zu",
				       x->name.at, i, what[x->kind], x->index, n[x->kind]);
		if (x->kind == VM_FUNC)
			m->funcs.at[x->index].declared = true;
	}
	return 0;
}

static bool before(const struct vm_module *m, uint32_t a, uint32_t b)
{
	return span_cmp(m->exports.at[a].name, m->exports.at[b].name) <= 0;
}

/* One level of a merge sort: pairs of runs of @width go from @a to @to. */
static void merge(const struct vm_module *m, const uint32_t *a, uint32_t *to, size_t width)
{
	size_t n = m->exports.len;

	for (size_t lo = 0; lo < n; lo += 2 * width) {
		size_t mid = lo + width < n ? lo + width : n;
		size_t hi = mid + width < n ? mid + width : n;
		size_t i = lo, k = mid;

		for (size_t o = lo; o < hi; o++)
			to[o] = i < mid && (k == hi || before(m, a[i], a[k])) ? a[i++] : a[k++];
	}
}

/* Sorts by merging: no order of names makes it slow, none is guessed from. */
static int sort_exports(struct vm_module *m, struct err *e)
{
	uint32_t *a = arena_alloc(m->arena, m->exports.len, sizeof(*a));
	uint32_t *b = arena_alloc(m->arena, m->exports.len, sizeof(*b)), *t;

	if (a == NULL || b == NULL)
		return err_nomem(e);
	for (uint32_t i = 0; i < m->exports.len; i++)
		a[i] = i;
	for (size_t width = 1; width < m->exports.len; width *= 2) {
		merge(m, a, b, width);
		t = a;
		a = b;
		b = t;
	}
	m->by_name = a;
	return 0;
}

static int check_export_names(struct vm_module *m, struct err *e)
{
	if (sort_exports(m, e) != 0)
		return e->code;
	for (size_t i = 1; i < m->exports.len; i++) {
		uint32_t a = m->by_name[i - 1], b = m->by_name[i];

		if (span_cmp(m->exports.at[a].name, m->exports.at[b].name) == 0)
			return err_set(e, ERR_INVALID,
				       "offset 0x%x, export %u: duplicate export name, the same as "
				       "that of export %u",
				       m->exports.at[b].name.at, b, a);
	}
	return 0;
}

static int check_module(struct vm_module *m, struct err *e)
{
	static int (*const checks[])(struct vm_module *, struct err *) = {
		check_func_types, check_tables, check_memories,	      check_globals,
		check_elems,	  check_datas,	check_export_indices, check_export_names,
		check_start,	  val_bodies,
	};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		if (checks[i](m, e) != 0)
			return e->code;
	return 0;
}

int vm_module_validate(struct vm_module *take, struct vm_valid_module **ret, struct err *e)
{
	struct vm_valid_module *v = mem_new(1, sizeof(*v));

	if (v == NULL)
		(void)err_nomem(e);
	if (v == NULL || check_module(take, e) != 0) {
		vm_module_free(take);
		free(v);
		return e->code;
	}
	v->m = take;
	*ret = v;
	return 0;
}

struct vm_valid_module *vm_valid_module_free(struct vm_valid_module *m)
{
	if (m == NULL)
		return NULL;
	vm_module_free(m->m);
	free(m);
	return NULL;
}
