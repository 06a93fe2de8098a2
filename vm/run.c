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
		struct ctl *csp, struct vm_instance *in
#define ARGS ip, fp, mem, size, left, csp, in

#define NAMES(NAME) \
	CODE_ALL(NAME##_INT, NAME##_CMP, NAME, NAME, NAME, NAME, NAME##_FAR, NAME##_FAR, NAME)

/* clang-format off */
#define ENTRY(id, ...) [C_##id] = ENTRY_OF(id),
#define ENTRY_INT(id, ...) ENTRY(id) ENTRY(id##_k)
#define ENTRY_CMP(id, ...) ENTRY_INT(id) ENTRY_INT(br_##id)
#define ENTRY_FAR(id, ...) ENTRY(id) ENTRY(id##_far)

/* Guaranteed tail calls with eight values in registers. */
#if defined(__clang__) && (defined(__x86_64__) || defined(__aarch64__))
#define HANDLER_TYPE __attribute__((preserve_none)) void
typedef HANDLER_TYPE handler(PARAMS);

#define DECLARE(id, ...) static handler op_##id;
#define DECLARE_INT(id, ...) DECLARE(id) DECLARE(id##_k)
#define DECLARE_CMP(id, ...) DECLARE_INT(id) DECLARE_INT(br_##id)
#define DECLARE_FAR(id, ...) DECLARE(id) DECLARE(id##_far)
NAMES(DECLARE)
DECLARE(LEAVE)
DECLARE(REFILL)

#define ENTRY_OF(id) op_##id
static handler *const ops[C_COUNT] = {
	NAMES(ENTRY)
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
#define ENTRY_OF(id) &&op_##id
#define HANDLER(id) op_##id:
#define GO() goto *ops[ip->op]
#define JUMP(id) goto op_##id

#ifndef __clang__
__attribute__((optimize("no-gcse"))) /* or all handlers share one jump */
#endif
static void dispatch(PARAMS)
{
	static const void *const ops[C_COUNT] = {
		NAMES(ENTRY)
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
	dispatch(ip, fp, in->mem->base, in->mem->size, s->left, csp, in);
}
