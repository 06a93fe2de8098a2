/*
 * What runs: the store and what lives in it. Private to vm/.
 */
#ifndef VM_STORE_H
#define VM_STORE_H

#include "vm/code.h"

/* Every kind of function: @ip leads to its code, to the stub that compiles
 * it, or to the stub that calls the host. */
struct vm_func {
	const union cell *ip;
	struct vm_instance *in;		 /* the store's root instance for a host function */
	const struct vm_func_type *type; /* interned: equal types, equal pointers */
};

struct host_func {
	struct vm_func f;
	vm_host_fn *fn;
	void *arg;
};

struct vm_memory {
	uint8_t *base;
	uint64_t size;	   /* bytes in use */
	uint64_t reserved; /* bytes of address space */
	uint64_t max;	   /* pages */
	struct vm_limits type;
	struct vm_store *st;
};

struct vm_table {
	union slot *at;
	uint32_t size, cap;
	struct vm_table_type type;
	struct vm_store *st;
};

struct vm_global {
	union slot v;
	struct vm_global_type type;
};

struct vm_instance {
	struct vm_store *st;
	struct vm_memory *mem; /* memory 0, or the store's empty one */
	struct vm_global **globals;
	struct vm_func *own;	  /* functions with a body */
	struct vm_func **imports; /* imported functions */
	struct vm_table **tables;
	struct vm_memory **memories;
	const struct vm_func_type **types; /* interned */
	bool *dropped_elem, *dropped_data;
	struct vm_global *own_globals;
	struct vm_code *code;
	bool started;
};

/* One entry of the control stack: where to go back to, and who runs. */
struct ctl {
	const union cell *ip;
	union slot *fp;
	struct vm_instance *in;
	const struct vm_func *func;
};

/* An object that dies with the store. */
struct owned {
	void *p;
	void (*free)(void *p);
};

struct vm_store {
	/* looked at by the handlers */
	union slot *stack_end;
	struct ctl *ctl_end;
	enum vm_trap trap;
	const union cell *at; /* published before anything that may look or end */
	struct ctl *csp;
	int64_t left;	  /* of the slice of fuel handed out */
	uint64_t reserve; /* the rest; UINT64_MAX: unmetered */
	const _Atomic uint32_t *stop;

	union slot *stack;
	struct ctl *ctl;
	struct vm_store_limits lim, mapped;
	uint64_t memory_used, memory_peak, table_used;
	VEC(struct owned) owned;
	const struct vm_func_type **types; /* interned, a power of two or none */
	uint32_t n_types, cap_types;
	struct vm_instance root;
	struct vm_memory no_memory;
};

struct vm_caller {
	struct vm_store *st;
	struct vm_instance *in;
};

/* The only road from a guest address to a host pointer. Fails rather than
 * wraps, for 64-bit memories too. */
static inline uint8_t *mem_at(const struct vm_memory *m, uint64_t addr, uint64_t len)
{
	if (addr > m->size || len > m->size - addr)
		return NULL;
	return m->base + addr;
}

/* store.c */
int store_own(struct vm_store *s, void *p, void (*fn)(void *), struct err *e);
const struct vm_func_type *store_intern(struct vm_store *s, const struct vm_func_type *t,
					struct err *e);
bool func_type_equal(const struct vm_func_type *a, const struct vm_func_type *b);

/* memory.c: the old size, or -1 */
int64_t memory_grow(struct vm_memory *m, uint64_t pages);

/* table.c */
bool table_reserve(struct vm_table *t, uint64_t n);
void table_extend(struct vm_table *t, uint32_t n, union slot init);

/* run.c */
extern const union cell stub_lazy[1], stub_host[1], stub_exit[1];
void run(struct vm_store *s, const union cell *ip, union slot *fp, struct vm_instance *in,
	 struct ctl *csp);

/* run_slow.c */
enum vm_trap run_slow(struct vm_instance *in, union slot *v, const union cell *ip);
enum vm_trap run_host(struct vm_instance *in, union slot *v, const struct vm_func *f);
enum vm_trap run_lazy(struct vm_func *f);
void run_link(const union cell *call, const struct vm_func *f);
enum vm_trap table_init_from(struct vm_instance *in, struct vm_table *t, uint32_t seg, uint32_t dst,
			     uint32_t src, uint32_t n);
enum vm_trap memory_init_from(struct vm_instance *in, struct vm_memory *m, uint32_t seg,
			      uint32_t dst, uint32_t src, uint32_t n);

/* interrupt.c: fuel and stop requests */
#ifdef WASMD_FAULTS
#define FUEL_SLICE 64 /* the check runs often, so that tests meet it everywhere */
#else
#define FUEL_SLICE 65536 /* some 50 us of guest code between two looks at the flag */
#endif
enum vm_trap fuel_refill(struct vm_store *s);
enum vm_trap fuel_spend(struct vm_store *s, uint64_t n);

/* instance.c: a constant expression (spec 3.4.13), already validated */
union slot const_eval(const struct vm_instance *in, struct span expr);
struct vm_func *instance_func(const struct vm_instance *in, uint32_t i);

/* link.c */
int link_imports(struct vm_instance *in, vm_resolve_fn *resolve, void *arg, struct err *e);

/* trap.c */
void trap_collect(const struct vm_store *s, enum vm_trap t, struct vm_trap_info *ret);

#endif
