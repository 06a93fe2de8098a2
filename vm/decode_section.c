/*
 * The sections that declare: types, imports, functions, tables, memories,
 * globals, exports, start (spec 5.5.4 to 5.5.11).
 */
#include "vm/decode.h"

/* Value types are one byte each, so a list of them is used where it lies. */
static uint32_t dec_type_list(struct dec *d, const char *what, uint32_t limit, const uint8_t **ret)
{
	uint32_t n = dec_count(d, what, 0, limit);

	*ret = d->r.p;
	for (uint32_t i = 0; i < n && dec_ok(d); i++)
		(void)valtype_read(&d->r);
	return n;
}

static void dec_type(struct dec *d)
{
	struct vm_func_type *t = DEC_PUSH(d, &d->m->types);
	const uint8_t *at = d->r.p;
	uint8_t form = rd_u8(&d->r);
	const struct later *l = later_form(form);

	if (t == NULL)
		return;
	if (form != 0x60)
		rd_fail_at(&d->r, at, l != NULL ? l->text : "malformed function type");
	t->n_params = dec_type_list(d, "parameters", LIM_PARAMS, &t->params);
	t->n_results = dec_type_list(d, "results", LIM_RESULTS, &t->results);
}

void dec_types(struct dec *d)
{
	uint32_t n = dec_count(d, "types", 0, LIM_TYPES);

	for (uint32_t i = 0; i < n && dec_ok(d); i++)
		dec_type(d);
}

/* Bit 0: has a maximum; bit 1: shared; bit 2: 64-bit addresses. */
static struct vm_limits dec_limits(struct dec *d, enum later_thing wide)
{
	struct vm_limits lim = { 0 };
	const uint8_t *at = d->r.p;
	uint8_t flags = rd_u8(&d->r);

	if (flags > 7)
		rd_fail_at(&d->r, at, "malformed limits flags");
	else if (flags & 2)
		rd_fail_at(&d->r, at, later_thing(LATER_shared)->text);
	else if (flags & 4)
		rd_fail_at(&d->r, at, later_thing(wide)->text);
	lim.has_max = flags & 1;
	lim.min = leb_u64(&d->r);
	if (lim.has_max)
		lim.max = leb_u64(&d->r);
	return lim;
}

static struct vm_table_type dec_table_type(struct dec *d)
{
	struct vm_table_type t = { .type = reftype_read(&d->r) };

	t.limits = dec_limits(d, LATER_table64);
	return t;
}

static struct vm_global_type dec_global_type(struct dec *d)
{
	struct vm_global_type t = { .type = valtype_read(&d->r) };
	const uint8_t *at = d->r.p;
	uint8_t mut = rd_u8(&d->r);

	if (mut > 1)
		rd_fail_at(&d->r, at, "malformed mutability");
	t.mutable = mut == 1;
	return t;
}

static uint32_t import_func(struct dec *d)
{
	struct mod_func *f = DEC_PUSH(d, &d->m->funcs);

	if (f != NULL)
		f->type = leb_u32(&d->r);
	return (uint32_t)d->m->funcs.len - 1;
}

static uint32_t import_table(struct dec *d)
{
	struct mod_table *t = DEC_PUSH(d, &d->m->tables);

	if (t != NULL)
		t->type = dec_table_type(d);
	if (d->m->tables.len > LIM_TABLES)
		dec_limit(d, "tables", d->m->tables.len, LIM_TABLES);
	return (uint32_t)d->m->tables.len - 1;
}

static uint32_t dec_memory(struct dec *d)
{
	struct vm_limits *lim;

	if (d->m->memories.len >= LIM_MEMORIES)
		rd_fail(&d->r, later_thing(LATER_second_memory)->text);
	lim = dec_ok(d) ? DEC_PUSH(d, &d->m->memories) : NULL;
	if (lim != NULL)
		*lim = dec_limits(d, LATER_memory64);
	return (uint32_t)d->m->memories.len - 1;
}

