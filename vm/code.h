/*
 * The compiled form: cells of eight bytes, private to compile and run. A
 * frame is a row of slots: parameters, other locals, constants, then the
 * operand stack by height. A callee's frame begins at its arguments in the
 * caller's, and its results are left there.
 */
#ifndef VM_CODE_H
#define VM_CODE_H

#include "vm/code_joins.def"
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
/* Every operation in every form, as NAME(ident, cells, how it ends), in the
 * order of the enums. It goes ON behind its cells, or GOES where it says; or it
 * may branch: to the loop at hand, LP, or to the target in its second cell, BR,
 * or third, FAR. */
#define FORMS_ONE(id, ...)   NAME(id, 1, ON)
#define FORMS_CTL(id, n, e)  NAME(id, n, e)
#define FORMS_5(id, n, e)    NAME(id, n, e) NAME(id##_k, n, e) NAME(id##_a, n, e) \
			     NAME(id##_ak, n, e) NAME(id##_sa, n, e)
#define FORMS_3(id, n, e)    NAME(id, n, e) NAME(id##_a, n, e) NAME(id##_sa, n, e)
#define FORMS_INT(id, ...)   FORMS_5(id, 1, ON)
#define FORMS_CMP(id, ...)   FORMS_5(id, 1, ON) FORMS_5(br_##id, 2, BR) FORMS_5(lp_##id, 1, LP)
#define FORMS_FBIN(id, ...)  FORMS_3(id, 1, ON)
#define FORMS_FCMP(id, ...)  FORMS_3(id, 1, ON) FORMS_3(br_##id, 2, BR) FORMS_3(brn_##id, 2, BR)
#define FORMS_UN(id, ...)    NAME(id, 1, ON) NAME(id##_a, 1, ON)
#define FORMS_SUMS(id)       NAME(id##_xs, 2, ON) NAME(id##_xk, 2, ON) NAME(id##_xa, 2, ON) \
			     NAME(id##_xak, 2, ON)
#define FORMS_LOAD(id, ...)  NAME(id, 1, ON) NAME(id##_far, 2, ON) NAME(id##_a, 1, ON) \
			     FORMS_SUMS(id)
#define FORMS_STORE(id, ...) NAME(id, 1, ON) NAME(id##_far, 2, ON) NAME(id##_a, 1, ON) \
			     NAME(id##_v, 1, ON) FORMS_SUMS(id)
#define FORMS_INC(id, n, e)  NAME(id##_a, n, e) NAME(id##_ak, n, e) NAME(id##_sa, n, e)
#define FORMS_CMP32(id, ...) FORMS_INC(inc_lp_##id, 2, LP) FORMS_INC(inc_br_##id, 3, FAR) \
			     FORMS_5(select_##id, 2, ON)
#define FORMS_PLAIN(id, n)   NAME(id##s, n, ON) NAME(id##xs, n, ON) NAME(id##xk, n, ON)
#define FORMS_FROM(id, n)    FORMS_PLAIN(id, n) NAME(id##a, n, ON) NAME(id##xa, n, ON) \
			     NAME(id##xak, n, ON)
#define FORMS_FLOAD(id, ...) FORMS_FROM(id##_l, 2) FORMS_FROM(id##_la, 2)
#define FORMS_ILOAD(id, ...) FORMS_FROM(id##_l, 2) FORMS_PLAIN(id##_la, 2)
#define FORMS_FMUL(id, ...)  NAME(id, 2, ON) NAME(id##_a, 2, ON) NAME(id##_z, 2, ON) \
			     FORMS_FROM(id##_l, 3) FORMS_FROM(id##_la, 3)
#define CODE_NAMES                                                                            \
	CODE_ALL(FORMS_INT, FORMS_CMP, FORMS_FCMP, FORMS_FBIN, FORMS_ONE, FORMS_UN, FORMS_ONE, \
		 FORMS_ONE, FORMS_LOAD, FORMS_STORE, FORMS_CTL)                               \
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

#define JOIN_NONE(...)

enum code_op {
#define NAME(id, n, end) C_##id,
	CODE_NAMES
#undef NAME
	C_COUNT, /* of those the compiler emits; then what vm/compile_fuse.c makes of them */
	C_JOINED = C_COUNT - 1,
#define JOIN2(a, x, b)	     C_##a##_##x##_##b,
#define JOIN3(a, x, b, y, c) C_##a##_##x##_##b##_##y##_##c,
#define JOIN4(a, x, b, y, c, z, d) C_##a##_##x##_##b##_##y##_##c##_##z##_##d,
	CODE_JOINS2(JOIN_NONE, JOIN2)
	CODE_JOINS3(JOIN_NONE, JOIN3)
	CODE_JOINS4(JOIN_NONE, JOIN4)
#undef JOIN2
#undef JOIN3
#undef JOIN4
	C_ALL
};

/* Cells of each operation, and how it ends. */
enum code_shape {
	END_ON,
	END_GOES,
	END_LP,
	END_BR,
	END_FAR,
#define NAME(id, n, end) CELLS_##id = n, ENDS_##id = END_##end,
	CODE_NAMES
#undef NAME
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

/* Cells of the operation at @w, before what vm/compile_fuse.c makes of it. */
uint32_t code_cells(const union cell *w);

/* vm/compile_fuse.c: puts joined operations in the place of the first of each
 * two to four; @first_temp as in struct comp. */
void code_fuse(union cell *w, uint32_t n, uint32_t first_temp);

/* The module offset of the instruction whose cells include @at. */
uint32_t body_offset(const struct body *b, const union cell *at);

#endif
