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

#define CODE_ALL(INT, CMP, FCMP, FBIN, BIN, UN, DIV, CUT, LOAD, STORE, CTL) \
	CODE_INTS(INT)                                                      \
	CODE_CMPS(CMP)                                                      \
	CODE_FCMPS(FCMP)                                                    \
	CODE_FBINS(FBIN)                                                    \
	CODE_BINS(BIN)                                                      \
	CODE_UNS(UN)                                                        \
	CODE_DIVS(DIV)                                                      \
	CODE_CUTS(CUT)                                                      \
	CODE_LOADS(LOAD)                                                    \
	CODE_STORES(STORE)                                                  \
	CODE_CTLS(CTL)

/* clang-format off */
/* Every operation in every form, as NAME(ident); in the order of the enums. */
#define FORMS_ONE(id, ...)   NAME(id)
#define FORMS_INT(id, ...)   NAME(id) NAME(id##_k) NAME(id##_a) NAME(id##_ak) NAME(id##_sa)
#define FORMS_CMP(id, ...)   FORMS_INT(id) FORMS_INT(br_##id) FORMS_INT(lp_##id)
#define FORMS_FBIN(id, ...)  NAME(id) NAME(id##_a) NAME(id##_sa)
#define FORMS_FCMP(id, ...)  FORMS_FBIN(id) FORMS_FBIN(br_##id) FORMS_FBIN(brn_##id)
#define FORMS_UN(id, ...)    NAME(id) NAME(id##_a)
#define FORMS_LOAD(id, ...)  NAME(id) NAME(id##_far) NAME(id##_a) NAME(id##_xs) NAME(id##_xk) \
			     NAME(id##_xa) NAME(id##_xak)
#define FORMS_STORE(id, ...) NAME(id) NAME(id##_far) NAME(id##_a) NAME(id##_v) NAME(id##_xs) \
			     NAME(id##_xk) NAME(id##_xa) NAME(id##_xak)
#define FORMS_INC(id)        NAME(id##_a) NAME(id##_ak) NAME(id##_sa)
#define FORMS_CMP32(id, ...) FORMS_INC(inc_lp_##id) FORMS_INC(inc_br_##id) FORMS_INT(select_##id)
#define FORMS_PLAIN(id)      NAME(id##s) NAME(id##xs) NAME(id##xk)
#define FORMS_FROM(id)       FORMS_PLAIN(id) NAME(id##a) NAME(id##xa) NAME(id##xak)
#define FORMS_FLOAD(id, ...) FORMS_FROM(id##_l) FORMS_FROM(id##_la)
#define FORMS_ILOAD(id, ...) FORMS_FROM(id##_l) FORMS_PLAIN(id##_la)
#define FORMS_FMUL(id, ...)  NAME(id) NAME(id##_a) NAME(id##_z) FORMS_FLOAD(id)
#define CODE_NAMES                                                                            \
	CODE_ALL(FORMS_INT, FORMS_CMP, FORMS_FCMP, FORMS_FBIN, FORMS_ONE, FORMS_UN, FORMS_ONE, \
		 FORMS_ONE, FORMS_LOAD, FORMS_STORE, FORMS_ONE)                               \
	CODE_CMP32S(FORMS_CMP32)                                                              \
	CODE_FLOADS(FORMS_FLOAD)                                                              \
	CODE_ILOADS(FORMS_ILOAD)                                                              \
	CODE_FMULS(FORMS_FMUL)

enum form_int { INT_S, INT_K, INT_A, INT_AK, INT_SA, INT_FORMS }; /* CMP: plain, br_, lp_ */
enum form_fbin { FBIN_S, FBIN_A, FBIN_SA, FBIN_FORMS };           /* FCMP: plain, br_, brn_ */
enum form_load { LOAD_S, LOAD_FAR, LOAD_A, LOAD_XS, LOAD_XK, LOAD_XA, LOAD_XAK };
/* Of an operand in memory: of CODE_FLOADS and, with x in acc, of the first three of CODE_ILOADS. */
enum form_from { FROM_S, FROM_XS, FROM_XK, FROM_A, FROM_XA, FROM_XAK, FROM_FORMS };
enum form_fmul { FMUL_S, FMUL_A, FMUL_Z, FMUL_FROM }; /* then those of FLOAD */
enum form_inc { INC_A, INC_AK, INC_SA, INC_FORMS };    /* inc_lp_, inc_br_ */
enum form_store { STORE_S, STORE_FAR, STORE_A, STORE_V, STORE_XS, STORE_XK, STORE_XA, STORE_XAK };
enum form_test { TEST_BR, TEST_BR_A, TEST_LP, TEST_LP_A };        /* of BR_Z and BR_NZ */

enum code_op {
#define NAME(id) C_##id,
	CODE_NAMES
#undef NAME
	C_COUNT
};
/* clang-format on */

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

/* Whose fuel and stop flag a compilation looks at, and how they ended it. */
struct code_payer {
	struct vm_store *st;
	enum vm_trap trap;
};

/* vm/compile.c: @own counts from the first function with a body. ERR_NOMEM,
 * ERR_LIMIT for what passes one of these, ERR_STATE when @payer, unless that is
 * NULL, has no more fuel or shall stop. */
#define CODE_FRAME_MAX	    65000u /* slots of a frame; operands have 16 bits */
#define CODE_CELLS_PER_BYTE 16u	   /* branches that carry hundreds of values multiply */
#define CODE_CELLS_FREE	    65536u /* that small functions may have beyond it */
#define CODE_WORK_PER_BYTE  64u	   /* stack entries touched: wide calls of two bytes multiply */
#define CODE_WORK_FREE	    (1u << 22)
#define CODE_FUEL_PER_BODY  500u /* half a microsecond, for some allocations */
#define CODE_FUEL_PER_BYTE  16u	 /* at 60 to 100 MB/s */
#define CODE_FUEL_PER_WORK  2u
MUST_CHECK int code_compile_body(struct vm_code *c, uint32_t own, struct code_payer *payer,
				 struct err *e);

/* The module offset of the instruction whose cells include @at. */
uint32_t body_offset(const struct body *b, const union cell *at);

#endif
