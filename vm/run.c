/*
 * Dispatch: the handlers of run_ops.inc as functions that tail-call each other
 * with their state in registers (clang), or as labels of one function where
 * the compiler has no guaranteed tail calls (gcc).
 */
#include <string.h>

#include "vm/numeric.h"
#include "vm/store.h"

const union cell stub_lazy[1] = { { .op = C_LAZY } };
const union cell stub_host[1] = { { .op = C_HOST } };
const union cell stub_exit[1] = { { .op = C_EXIT } };

#define PARAMS                                                                           \
	const union cell *ip, union slot *fp, uint8_t *mem, uint64_t size, int64_t left, \
		struct ctl *csp, struct vm_instance *in, uint64_t acc, double facc,      \
		const union cell *lp
#define ARGS ip, fp, mem, size, left, csp, in, acc, facc, lp

/* clang-format off */
/* Guaranteed tail calls with ten values in registers. */
#if defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
#define HANDLER_TYPE __attribute__((preserve_none)) void
typedef HANDLER_TYPE handler(PARAMS);

#define NAME(id) static handler op_##id;
CODE_NAMES
NAME(LEAVE)
NAME(REFILL)
#undef NAME

static handler *const ops[C_COUNT] = {
#define NAME(id) [C_##id] = op_##id,
	CODE_NAMES
#undef NAME
};
/* clang-format on */

#define HANDLER(id) static HANDLER_TYPE op_##id(PARAMS)
#define GO()	    __attribute__((musttail)) return ops[ip->op](ARGS)
#define JUMP(id)    __attribute__((musttail)) return op_##id(ARGS)

#include "vm/run_ops.inc"

static void dispatch(PARAMS)
{
	ops[ip->op](ARGS);
}
#else
/* clang-format off */
#define HANDLER(id) op_##id:
#define GO() goto *ops[ip->op]
#define JUMP(id) goto op_##id

#ifndef __clang__
__attribute__((optimize("no-gcse"))) /* or all handlers share one jump */
#endif
static void dispatch(PARAMS)
{
	static const void *const ops[C_COUNT] = {
#define NAME(id) [C_##id] = &&op_##id,
		CODE_NAMES
#undef NAME
	};
	/* clang-format on */

	GO();
#include "vm/run_ops.inc"
}
#endif

void run(struct vm_store *s, const union cell *ip, union slot *fp, struct vm_instance *in,
	 struct ctl *csp)
{
	s->trap = VM_TRAP_NONE;
	dispatch(ip, fp, in->mem->base, in->mem->size, s->left, csp, in, 0, 0, ip);
}
