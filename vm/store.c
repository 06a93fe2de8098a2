/*
 * The store: owns all that instances are made of, their two stacks, and one
 * copy of each function type, so that equal types are equal pointers.
 */
#include <sys/mman.h>

#include "vm/store.h"
#include "wasmd/limits.h"

#define CTL_SPARE 2u /* a call pushes its frame before the callee looks */

/* ---- limits and stacks -------------------------------------------------- */

static struct vm_store_limits limits_of(const struct vm_store_limits *lim)
{
	struct vm_store_limits r = lim != NULL ? *lim : (struct vm_store_limits){ 0 };

	r.memory = r.memory != 0 ? r.memory : (uint64_t)LIM_MEMORY_PAGES * VM_PAGE;
	r.table = r.table != 0 ? r.table : LIM_TABLE_ELEMS;
	r.stack = r.stack != 0 ? r.stack : LIM_STACK_BYTES;
	r.call_depth = r.call_depth != 0 ? r.call_depth : LIM_CALL_DEPTH;
	if (r.call_depth > LIM_CALL_DEPTH)
		r.call_depth = LIM_CALL_DEPTH;
	return r;
}

static void *stack_map(size_t n)
{
	void *p = fault_hit() ? MAP_FAILED
			      : mmap(NULL, n, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

static size_t ctl_bytes(const struct vm_store_limits *lim)
{
	return ((size_t)lim->call_depth + CTL_SPARE) * sizeof(struct ctl);
}

static void stacks_done(struct vm_store *s)
{
	if (s->stack != NULL)
		(void)munmap(s->stack, s->mapped.stack);
	if (s->ctl != NULL)
		(void)munmap(s->ctl, ctl_bytes(&s->mapped));
}

/* Maps anew where @lim is more than what is mapped; nothing runs now. */
static int stacks_fit(struct vm_store *s, const struct vm_store_limits *lim, struct err *e)
{
	struct vm_store_limits want = s->mapped;
	void *stack, *ctl;

	if (s->stack != NULL && lim->stack <= want.stack && lim->call_depth <= want.call_depth)
		return 0;
	want.stack = lim->stack > want.stack ? lim->stack : want.stack;
	want.call_depth = lim->call_depth > want.call_depth ? lim->call_depth : want.call_depth;
	stack = stack_map(want.stack);
	ctl = stack_map(ctl_bytes(&want));
	if (stack == NULL || ctl == NULL) {
		if (stack != NULL)
			(void)munmap(stack, want.stack);
		if (ctl != NULL)
			(void)munmap(ctl, ctl_bytes(&want));
		return err_nomem(e);
	}
	stacks_done(s);
	s->stack = stack;
	s->ctl = ctl;
	s->mapped = want;
	return 0;
}

int vm_store_set_limits(struct vm_store *s, const struct vm_store_limits *lim, struct err *e)
{
	struct vm_store_limits l = limits_of(lim);

	if (l.memory < s->memory_used || l.table < s->table_used)
		return err_set(e, ERR_LIMIT,
			       "%llu bytes of memory and %llu table entries are in use already",
			       (unsigned long long)s->memory_used,
			       (unsigned long long)s->table_used);
	if (stacks_fit(s, &l, e) != 0)
		return e->code;
	s->lim = l;
	s->stack_end = s->stack + l.stack / sizeof(union slot);
	s->ctl_end = s->ctl + l.call_depth;
	return 0;
}

/* ---- birth, death, ownership -------------------------------------------- */

int vm_store_new(const struct vm_store_limits *lim, struct vm_store **ret, struct err *e)
{
	struct vm_store *s = mem_new(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	s->root.st = s;
	s->root.mem = &s->no_memory;
	s->no_memory.st = s;
	s->reserve = UINT64_MAX;
	if (vm_store_set_limits(s, lim, e) != 0) {
		(void)vm_store_free(s);
		return e->code;
	}
	*ret = s;
	return 0;
}

struct vm_store *vm_store_free(struct vm_store *s)
{
	if (s == NULL)
		return NULL;
	while (s->owned.len > 0) {
		struct owned *o = &s->owned.at[--s->owned.len];

		o->free(o->p);
	}
	VEC_DONE(&s->owned);
	free(s->types);
	stacks_done(s);
	free(s);
	return NULL;
}

/* On failure @p is freed at once. */
int store_own(struct vm_store *s, void *p, void (*fn)(void *), struct err *e)
{
	struct owned *o = VEC_PUSH(&s->owned);

	if (o == NULL) {
		fn(p);
		return err_nomem(e);
	}
	*o = (struct owned){ p, fn };
	return 0;
}

uint64_t vm_store_memory_peak(const struct vm_store *s)
{
	return s->memory_peak;
}

/* ---- function types ----------------------------------------------------- */

bool func_type_equal(const struct vm_func_type *a, const struct vm_func_type *b)
{
	return a->n_params == b->n_params && a->n_results == b->n_results &&
	       (a->n_params == 0 || memcmp(a->params, b->params, a->n_params) == 0) &&
	       (a->n_results == 0 || memcmp(a->results, b->results, a->n_results) == 0);
}

static uint32_t hash_bytes(uint32_t h, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return (h ^ n) * 16777619u;
}

/* The place of @t, or the free one where it belongs. */
static const struct vm_func_type **type_place(const struct vm_func_type **at, uint32_t cap,
					      const struct vm_func_type *t)
{
	uint32_t h = hash_bytes(hash_bytes(2166136261u, t->params, t->n_params), t->results,
				t->n_results);

	while (at[h & (cap - 1)] != NULL && !func_type_equal(at[h & (cap - 1)], t))
		h++;
	return &at[h & (cap - 1)];
}

static int types_room(struct vm_store *s, struct err *e)
{
	uint32_t cap = s->cap_types != 0 ? s->cap_types * 2 : 64;
	const struct vm_func_type **at;

	if (s->n_types * 2 < s->cap_types)
		return 0;
	at = mem_new(cap, sizeof(*at));
	if (at == NULL)
		return err_nomem(e);
	for (uint32_t i = 0; i < s->cap_types; i++)
		if (s->types[i] != NULL)
			*type_place(at, cap, s->types[i]) = s->types[i];
	free(s->types);
	s->types = at;
	s->cap_types = cap;
	return 0;
}

/* A copy in one block. */
static struct vm_func_type *type_copy(const struct vm_func_type *t)
{
	struct vm_func_type *r = mem_new(1, sizeof(*r) + t->n_params + t->n_results);
	uint8_t *p;

	if (r == NULL)
		return NULL;
	p = (uint8_t *)(r + 1);
	*r = *t;
	r->params = p;
	r->results = p + t->n_params;
	if (t->n_params != 0)
		memcpy(p, t->params, t->n_params);
	if (t->n_results != 0)
		memcpy(p + t->n_params, t->results, t->n_results);
	return r;
}

/* The store's own copy of @t, or NULL. */
const struct vm_func_type *store_intern(struct vm_store *s, const struct vm_func_type *t,
					struct err *e)
{
	const struct vm_func_type **at;
	struct vm_func_type *copy;

	if (types_room(s, e) != 0)
		return NULL;
	at = type_place(s->types, s->cap_types, t);
	if (*at != NULL)
		return *at;
	copy = type_copy(t);
	if (copy == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	if (store_own(s, copy, free, e) != 0)
		return NULL;
	*at = copy;
	s->n_types++;
	return copy;
}

/* ---- what the host makes ------------------------------------------------ */

int vm_func_new(struct vm_store *s, const struct vm_func_type *type, vm_host_fn *fn, void *arg,
		struct vm_func **ret, struct err *e)
{
	const struct vm_func_type *t = store_intern(s, type, e);
	struct host_func *h;

	if (t == NULL)
		return e->code;
	h = mem_new(1, sizeof(*h));
	if (h == NULL)
		return err_nomem(e);
	h->f = (struct vm_func){ .ip = stub_host, .in = &s->root, .type = t };
	h->fn = fn;
	h->arg = arg;
	if (store_own(s, h, free, e) != 0)
		return e->code;
	*ret = &h->f;
	return 0;
}

const struct vm_func_type *vm_func_type(const struct vm_func *f)
{
	return f->type;
}

int vm_global_new(struct vm_store *s, const struct vm_global_type *type, union vm_value init,
		  struct vm_global **ret, struct err *e)
{
	struct vm_global *g = mem_new(1, sizeof(*g));

	if (g == NULL)
		return err_nomem(e);
	g->type = *type;
	g->v.u64 = type->type == VM_I32 || type->type == VM_F32 ? init.i32 : init.bits;
	if (store_own(s, g, free, e) != 0)
		return e->code;
	*ret = g;
	return 0;
}

union vm_value vm_global_get(const struct vm_global *g)
{
	return (union vm_value){ .bits = g->v.u64 };
}
