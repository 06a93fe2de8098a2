/*
 * Compiled modules: counted references, bodies compiled when asked for, and
 * what a module imports and exports.
 */
#include "vm/code.h"

int vm_module_compile(struct vm_valid_module *take, struct vm_code **ret, struct err *e)
{
	struct vm_code *c = mem_new(1, sizeof(*c));

	if (c == NULL) {
		(void)vm_valid_module_free(take);
		return err_nomem(e);
	}
	c->refs = 1;
	c->valid = take;
	c->m = take->m;
	c->n_own = (uint32_t)c->m->funcs.len - c->m->n_imported[VM_FUNC];
	c->bodies = mem_new(c->n_own, sizeof(*c->bodies));
	if (c->bodies == NULL) {
		(void)vm_code_unref(c);
		return err_nomem(e);
	}
	*ret = c;
	return 0;
}

struct vm_code *vm_code_ref(struct vm_code *c)
{
	c->refs++;
	return c;
}

struct vm_code *vm_code_unref(struct vm_code *c)
{
	if (c == NULL || --c->refs > 0)
		return NULL;
	for (uint32_t i = 0; c->bodies != NULL && i < c->n_own; i++)
		free(c->bodies[i]);
	free(c->bodies);
	(void)vm_valid_module_free(c->valid);
	free(c);
	return NULL;
}

int vm_code_compile_all(struct vm_code *c, struct err *e)
{
	for (uint32_t i = 0; i < c->n_own; i++)
		if (c->bodies[i] == NULL && code_compile_body(c, i, NULL, e) != 0)
			return e->code;
	return 0;
}

static struct vm_extern_type type_of(const struct vm_module *m, enum vm_kind kind, uint32_t i)
{
	struct vm_extern_type t = { .kind = kind };

	switch (kind) {
	case VM_FUNC:
		t.func = &m->types.at[m->funcs.at[i].type];
		break;
	case VM_TABLE:
		t.table = m->tables.at[i].type;
		break;
	case VM_MEMORY:
		t.memory = m->memories.at[i];
		break;
	case VM_GLOBAL:
		t.global = m->globals.at[i].type;
		break;
	}
	return t;
}

uint32_t vm_code_n_imports(const struct vm_code *c)
{
	return (uint32_t)c->m->imports.len;
}

struct vm_import vm_code_import(const struct vm_code *c, uint32_t i)
{
	const struct mod_import *x = &c->m->imports.at[i];

	return (struct vm_import){ .module = (const char *)x->module.p,
				   .module_len = x->module.len,
				   .name = (const char *)x->name.p,
				   .name_len = x->name.len,
				   .type = type_of(c->m, x->kind, x->index) };
}

uint32_t vm_code_n_exports(const struct vm_code *c)
{
	return (uint32_t)c->m->exports.len;
}

struct vm_export vm_code_export(const struct vm_code *c, uint32_t i)
{
	const struct mod_export *x = &c->m->exports.at[i];

	return (struct vm_export){ .name = (const char *)x->name.p,
				   .name_len = x->name.len,
				   .type = type_of(c->m, x->kind, x->index) };
}

uint64_t vm_code_n_funcs(const struct vm_code *c)
{
	return c->m->funcs.len;
}
