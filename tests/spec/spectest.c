/*
 * The module "spectest" of the specification's test harness, and what the
 * script has registered: the answer to every import.
 */
#include "spec.h"

static enum vm_trap print_nothing(void *arg, struct vm_caller *c, union vm_value *v)
{
	return VM_TRAP_NONE;
}

static const struct {
	const char *name;
	uint8_t params[2];
	uint32_t n;
} prints[] = {
	{ "print", { 0 }, 0 },
	{ "print_i32", { VM_I32 }, 1 },
	{ "print_i64", { VM_I64 }, 1 },
	{ "print_f32", { VM_F32 }, 1 },
	{ "print_f64", { VM_F64 }, 1 },
	{ "print_i32_f32", { VM_I32, VM_F32 }, 2 },
	{ "print_f64_f64", { VM_F64, VM_F64 }, 2 },
};

static const struct {
	const char *name;
	uint8_t type;
	union vm_value v;
} globals[] = {
	{ "global_i32", VM_I32, { .i32 = 666 } },
	{ "global_i64", VM_I64, { .i64 = 666 } },
	{ "global_f32", VM_F32, { .f32 = 666.6f } },
	{ "global_f64", VM_F64, { .f64 = 666.6 } },
};

#define N_PRINTS  ARRAY_LEN(prints)
#define N_GLOBALS ARRAY_LEN(globals)

int spectest_make(struct script *s, struct err *e)
{
	struct vm_table_type table = { VM_FUNCREF, { 10, 20, true } };
	struct vm_limits memory = { 1, 2, true };
	struct vm_extern *x = s->spectest;

	for (size_t i = 0; i < N_PRINTS; i++, x++) {
		struct vm_func_type t = { .params = prints[i].params, .n_params = prints[i].n };

		x->kind = VM_FUNC;
		if (vm_func_new(s->st, &t, print_nothing, NULL, &x->func, e) != 0)
			return e->code;
	}
	for (size_t i = 0; i < N_GLOBALS; i++, x++) {
		struct vm_global_type t = { .type = globals[i].type };

		x->kind = VM_GLOBAL;
		if (vm_global_new(s->st, &t, globals[i].v, &x->global, e) != 0)
			return e->code;
	}
	x->kind = VM_TABLE;
	if (vm_table_new(s->st, &table, (union vm_value){ .bits = 0 }, &x->table, e) != 0)
		return e->code;
	x[1].kind = VM_MEMORY;
	return vm_memory_new(s->st, &memory, &x[1].memory, e);
}

static bool is_name(const char *p, uint32_t len, const char *want)
{
	return strlen(want) == len && (len == 0 || memcmp(p, want, len) == 0);
}

static const struct vm_extern *spectest_find(const struct script *s, const char *p, uint32_t len)
{
	for (size_t i = 0; i < N_PRINTS; i++)
		if (is_name(p, len, prints[i].name))
			return &s->spectest[i];
	for (size_t i = 0; i < N_GLOBALS; i++)
		if (is_name(p, len, globals[i].name))
			return &s->spectest[N_PRINTS + i];
	if (is_name(p, len, "table"))
		return &s->spectest[N_PRINTS + N_GLOBALS];
	if (is_name(p, len, "memory"))
		return &s->spectest[N_PRINTS + N_GLOBALS + 1];
	return NULL;
}

/* The newest registration of a name hides those before. */
static const struct spec_instance *registered(const struct script *s, const struct vm_import *imp)
{
	for (size_t i = s->instances.len; i > 0; i--) {
		const struct spec_instance *in = &s->instances.at[i - 1];

		if (in->registered[0] != '\0' &&
		    is_name(imp->module, imp->module_len, in->registered))
			return in;
	}
	return NULL;
}

int spectest_resolve(void *script, const struct vm_import *imp, struct vm_extern *ret,
		     struct err *e)
{
	const struct script *s = script;
	const struct spec_instance *in = registered(s, imp);
	const struct vm_extern *x = NULL;

	if (in != NULL && in->in == NULL)
		return err_set(e, ERR_UNSUPPORTED, "needs the feature %s, as what it imports does",
			       in->feature);
	if (in != NULL && vm_instance_export(in->in, imp->name, imp->name_len, ret))
		return 0;
	if (in == NULL && is_name(imp->module, imp->module_len, "spectest"))
		x = spectest_find(s, imp->name, imp->name_len);
	if (x == NULL)
		return err_set(e, ERR_UNLINKABLE, "unknown import");
	*ret = *x;
	return 0;
}
