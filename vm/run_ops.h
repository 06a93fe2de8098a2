/*
 * The handlers, one per compiled operation, included by run.c alone: as
 * functions that tail-call each other, or as labels of one function. Slow or
 * failing work leaves through LEAVE and REFILL, which keep spills out of the
 * fast path. A branch that finds too little fuel runs again after REFILL.
 */
#define unlikely(x) __builtin_expect(!!(x), 0)

#define NEXT(n)            \
	do {               \
		ip += (n); \
		GO();      \
	} while (0)
#define TRAP(why)                             \
	do {                                  \
		in->st->trap = VM_TRAP_##why; \
		JUMP(LEAVE);                  \
	} while (0)
#define SYNC()	 (in->st->at = ip, in->st->csp = csp, in->st->left = left)
#define RELOAD() (mem = in->mem->base, size = in->mem->size)
#define CHARGE(n)                         \
	do {                              \
		if (unlikely(left < (n))) \
			JUMP(REFILL);     \
		left -= (n);              \
	} while (0)
#define BRANCH(test)                   \
	do {                           \
		if (test) {            \
			ip = ip[1].to; \
			GO();          \
		}                      \
		NEXT(2);               \
	} while (0)
/* Publishes, runs what may look, grow, charge or fail, and takes back. */
#define OUTSIDE(call)                             \
	do {                                      \
		SYNC();                           \
		in->st->trap = (call);            \
		left = in->st->left;              \
		RELOAD();                         \
		if (in->st->trap != VM_TRAP_NONE) \
			JUMP(LEAVE);              \
	} while (0)
#define RETURN()                                  \
	do {                                      \
		struct vm_instance *to = csp->in; \
		ip = csp->ip;                     \
		fp = csp->fp;                     \
		csp--;                            \
		if (unlikely(to != in)) {         \
			in = to;                  \
			RELOAD();                 \
		}                                 \
		GO();                             \
	} while (0)
#define ENTER_FUNC(f)                                       \
	do {                                                \
		*++csp = (struct ctl){ ip + 2, fp, in, f }; \
		fp += ip->a;                                \
		ip = (f)->ip;                               \
		if (unlikely((f)->in != in)) {              \
			in = (f)->in;                       \
			RELOAD();                           \
		}                                           \
		GO();                                       \
	} while (0)
#define STACK_SHORT(n) ((size_t)(in->st->stack_end - fp) < (n) || csp >= in->st->ctl_end)

#define T_s8	      int8_t
#define T_s16	      int16_t
#define T_u32	      uint32_t
#define T_s32	      int32_t
#define T_u64	      uint64_t
#define T_s64	      int64_t
#define T_f32	      float
#define T_f64	      double
#define PUT_u32(s, v) ((s).u64 = (uint32_t)(v))
#define PUT_u64(s, v) ((s).u64 = (uint64_t)(v))
#define PUT_f32(s, v)                  \
	((s).u64 = (union {            \
			   float f;    \
			   uint32_t u; \
		   }){ .f = (v) }      \
			   .u)
#define PUT_f64(s, v) ((s).f64 = (v))

