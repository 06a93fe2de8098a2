/*
 * The operations that may take long, grow something or leave the engine:
 * bulk memory and tables (spec 4.6.6, 4.6.7), calls to the host, compilation
 * at a first call. Operands lie in consecutive slots, the result goes into
 * the first. Bulk work is cut into slices between which fuel and the stop
 * flag count.
 */
#include "vm/store.h"

#define SLICE_BYTES    (256u << 10) /* some 50 us to touch for the first time */
#define SLICE_ELEMS    (SLICE_BYTES / 8)
#define BYTES_PER_FUEL 64u
#define ELEMS_PER_FUEL 8u

#define TRY(x)                          \
	do {                            \
		enum vm_trap t_ = (x);  \
		if (t_ != VM_TRAP_NONE) \
			return t_;      \
	} while (0)

struct piece {
	uint64_t at, n;
};

/* The next slice of @n things, of which @done are, seen from either end; its
 * fuel is taken. n is 0 at the end. */
static enum vm_trap next_piece(struct vm_store *s, uint64_t done, uint64_t n, bool backwards,
			       uint64_t slice, uint64_t per_fuel, struct piece *ret)
{
	ret->n = n - done < slice ? n - done : slice;
	ret->at = backwards ? n - done - ret->n : done;
	return ret->n != 0 ? fuel_spend(s, ret->n / per_fuel) : VM_TRAP_NONE;
}

/* ---- memory ------------------------------------------------------------- */

static enum vm_trap copy_bytes(struct vm_store *s, uint8_t *to, const uint8_t *from, uint64_t n)
{
	bool backwards = to > from;
	struct piece p;

	for (uint64_t done = 0; done < n; done += p.n) {
		TRY(next_piece(s, done, n, backwards, SLICE_BYTES, BYTES_PER_FUEL, &p));
		memmove(to + p.at, from + p.at, p.n);
	}
	return VM_TRAP_NONE;
}

static enum vm_trap slow_memory_fill(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	struct vm_memory *m = in->memories[x];
	uint64_t n = v[2].u32;
	uint8_t *to = mem_at(m, v[0].u32, n);
	struct piece p;

	if (to == NULL)
		return VM_TRAP_MEMORY_BOUNDS;
	for (uint64_t done = 0; done < n; done += p.n) {
		TRY(next_piece(in->st, done, n, false, SLICE_BYTES, BYTES_PER_FUEL, &p));
		memset(to + p.at, (int)(v[1].u32 & 0xff), p.n);
	}
	return VM_TRAP_NONE;
}

static enum vm_trap slow_memory_copy(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	uint64_t n = v[2].u32;
	uint8_t *to = mem_at(in->memories[x], v[0].u32, n);
	const uint8_t *from = mem_at(in->memories[y], v[1].u32, n);

	if (to == NULL || from == NULL)
		return VM_TRAP_MEMORY_BOUNDS;
	return copy_bytes(in->st, to, from, n);
}

enum vm_trap memory_init_from(struct vm_instance *in, struct vm_memory *m, uint32_t seg,
			      uint32_t dst, uint32_t src, uint32_t n)
{
	struct span s = in->code->m->datas.at[seg].bytes;
	uint64_t have = in->dropped_data[seg] ? 0 : s.len;
	uint8_t *to = mem_at(m, dst, n);

	if (to == NULL || src > have || n > have - src)
		return VM_TRAP_MEMORY_BOUNDS;
	return copy_bytes(in->st, to, n != 0 ? s.p + src : NULL, n);
}

static enum vm_trap slow_memory_init(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	return memory_init_from(in, in->memories[y], x, v[0].u32, v[1].u32, v[2].u32);
}

static enum vm_trap slow_data_drop(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	in->dropped_data[x] = true;
	return VM_TRAP_NONE;
}

