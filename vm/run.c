/*
 * Dispatch: the steps of run_ops.inc as handlers, one for each operation and
 * each joined pair and trio. They are functions that tail-call each other with
 * the registers in machine registers (clang), or labels of one function where
 * the compiler has no guaranteed tail calls (gcc).
 */
#include <string.h>

#include "vm/numeric.h"
#include "vm/store.h"

const union cell stub_lazy[1] = { { .op = C_LAZY } };
const union cell stub_host[1] = { { .op = C_HOST } };
const union cell stub_exit[1] = { { .op = C_EXIT } };

struct regs {
	const union cell *ip;
	union slot *fp;
	uint8_t *mem;
	uint64_t size;
	int64_t left;
	struct ctl *csp;
	struct vm_instance *in;
	uint64_t acc;
	double facc;
	const union cell *lp;
	uint64_t was; /* acc and facc, before the second of a trio: within its handler */
	double fwas;
};

#ifndef __clang__
#pragma GCC optimize("no-gcse") /* or all handlers share one jump */
#endif
#include "vm/run_ops.inc"

/* How a pair is joined: "into" leaves the first one's result in its register;
 * "over" too, where the second has one of its own, and the third takes both. */
enum { keep_into = false, keep_then = true, keep_over = false };
enum { over_into = false, over_then = false, over_over = true };

/* One step of several. What a branch costs is taken before it looks where to go;
 * one that has to wait for fuel finds its operand in the slot. */
