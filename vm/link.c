/*
 * Linking: each import is asked for by name, and what comes is matched with
 * the type the module wants (spec 3.5.9). The sentence names the import.
 */
#include "vm/store.h"

static const char *kind_name(enum vm_kind k)
{
	static const char *const name[] = { "function", "table", "memory", "global" };

	return name[k];
}

/* What is offered may have more to begin with and less to end with. */
static bool limits_fit(struct vm_limits have, uint64_t size, struct vm_limits want)
{
	return size >= want.min && (!want.has_max || (have.has_max && have.max <= want.max));
}

static bool global_fit(const struct vm_global *g, struct vm_global_type want)
{
	return g->type.type == want.type && g->type.mutable == want.mutable;
}

static bool extern_fit(const struct vm_extern *x, const struct vm_extern_type *want)
{
	switch (want->kind) {
	case VM_FUNC:
		return func_type_equal(x->func->type, want->func);
	case VM_TABLE:
		return x->table->type.type == want->table.type &&
		       limits_fit(x->table->type.limits, x->table->size, want->table.limits);
	case VM_MEMORY:
		return limits_fit(x->memory->type, x->memory->size / VM_PAGE, want->memory);
	case VM_GLOBAL:
		return global_fit(x->global, want->global);
	}
	return false;
}

static void link_one(struct vm_instance *in, const struct vm_extern *x, uint32_t i)
{
	switch (x->kind) {
	case VM_FUNC:
		in->imports[i] = x->func;
		break;
	case VM_TABLE:
		in->tables[i] = x->table;
		break;
	case VM_MEMORY:
		in->memories[i] = x->memory;
		break;
	case VM_GLOBAL:
		in->globals[i] = x->global;
		break;
	}
}

static int name_import(const struct vm_import *imp, struct err *e)
{
	return err_prefix(e, "import \"%.*s\" \"%.*s\" (%s)", (int)imp->module_len, imp->module,
			  (int)imp->name_len, imp->name, kind_name(imp->type.kind));
}

int link_imports(struct vm_instance *in, vm_resolve_fn *resolve, void *arg, struct err *e)
{
	const struct vm_module *m = in->code->m;

	for (uint32_t i = 0; i < m->imports.len; i++) {
		struct vm_import imp = vm_code_import(in->code, i);
		struct vm_extern x = { 0 };

		if (resolve == NULL)
			(void)err_set(e, ERR_UNLINKABLE, "unknown import");
		else if (resolve(arg, &imp, &x, e) == 0 && x.kind != imp.type.kind)
			(void)err_set(e, ERR_UNLINKABLE,
				      "incompatible import type: a %s is offered",
				      kind_name(x.kind));
		else if (e->code == 0 && !extern_fit(&x, &imp.type))
			(void)err_set(e, ERR_UNLINKABLE,
				      "incompatible import type: the %s offered has another type",
				      kind_name(x.kind));
		if (e->code != 0)
			return name_import(&imp, e);
		link_one(in, &x, m->imports.at[i].index);
	}
	return 0;
}