/* New pages are charged as if they were filled: the kernel clears them. */
static enum vm_trap slow_memory_grow(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	int64_t old = memory_grow(in->memories[x], v[0].u32);

	if (old >= 0)
		TRY(fuel_spend(in->st, (uint64_t)v[0].u32 * (VM_PAGE / BYTES_PER_FUEL)));
	v[0].u64 = (uint32_t)old;
	return VM_TRAP_NONE;
}

/* ---- tables ------------------------------------------------------------- */

/* The only road from an index to entries. */
static union slot *table_at(const struct vm_table *t, uint64_t i, uint64_t n)
{
	if (i > t->size || n > t->size - i)
		return NULL;
	return n != 0 ? t->at + i : (union slot *)(uintptr_t)1;
}

static enum vm_trap slow_table_get(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	const union slot *at = table_at(in->tables[x], v[0].u32, 1);

	if (at == NULL)
		return VM_TRAP_TABLE_BOUNDS;
	v[0] = *at;
	return VM_TRAP_NONE;
}

static enum vm_trap slow_table_set(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	union slot *at = table_at(in->tables[x], v[0].u32, 1);

	if (at == NULL)
		return VM_TRAP_TABLE_BOUNDS;
	*at = v[1];
	return VM_TRAP_NONE;
}

static enum vm_trap slow_table_size(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	v[0].u64 = in->tables[x]->size;
	return VM_TRAP_NONE;
}

static enum vm_trap slow_table_grow(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	struct vm_table *t = in->tables[x];
	uint32_t old = t->size, n = v[1].u32;
	struct piece p;

	if (!table_reserve(t, n)) {
		v[0].u64 = UINT32_MAX;
		return VM_TRAP_NONE;
	}
	for (uint64_t done = 0; done < n; done += p.n) {
		TRY(next_piece(in->st, done, n, false, SLICE_ELEMS, ELEMS_PER_FUEL, &p));
		table_extend(t, (uint32_t)p.n, v[0]);
	}
	v[0].u64 = old;
	return VM_TRAP_NONE;
}

static enum vm_trap slow_table_fill(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	uint64_t n = v[2].u32;
	union slot *to = table_at(in->tables[x], v[0].u32, n);
	struct piece p;

	if (to == NULL)
		return VM_TRAP_TABLE_BOUNDS;
	for (uint64_t done = 0; done < n; done += p.n) {
		TRY(next_piece(in->st, done, n, false, SLICE_ELEMS, ELEMS_PER_FUEL, &p));
		for (uint64_t i = 0; i < p.n; i++)
			to[p.at + i] = v[1];
	}
	return VM_TRAP_NONE;
}

static enum vm_trap slow_table_copy(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	uint64_t n = v[2].u32;
	union slot *to = table_at(in->tables[x], v[0].u32, n);
	const union slot *from = table_at(in->tables[y], v[1].u32, n);
	struct piece p;

	if (to == NULL || from == NULL)
		return VM_TRAP_TABLE_BOUNDS;
	for (uint64_t done = 0; done < n; done += p.n) {
		TRY(next_piece(in->st, done, n, to > from, SLICE_ELEMS, ELEMS_PER_FUEL, &p));
		memmove(to + p.at, from + p.at, p.n * sizeof(*to));
	}
	return VM_TRAP_NONE;
}

static union slot elem_value(const struct vm_instance *in, const struct mod_elem *seg, uint32_t i)
{
	if (seg->exprs)
		return const_eval(in, seg->inits[i]);
	return (union slot){ .ref = instance_func(in, seg->funcs[i]) };
}

enum vm_trap table_init_from(struct vm_instance *in, struct vm_table *t, uint32_t seg, uint32_t dst,
			     uint32_t src, uint32_t n)
{
	const struct mod_elem *s = &in->code->m->elems.at[seg];
	uint32_t have = in->dropped_elem[seg] ? 0 : s->n;
	union slot *to = table_at(t, dst, n);
	struct piece p;

	if (to == NULL || src > have || n > have - src)
		return VM_TRAP_TABLE_BOUNDS;
	for (uint64_t done = 0; done < n; done += p.n) {
		TRY(next_piece(in->st, done, n, false, SLICE_ELEMS, ELEMS_PER_FUEL, &p));
		for (uint64_t i = p.at; i < p.at + p.n; i++)
			to[i] = elem_value(in, s, src + (uint32_t)i);
	}
	return VM_TRAP_NONE;
}

