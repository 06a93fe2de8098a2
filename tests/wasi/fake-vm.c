/*
 * See fake-vm.h.
 */
#include <assert.h>
#include <stdio.h>

#include "fake-vm.h"

struct vm_func {
	vm_host_fn *fn;
	void *arg;
	uint8_t params[16];
	struct vm_func_type type;
};

/* Functions live as long as the program; there are as many as WASI has. */
static struct vm_func funcs[8192];
static unsigned n_funcs;

int vm_func_new(struct vm_store *s, const struct vm_func_type *type, vm_host_fn *fn, void *arg,
		struct vm_func **ret, struct err *e)
{
	struct vm_func *f = &funcs[n_funcs++ % ARRAY_LEN(funcs)];

	assert(type->n_params <= sizeof(f->params));
	*f = (struct vm_func){ .fn = fn, .arg = arg, .type = *type };
	memcpy(f->params, type->params, type->n_params);
	*ret = f;
	return 0;
}

const struct vm_func_type *vm_func_type(const struct vm_func *f)
{
	return &f->type;
}

void *vm_caller_mem(struct vm_caller *c, uint64_t addr, uint64_t len)
{
	return addr > FAKE_MEM || len > FAKE_MEM - addr ? NULL : c->mem + addr;
}

enum vm_trap vm_caller_charge(struct vm_caller *c, uint64_t n)
{
	if (n > c->fuel) {
		c->fuel = 0;
		return VM_TRAP_FUEL;
	}
	c->fuel -= n;
	return VM_TRAP_NONE;
}

bool vm_instance_export(const struct vm_instance *i, const char *name, size_t len,
			struct vm_extern *ret)
{
	return false;
}

enum vm_trap vm_instance_start(struct vm_instance *i, struct vm_trap_info *trap)
{
	return VM_TRAP_HOST;
}

enum vm_trap vm_call(struct vm_store *s, struct vm_func *f, union vm_value *v,
		     struct vm_trap_info *trap)
{
	return VM_TRAP_HOST;
}

uint32_t fake_call(struct wasi *w, struct vm_caller *c, const char *module, const char *name,
		   const uint64_t *args, enum vm_trap *ret_trap)
{
	struct vm_import imp = { .module = module,
				 .name = name,
				 .module_len = (uint32_t)strlen(module),
				 .name_len = (uint32_t)strlen(name),
				 .type.kind = VM_FUNC };
	union vm_value v[16] = { 0 };
	struct err e = { 0 };
	struct vm_extern x;
	int rc = wasi_resolve(w, &imp, &x, &e);

	assert(rc == 0);
	for (uint32_t i = 0; i < x.func->type.n_params; i++) {
		if (x.func->params[i] == VM_I64)
			v[i].i64 = args[i];
		else
			v[i].i32 = (uint32_t)args[i];
	}
	v[15].i32 = 0;
	*ret_trap = x.func->fn(x.func->arg, c, v);
	return x.func->type.n_results != 0 ? v[0].i32 : 0;
}
