/*
 * Any bytes that are a valid module: compiled, linked with whatever it asks
 * for, started, and every exported function called, with little fuel. Done
 * twice: ends, results and fuel left must be the same.
 */
#include <stdlib.h>
#include <string.h>

#include "wasmd/vm.h"

#define FUEL   20000
#define CALLS  32
#define VALUES 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct run {
	struct vm_store *s;
	uint64_t fuel; /* of one call: enough to compile them all */
	uint64_t sum;  /* of all that was seen */
};

static void see(struct run *r, uint64_t v)
{
	r->sum = (r->sum ^ v) * 0x100000001b3u;
}

static enum vm_trap host(void *arg, struct vm_caller *c, union vm_value *v)
{
	uint8_t *p = vm_caller_mem(c, v[0].i32, 8);

	if (p != NULL)
		p[0]++;
	v[0].bits = 3;
	return vm_caller_charge(c, 10);
}

static int resolve(void *arg, const struct vm_import *imp, struct vm_extern *ret, struct err *e)
{
	struct run *r = arg;
	const union vm_value none = { .bits = 0 };

	ret->kind = imp->type.kind;
	switch (imp->type.kind) {
	case VM_FUNC:
		return vm_func_new(r->s, imp->type.func, host, r, &ret->func, e);
	case VM_TABLE:
		return vm_table_new(r->s, &imp->type.table, none, &ret->table, e);
	case VM_MEMORY:
		return vm_memory_new(r->s, &imp->type.memory, &ret->memory, e);
	case VM_GLOBAL:
		return vm_global_new(r->s, &imp->type.global, none, &ret->global, e);
	}
	return err_set(e, ERR_INTERNAL, "no such kind");
}

static bool is_ref(uint8_t type)
{
	return type == VM_FUNCREF || type == VM_EXTERNREF;
}

/* A NaN's bits may differ from one run to the next; its being one may not. */
static void see_value(struct run *r, union vm_value v, uint8_t type)
{
	if (type == VM_F32)
		see(r, v.f32 != v.f32 ? 1 : v.i32);
	else if (type == VM_F64)
		see(r, v.f64 != v.f64 ? 1 : v.bits);
	else
		see(r, is_ref(type) ? v.ref != NULL : v.bits);
}

static void call(struct run *r, struct vm_func *f)
{
	const struct vm_func_type *t = vm_func_type(f);
	union vm_value v[VALUES];
	struct vm_trap_info info;
	char text[200];

	for (uint32_t i = 0; i < t->n_params; i++)
		v[i].bits = is_ref(t->params[i]) ? 0 : i * 7 + 1;
	vm_store_set_fuel(r->s, r->fuel);
	see(r, vm_call(r->s, f, v, &info));
	see(r, vm_store_fuel(r->s));
	see(r, info.depth);
	vm_trap_format(&info, text, sizeof(text));
	if (info.trap == VM_TRAP_NONE)
		for (uint32_t i = 0; i < t->n_results; i++)
			see_value(r, v[i], t->results[i]);
}

static void run_exports(struct run *r, struct vm_code *c, struct vm_instance *in)
{
	for (uint32_t i = 0; i < vm_code_n_exports(c) && i < CALLS; i++) {
		struct vm_export x = vm_code_export(c, i);
		struct vm_extern got;

		if (!vm_instance_export(in, x.name, x.name_len, &got) || got.kind != x.type.kind)
			abort();
		if (got.kind == VM_FUNC)
			call(r, got.func);
	}
}

static uint64_t run_code(struct vm_code *c, uint64_t fuel)
{
	struct vm_store_limits lim = {
		.memory = 4 << 20, .table = 10000, .stack = 64 << 10, .call_depth = 300
	};
	struct run r = { .fuel = fuel };
	struct vm_instance *in;
	struct vm_trap_info info;
	struct err e = { 0 };

	if (vm_store_new(&lim, &r.s, &e) != 0)
		abort();
	vm_store_set_fuel(r.s, r.fuel);
	see(&r, (uint64_t)vm_instance_new(r.s, c, resolve, &r, &in, &info, &e));
	if (e.code == 0) {
		see(&r, vm_instance_start(in, &info));
		run_exports(&r, c, in);
	}
	(void)vm_store_free(r.s);
	return r.sum;
}

/* From the bytes on: what is compiled already is not charged again. */
static bool run_once(const uint8_t *data, size_t len, uint64_t *ret)
{
	struct vm_valid_module *v;
	struct vm_module *m;
	struct vm_code *c;
	struct err e = { 0 };

	if (vm_module_decode(data, len, &m, &e) != 0 || vm_module_validate(m, &v, &e) != 0)
		return false;
	if (vm_module_compile(v, &c, &e) != 0)
		abort();
	*ret = run_code(c, FUEL + 32 * len);
	(void)vm_code_unref(c);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t first, again;

	if (run_once(data, len, &first) && (!run_once(data, len, &again) || first != again))
		abort();
	return 0;
}