static enum vm_trap slow_table_init(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	return table_init_from(in, in->tables[y], x, v[0].u32, v[1].u32, v[2].u32);
}

static enum vm_trap slow_elem_drop(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	in->dropped_elem[x] = true;
	return VM_TRAP_NONE;
}

static enum vm_trap slow_ref_func(struct vm_instance *in, union slot *v, uint32_t x, uint32_t y)
{
	v[0].ref = instance_func(in, x);
	return VM_TRAP_NONE;
}

enum vm_trap run_slow(struct vm_instance *in, union slot *v, const union cell *ip)
{
	static enum vm_trap (*const fn[])(struct vm_instance *, union slot *, uint32_t,
					  uint32_t) = {
#define SLOW(id, n_in, n_out) [SLOW_##id] = slow_##id,
		CODE_SLOWS(SLOW)
#undef SLOW
	};

	return fn[ip->b](in, v, ip[1].x, ip[1].y);
}

/* ---- calls that leave compiled code ------------------------------------- */

/* Whatever the host left in the upper half of a narrow result is not seen. */
enum vm_trap run_host(struct vm_instance *in, union slot *v, const struct vm_func *f)
{
	const struct host_func *h = (const struct host_func *)(const void *)f;
	const struct vm_func_type *t = f->type;
	struct vm_caller caller = { .st = in->st, .in = in };
	uint32_t n = t->n_params > t->n_results ? t->n_params : t->n_results;

	if ((size_t)(in->st->stack_end - v) < n)
		return VM_TRAP_STACK_OVERFLOW;
	TRY(h->fn(h->arg, &caller, (union vm_value *)(void *)v));
	for (uint32_t i = 0; i < t->n_results; i++)
		if (t->results[i] == VM_I32 || t->results[i] == VM_F32)
			v[i].u64 = v[i].u32;
	return VM_TRAP_NONE;
}

/* Its length is charged beforehand: no body is compiled on credit. */
static enum vm_trap compile_body(struct vm_store *s, struct vm_code *c, uint32_t own)
{
	const struct mod_func *f = &c->m->funcs.at[c->m->n_imported[VM_FUNC] + own];
	struct code_payer payer = { .st = s };
	struct err e = { 0 };

	TRY(fuel_spend(s, CODE_FUEL_PER_BODY + (uint64_t)f->body.len * CODE_FUEL_PER_BYTE));
	if (code_compile_body(c, own, &payer, &e) == 0)
		return VM_TRAP_NONE;
	if (payer.trap != VM_TRAP_NONE)
		return payer.trap;
	return e.code == ERR_NOMEM ? VM_TRAP_OUT_OF_MEMORY : VM_TRAP_TOO_LARGE;
}

enum vm_trap run_lazy(struct vm_func *f)
{
	struct vm_code *c = f->in->code;
	uint32_t own = (uint32_t)(f - f->in->own);

	if (c->bodies[own] == NULL)
		TRY(compile_body(f->in->st, c, own));
	f->ip = c->bodies[own]->cells;
	return VM_TRAP_NONE;
}

/* A call whose function is compiled goes straight there from now on; so it
 * does in every instance of the code. */
void run_link(const union cell *call, const struct vm_func *f)
{
	union cell *w = (union cell *)(uintptr_t)call;
	unsigned op = f->ip->op;

	w[1].to = op == C_ENTER_FULL ? f->ip : f->ip + 1;
	w->op = op == C_ENTER ? C_CALL_TO : op == C_ENTER_FEW ? C_CALL_FEW : C_CALL_FULL;
}
#undef TRY
