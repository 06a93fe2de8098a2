/*
 * The compiled form: cells of eight bytes, private to compile and run. A
 * frame is a row of slots: parameters, other locals, constants, then the
 * operand stack by height. A callee's frame begins at its arguments in the
 * caller's, and its results are left there.
 */
#ifndef VM_CODE_H
#define VM_CODE_H

#include "vm/code_ops.def"
#include "vm/module.h"

/* A 32-bit value fills the whole slot, upper half zero, so that a move of
 * eight bytes never waits for a store of four. */
union slot {
	int8_t s8;
	int16_t s16;
	uint32_t u32;
	int32_t s32;
	uint64_t u64;
	int64_t s64;
	float f32;
	double f64;
	const void *ref;
};

union cell {
	struct {
		uint16_t op, a, b, c;
	};
	struct {
		uint16_t op_, a_;
		uint32_t hi;
	};
	struct {
		uint32_t x, y;
	};
	uint64_t u64;
	const union cell *to;
};

_Static_assert(sizeof(union slot) == 8 && sizeof(union cell) == 8, "one slot, one cell");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "memory is as the guest has it");

#define CODE_ALL(INT, CMP, BIN, UN, DIV, CUT, LOAD, STORE, CTL) \
	CODE_INTS(INT)                                          \
	CODE_CMPS(CMP)                                          \
	CODE_BINS(BIN)                                          \
	CODE_UNS(UN)                                            \
	CODE_DIVS(DIV)                                          \
	CODE_CUTS(CUT)                                          \
	CODE_LOADS(LOAD)                                        \
	CODE_STORES(STORE)                                      \
	CODE_CTLS(CTL)

/* Variants follow their plain form: _k is +1; of a comparison br is +2. */
enum code_op {
#define INT(id, ...) C_##id, C_##id##_k,
#define CMP(id, ...) C_##id, C_##id##_k, C_br_##id, C_br_##id##_k,
#define ONE(id, ...) C_##id,
#define FAR(id, ...) C_##id, C_##id##_far,
	CODE_ALL(INT, CMP, ONE, ONE, ONE, ONE, FAR, FAR, ONE)
#undef INT
#undef CMP
#undef ONE
#undef FAR
		C_COUNT
};

enum slow_op {
#define SLOW(id, in, out) SLOW_##id,
	CODE_SLOWS(SLOW)
#undef SLOW
		SLOW_COUNT
};

/* Where the instruction of a cell stands in the module; ascending. */
struct code_place {
	uint32_t cell, offset;
};

struct body {
	uint32_t n_cells, n_places;
	const struct code_place *places; /* behind the cells */
	union cell cells[];
};

struct vm_code {
	unsigned refs;
	struct vm_valid_module *valid;
	const struct vm_module *m;
	struct body **bodies; /* of the module's own functions; NULL: not yet compiled */
	uint32_t n_own;
};

/* vm/compile.c: @own counts from the first function with a body. ERR_NOMEM,
 * or ERR_LIMIT for what passes one of these. */
#define CODE_FRAME_MAX	    65000u /* slots of a frame; operands have 16 bits */
#define CODE_CELLS_PER_BYTE 16u	   /* branches that carry hundreds of values multiply */
#define CODE_CELLS_FREE	    65536u /* that small functions may have beyond it */
#define CODE_WORK_PER_BYTE  64u	   /* stack entries touched: wide calls of two bytes multiply */
#define CODE_WORK_FREE	    (1u << 22)
MUST_CHECK int code_compile_body(struct vm_code *c, uint32_t own, struct err *e);

/* The module offset of the instruction whose cells include @at. */
uint32_t body_offset(const struct body *b, const union cell *at);

#endif