static uint32_t import_global(struct dec *d)
{
	struct mod_global *g = DEC_PUSH(d, &d->m->globals);

	if (g != NULL)
		g->type = dec_global_type(d);
	return (uint32_t)d->m->globals.len - 1;
}

static void dec_import(struct dec *d)
{
	static uint32_t (*const read[])(struct dec *) = { import_func, import_table, dec_memory,
							  import_global };
	struct mod_import *im = DEC_PUSH(d, &d->m->imports);
	const uint8_t *at;
	uint8_t kind;

	if (im == NULL)
		return;
	im->module = dec_name(d);
	im->name = dec_name(d);
	at = d->r.p;
	kind = rd_u8(&d->r);
	if (kind >= ARRAY_LEN(read)) {
		rd_fail_at(&d->r, at,
			   kind == 4 ? later_thing(LATER_tag_import)->text
				     : "malformed import kind");
		return;
	}
	if (!dec_ok(d))
		return;
	im->kind = (enum vm_kind)kind;
	im->index = read[kind](d);
	d->m->n_imported[kind]++;
}

void dec_imports(struct dec *d)
{
	uint32_t n = dec_count(d, "imports", 0, LIM_IMPORTS);

	for (uint32_t i = 0; i < n && dec_ok(d); i++)
		dec_import(d);
}

void dec_funcs(struct dec *d)
{
	uint32_t n = dec_count(d, "functions", d->m->funcs.len, LIM_FUNCS);

	for (uint32_t i = 0; i < n && dec_ok(d); i++)
		(void)import_func(d);
}

/* 0x40 0x00 before the type: an initial value follows (spec 5.5.7). */
static void dec_table(struct dec *d)
{
	struct mod_table *t = DEC_PUSH(d, &d->m->tables);
	bool has_init = rd_left(&d->r) > 0 && *d->r.p == 0x40;

	if (t == NULL)
		return;
	if (has_init) {
		(void)rd_u8(&d->r);
		if (rd_u8(&d->r) != 0)
			rd_fail(&d->r, "malformed table: 0x40 is followed by 0x00");
	}
	t->type = dec_table_type(d);
	if (has_init)
		t->init = dec_expr(d);
}

void dec_tables(struct dec *d)
{
	uint32_t n = dec_count(d, "tables", d->m->tables.len, LIM_TABLES);

	for (uint32_t i = 0; i < n && dec_ok(d); i++)
		dec_table(d);
}

void dec_memories(struct dec *d)
{
	uint32_t n = dec_count(d, "memories", 0, UINT32_MAX);

	for (uint32_t i = 0; i < n && dec_ok(d); i++)
		(void)dec_memory(d);
}

void dec_globals(struct dec *d)
{
	uint32_t n = dec_count(d, "globals", d->m->globals.len, LIM_GLOBALS);

	for (uint32_t i = 0; i < n && dec_ok(d); i++) {
		struct mod_global *g = DEC_PUSH(d, &d->m->globals);

		if (g == NULL)
			return;
		g->type = dec_global_type(d);
		g->init = dec_expr(d);
	}
}

static void dec_export(struct dec *d)
{
	struct mod_export *x = DEC_PUSH(d, &d->m->exports);
	const uint8_t *at;
	uint8_t kind;

	if (x == NULL)
		return;
	x->name = dec_name(d);
	at = d->r.p;
	kind = rd_u8(&d->r);
	if (kind > VM_GLOBAL) {
		rd_fail_at(&d->r, at,
			   kind == 4 ? later_thing(LATER_tag_export)->text
				     : "malformed export kind");
		return;
	}
	x->kind = (enum vm_kind)kind;
	x->index = leb_u32(&d->r);
}

void dec_exports(struct dec *d)
{
	uint32_t n = dec_count(d, "exports", 0, LIM_EXPORTS);

	for (uint32_t i = 0; i < n && dec_ok(d); i++)
		dec_export(d);
}

void dec_start(struct dec *d)
{
	d->m->start = leb_u32(&d->r);
}
