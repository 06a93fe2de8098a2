/*
 * The opcode table as C sees it, and the names of what is refused: the
 * expansions of ops.def, features.def and later.def.
 */
#ifndef VM_OPS_H
#define VM_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/features.def"
#include "vm/later.def"
#include "vm/ops.def"

/* The shape of an instruction's immediates; imm_read (body.h) reads each. */
enum imm {
	IMM_NONE,
	IMM_BLOCK, /* block type */
	IMM_LABEL,
	IMM_BR_TABLE, /* labels and a default one */
	IMM_FUNC,
	IMM_CALL_INDIRECT, /* type, table */
	IMM_LOCAL,
	IMM_GLOBAL,
	IMM_TABLE,
	IMM_TABLE2, /* to, from */
	IMM_MEMARG, /* alignment, offset */
	IMM_MEMORY,
	IMM_MEMORY2,  /* to, from */
	IMM_DATA_MEM, /* data segment, memory */
	IMM_DATA,
	IMM_ELEM_TABLE, /* element segment, table */
	IMM_ELEM,
	IMM_S32,
	IMM_S64,
	IMM_F32,
	IMM_F64,
	IMM_REFTYPE,
	IMM_SELECT_T, /* types */
};

enum op {
#define OP(code, ident, text, imm, in, out, align, feature) OP_##ident = (code),
	VM_OPS(OP)
#undef OP
};

enum feature {
#define FEATURE(ident, name, have, without) FEAT_##ident,
	VM_FEATURES(FEATURE)
#undef FEATURE
		FEAT_COUNT,
};

struct feature_info {
	const char *name, *without;
	bool have;
};

extern const struct feature_info feature_info[FEAT_COUNT];

/* A row of ops.def; text is NULL where the table has a hole. */
struct op_info {
	const char *text, *in, *out;
	uint8_t imm, align, feature;
};

/* Single bytes come first, then those with the prefix 0xfc. */
#define OP_PREFIX 0xfcu
#define OP_SUBS	  18u
#define OP_ROWS	  (256u + OP_SUBS)

extern const struct op_info op_rows[OP_ROWS];

static inline unsigned op_row(unsigned op)
{
	return op < 256 ? op : 256 + (op & 0xff);
}

/* @op is an enum op. */
static inline const struct op_info *op_info(unsigned op)
{
	return &op_rows[op_row(op)];
}

/* A row of later.def: known by name, not had. */
struct later {
	const char *text;
	uint32_t code;
	enum feature needs;
};

const struct later *later_op(uint32_t code);
const struct later *later_type(uint8_t code);
const struct later *later_form(uint8_t code);

enum later_thing {
#define THING(ident, text, feature) LATER_##ident,
	VM_LATER_THINGS(THING)
#undef THING
		LATER_COUNT,
};

const struct later *later_thing(enum later_thing t);

/* The row whose text is @text, the very pointer; NULL if none is. So a cursor
 * latches a missing feature as it latches any other fault. */
const struct later *later_of_text(const char *text);

#endif