#define INT(id, in_, out, value)                              \
	HANDLER(id)                                           \
	{                                                     \
		T_##in_ x = fp[ip->b].in_, y = fp[ip->c].in_; \
		PUT_##out(fp[ip->a], value);                  \
		NEXT(1);                                      \
	}                                                     \
	HANDLER(id##_k)                                       \
	{                                                     \
		T_##in_ x = fp[ip->b].in_;                    \
		T_##in_ y = (T_##in_)(int16_t)ip->c;          \
		PUT_##out(fp[ip->a], value);                  \
		NEXT(1);                                      \
	}
#define CMP(id, inverse, in_, test)                           \
	INT(id, in_, u32, test)                               \
	HANDLER(br_##id)                                      \
	{                                                     \
		T_##in_ x = fp[ip->a].in_, y = fp[ip->b].in_; \
		CHARGE(ip->c);                                \
		BRANCH(test);                                 \
	}                                                     \
	HANDLER(br_##id##_k)                                  \
	{                                                     \
		T_##in_ x = fp[ip->a].in_;                    \
		T_##in_ y = (T_##in_)(int16_t)ip->b;          \
		CHARGE(ip->c);                                \
		BRANCH(test);                                 \
	}
#define BIN(id, in_, out, value)                              \
	HANDLER(id)                                           \
	{                                                     \
		T_##in_ x = fp[ip->b].in_, y = fp[ip->c].in_; \
		PUT_##out(fp[ip->a], value);                  \
		NEXT(1);                                      \
	}
#define UN(id, in_, out, value)              \
	HANDLER(id)                          \
	{                                    \
		T_##in_ x = fp[ip->b].in_;   \
		PUT_##out(fp[ip->a], value); \
		NEXT(1);                     \
	}
#define DIV(id, type, zero, overflow, value)                                                \
	HANDLER(id)                                                                         \
	{                                                                                   \
		T_##type x = fp[ip->b].type, y = fp[ip->c].type;                            \
		if (unlikely(zero))                                                         \
			TRAP(DIV_ZERO);                                                     \
		if (unlikely(overflow))                                                     \
			TRAP(INT_OVERFLOW);                                                 \
		PUT_u64(fp[ip->a], sizeof(x) == 4 ? (uint32_t)(value) : (uint64_t)(value)); \
		NEXT(1);                                                                    \
	}
#define CUT(id, in_, out, low, high, as)                  \
	HANDLER(id)                                       \
	{                                                 \
		double x = (double)fp[ip->b].in_;         \
		if (unlikely(x != x))                     \
			TRAP(BAD_CONVERSION);             \
		if (unlikely(!(x > (low) && x < (high)))) \
			TRAP(INT_OVERFLOW);               \
		PUT_##out(fp[ip->a], (as)x);              \
		NEXT(1);                                  \
	}
/* A 32-bit address and a 32-bit offset cannot wrap in 64 bits. */
#define ACCESS(addr, off, bytes)                \
	uint64_t at = (uint64_t)(addr) + (off); \
	if (unlikely(at + (bytes) > size))      \
	TRAP(MEMORY_BOUNDS)
#define LOAD(id, as, out)                                    \
	HANDLER(id)                                          \
	{                                                    \
		as v;                                        \
		ACCESS(fp[ip->b].u32, ip->c, sizeof(v));     \
		memcpy(&v, mem + at, sizeof(v));             \
		PUT_##out(fp[ip->a], v);                     \
		NEXT(1);                                     \
	}                                                    \
	HANDLER(id##_far)                                    \
	{                                                    \
		as v;                                        \
		ACCESS(fp[ip->b].u32, ip[1].u64, sizeof(v)); \
		memcpy(&v, mem + at, sizeof(v));             \
		PUT_##out(fp[ip->a], v);                     \
		NEXT(2);                                     \
	}
#define STORE(id, as, in_)                                   \
	HANDLER(id)                                          \
	{                                                    \
		as v = (as)fp[ip->b].in_;                    \
		ACCESS(fp[ip->a].u32, ip->c, sizeof(v));     \
		memcpy(mem + at, &v, sizeof(v));             \
		NEXT(1);                                     \
	}                                                    \
	HANDLER(id##_far)                                    \
	{                                                    \
		as v = (as)fp[ip->b].in_;                    \
		ACCESS(fp[ip->a].u32, ip[1].u64, sizeof(v)); \
		memcpy(mem + at, &v, sizeof(v));             \
		NEXT(2);                                     \
	}
#define NONE(id)

HANDLER(LEAVE)
{
	SYNC();
	return;
}

HANDLER(REFILL)
{
	OUTSIDE(fuel_refill(in->st));
	GO();
}

CODE_ALL(INT, CMP, BIN, UN, DIV, CUT, LOAD, STORE, NONE)

HANDLER(ENTER)
{
	if (unlikely(STACK_SHORT(ip->c)))
		TRAP(STACK_OVERFLOW);
	NEXT(1);
}

HANDLER(ENTER_FULL)
{
	unsigned n = ip->b - ip->a;

	if (unlikely(STACK_SHORT(ip->c)))
		TRAP(STACK_OVERFLOW);
	CHARGE(n >> 4);
	for (unsigned i = 0; i < n; i++)
		fp[ip->a + i].u64 = 0;
	for (unsigned i = 0; i < ip[1].x; i++)
		fp[ip->b + i].u64 = ip[2 + i].u64;
	NEXT(2 + ip[1].x);
}

HANDLER(BR)
{
	CHARGE(ip->c);
	ip = ip[1].to;
	GO();
}

HANDLER(BR_Z)
{
	CHARGE(ip->c);
	BRANCH(fp[ip->a].u32 == 0);
}

HANDLER(BR_NZ)
{
	CHARGE(ip->c);
	BRANCH(fp[ip->a].u32 != 0);
}

HANDLER(BR_TABLE)
{
	uint64_t n = ip[1].u64, i = fp[ip->a].u32;

	CHARGE(ip->c);
	ip = ip[2 + (i < n ? i : n)].to;
	GO();
}

HANDLER(RET0)
{
	CHARGE(ip->c);
	RETURN();
}

HANDLER(RET1)
{
	CHARGE(ip->c);
	fp[0] = fp[ip->a];
	RETURN();
}

HANDLER(CALL)
{
	struct vm_func *f = &in->own[ip[1].x];

	CHARGE(ip->c);
	*++csp = (struct ctl){ ip + 2, fp, in, f };
	fp += ip->a;
	ip = f->ip;
	GO();
}

HANDLER(CALL_IMPORT)
{
	struct vm_func *f = in->imports[ip[1].x];

	CHARGE(ip->c);
	ENTER_FUNC(f);
}

HANDLER(CALL_INDIRECT)
{
	const struct vm_table *t = in->tables[ip[1].x];
	const struct vm_func *f;

	CHARGE(ip->c);
	if (unlikely(fp[ip->b].u32 >= t->size))
		TRAP(UNDEFINED_ELEM);
	f = t->at[fp[ip->b].u32].ref;
	if (unlikely(f == NULL))
		TRAP(NULL_ELEM);
	if (unlikely(f->type != in->types[ip[1].y]))
		TRAP(INDIRECT_TYPE);
	ENTER_FUNC(f);
}

HANDLER(MOV)
{
	fp[ip->a] = fp[ip->b];
	NEXT(1);
}

HANDLER(CONST32)
{
	fp[ip->a].u64 = ip->hi;
	NEXT(1);
}

HANDLER(CONST64)
{
	fp[ip->a].u64 = ip[1].u64;
	NEXT(2);
}

HANDLER(SELECT)
{
	fp[ip->a] = fp[ip[1].x].u32 != 0 ? fp[ip->b] : fp[ip->c];
	NEXT(2);
}

HANDLER(GLOBAL_GET)
{
	fp[ip->a] = in->globals[ip->hi]->v;
	NEXT(1);
}

HANDLER(GLOBAL_SET)
{
	in->globals[ip->hi]->v = fp[ip->a];
	NEXT(1);
}

HANDLER(MEMORY_SIZE)
{
	fp[ip->a].u64 = size / VM_PAGE;
	NEXT(1);
}

HANDLER(SLOW)
{
	OUTSIDE(run_slow(in, fp + ip->a, ip));
	NEXT(2);
}

HANDLER(CHARGE)
{
	CHARGE(ip->c);
	NEXT(1);
}

HANDLER(UNREACHABLE)
{
	TRAP(UNREACHABLE);
}

HANDLER(LAZY)
{
	struct vm_func *f = &in->own[csp->func - in->own];

	OUTSIDE(run_lazy(f));
	ip = f->ip;
	GO();
}

HANDLER(HOST)
{
	if (unlikely(csp >= in->st->ctl_end))
		TRAP(STACK_OVERFLOW);
	OUTSIDE(run_host(csp->in, fp, csp->func));
	RETURN();
}

HANDLER(EXIT)
{
	JUMP(LEAVE);
}

#undef unlikely
#undef NEXT
#undef TRAP
#undef SYNC
#undef RELOAD
#undef CHARGE
#undef BRANCH
#undef OUTSIDE
#undef RETURN
#undef ENTER_FUNC
#undef STACK_SHORT
#undef INT
#undef CMP
#undef BIN
#undef UN
#undef DIV
#undef CUT
#undef ACCESS
#undef LOAD
#undef STORE
#undef NONE