#define BEGIN(id, keep, over)                                                                      \
	do {                                                                                       \
		if (ENDS_##id > END_GOES) {                                                        \
			r.left -= r.ip->c;                                                         \
			if (unlikely(r.left < 0)) {                                                \
				if (over)                                                          \
					r.fp[r.ip->a].u64 = r.was;                                 \
				REFILL();                                                          \
			}                                                                          \
			if (do_##id(&r, keep, over) == STEP_TAKEN) {                               \
				r.ip = ENDS_##id == END_LP ? r.lp                                  \
							   : r.ip[ENDS_##id == END_BR ? 1 : 2].to; \
				GO();                                                              \
			}                                                                          \
		} else {                                                                           \
			enum step s_ = do_##id(&r, keep, over);                                    \
			if (unlikely(s_ == STEP_REFILL))                                           \
				REFILL();                                                          \
			if (unlikely(s_ == STEP_LEAVE))                                            \
				LEAVE();                                                           \
		}                                                                                  \
		if (ENDS_##id != END_GOES)                                                         \
			r.ip += CELLS_##id;                                                        \
	} while (0)
#define FIRST(id, x)                        \
	do {                                \
		BEGIN(id, keep_##x, false); \
		r.was = r.acc;              \
		r.fwas = r.facc;            \
	} while (0)
#define FINISH(id, over)               \
	do {                           \
		BEGIN(id, true, over); \
		GO();                  \
	} while (0)
#define HANDLE(id, n, end) HANDLER(id, FINISH(id, false);)
#define JOIN2(a, x, b)	   HANDLER(a##_##x##_##b, FIRST(a, x); FINISH(b, false);)
#define JOIN3(a, x, b, y, c)                                                       \
	HANDLER(a##_##x##_##b##_##y##_##c, FIRST(a, x); BEGIN(b, keep_##y, false); \
		FINISH(c, over_##x);)
#define JOIN4(a, x, b, y, c, z, d)                                                             \
	HANDLER(a##_##x##_##b##_##y##_##c##_##z##_##d, FIRST(a, x); BEGIN(b, keep_##y, false); \
		BEGIN(c, keep_##z, over_##x); FINISH(d, false);)
#define PUBLISH() (r.in->st->at = r.ip, r.in->st->csp = r.csp, r.in->st->left = r.left)
/* The branch that found too little fuel has taken it all the same. */
#define TAKE_FUEL()                                     \
	do {                                            \
		r.left += r.ip->c;                      \
		PUBLISH();                              \
		r.in->st->trap = fuel_refill(r.in->st); \
		r.left = r.in->st->left;                \
		if (r.in->st->trap != VM_TRAP_NONE)     \
			LEAVE();                        \
		GO();                                   \
	} while (0)

/* clang-format off */
/* Guaranteed tail calls with eleven values in registers, one the table. */
#if defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
#define HANDLER_TYPE __attribute__((preserve_none)) void
#define PARAMS                                                                           \
	const union cell *ip, union slot *fp, uint8_t *mem, uint64_t size, int64_t left, \
		struct ctl *csp, struct vm_instance *in, uint64_t acc, double facc,      \
		const union cell *lp, const void *table
#define ARGS r.ip, r.fp, r.mem, r.size, r.left, r.csp, r.in, r.acc, r.facc, r.lp, table
typedef HANDLER_TYPE handler(PARAMS);

#define GO()	  __attribute__((musttail)) return ((handler *const *)table)[r.ip->op](ARGS)
#define LEAVE()	  __attribute__((musttail)) return leave(ARGS)
#define REFILL()  __attribute__((musttail)) return refill(ARGS)
#define REGS	  struct regs r = { ip, fp, mem, size, left, csp, in, acc, facc, lp, 0, 0 }
#define HANDLER(id, ...)                    \
	static HANDLER_TYPE op_##id(PARAMS) \
	{                                   \
		REGS;                       \
		__VA_ARGS__                 \
	}

static __attribute__((noinline)) HANDLER_TYPE leave(PARAMS)
{
	REGS;
	PUBLISH();
}

static __attribute__((noinline)) HANDLER_TYPE refill(PARAMS)
{
	REGS;
	TAKE_FUEL();
}

#define NAME HANDLE
CODE_NAMES
CODE_JOINS2(JOIN_NONE, JOIN2)
CODE_JOINS3(JOIN_NONE, JOIN3)
	CODE_JOINS4(JOIN_NONE, JOIN4)
#undef NAME
#undef JOIN2
#undef JOIN3
#undef JOIN4

static handler *const ops[C_ALL] = {
#define NAME(id, n, end) [C_##id] = op_##id,
#define JOIN2(a, x, b) op_##a##_##x##_##b,
#define JOIN3(a, x, b, y, c) op_##a##_##x##_##b##_##y##_##c,
#define JOIN4(a, x, b, y, c, z, d) op_##a##_##x##_##b##_##y##_##c##_##z##_##d,
	CODE_NAMES
	CODE_JOINS2(JOIN_NONE, JOIN2)
	CODE_JOINS3(JOIN_NONE, JOIN3)
	CODE_JOINS4(JOIN_NONE, JOIN4)
};

static void dispatch(struct regs r)
{
	const void *table = ops;

	ops[r.ip->op](ARGS);
}
#else
#define GO()	 goto *ops[r.ip->op]
#define LEAVE()	 goto leave
#define REFILL() goto refill
#define HANDLER(id, ...) op_##id: { __VA_ARGS__ }

static void dispatch(struct regs r)
{
	static const void *const ops[C_ALL] = {
#define OP(id) &&op_##id,
#define LABEL(id, n, end) OP(id)
#define LABEL2(a, x, b) OP(a##_##x##_##b)
#define LABEL3(a, x, b, y, c) OP(a##_##x##_##b##_##y##_##c)
#define LABEL4(a, x, b, y, c, z, d) OP(a##_##x##_##b##_##y##_##c##_##z##_##d)
#define NAME LABEL
		CODE_NAMES
#undef NAME
		CODE_JOINS2(JOIN_NONE, LABEL2)
		CODE_JOINS3(JOIN_NONE, LABEL3)
		CODE_JOINS4(JOIN_NONE, LABEL4)
	};

	GO();
#define NAME HANDLE
	CODE_NAMES
	CODE_JOINS2(JOIN_NONE, JOIN2)
	CODE_JOINS3(JOIN_NONE, JOIN3)
	CODE_JOINS4(JOIN_NONE, JOIN4)
leave:
	PUBLISH();
	return;
refill:
	TAKE_FUEL();
}
#endif
/* clang-format on */

void run(struct vm_store *s, const union cell *ip, union slot *fp, struct vm_instance *in,
	 struct ctl *csp)
{
	s->trap = VM_TRAP_NONE;
	dispatch((struct regs){ ip, fp, in->mem->base, in->mem->size, s->left, csp, in, 0, 0, ip, 0,
				0 });
}
