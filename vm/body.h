/*
 * Reading instructions, for everybody who walks a body: the opcode, then its
 * immediates by the shape its row names. Checks what makes a body malformed
 * (widths, reserved bytes, unknown codes) and nothing else: indices may be out
 * of range, types may not fit. Over validated bytes nothing here can fail.
 */
#ifndef VM_BODY_H
#define VM_BODY_H

#include "vm/leb128.h"
#include "vm/module.h"
#include "vm/ops.h"

/* What one instruction carries; only what its shape has is set. */
struct imms {
	uint32_t x, y;	     /* indices, in the order of enum imm's comments */
	uint32_t n;	     /* entries of list */
	uint32_t align;	     /* memarg: log2 */
	uint64_t k;	     /* constant's bits, sign-extended; memarg's offset */
	const uint8_t *list; /* br_table: n labels, then the default one, LEB128;
	                      * select: n types; block: n results, one byte each */
};

/* What a cursor latches at a code that no feature has. */
extern const char op_illegal[];

/* op_read where the next byte is no opcode by itself. */
uint32_t op_read_prefixed(struct rd *r);

/* A value or reference type as an enum vm_type; 0 and a latched fault. */
uint8_t valtype_read(struct rd *r);
uint8_t reftype_read(struct rd *r);

/* "i32"; "a value" for what is none of enum vm_type. */
const char *type_name(uint8_t t);

/* The rarer shapes. */
void imm_read_block(struct rd *r, struct imms *im);
void imm_read_br_table(struct rd *r, struct imms *im);
void imm_read_memarg_rest(struct rd *r, struct imms *im);
void imm_read_select(struct rd *r, struct imms *im);
void imm_read_heap_type(struct rd *r, struct imms *im);

/* Latches @why at @at, which lies before the cursor. */
static inline void rd_fail_at(struct rd *r, const uint8_t *at, const char *why)
{
	if (r->bad == NULL)
		r->p = at;
	rd_fail(r, why);
}

/* The next opcode as an enum op; 0 and a latched fault, placed at its first
 * byte, if the engine has none such. */
static inline uint32_t op_read(struct rd *r)
{
	if (r->bad == NULL && r->p < r->end && op_rows[*r->p].text != NULL)
		return *r->p++;
	return op_read_prefixed(r);
}

static inline void imm_read_memarg(struct rd *r, struct imms *im)
{
	im->x = 0;
	im->align = leb_u32(r);
	if (im->align >= 64)
		imm_read_memarg_rest(r, im);
	im->k = leb_u64(r);
}

/* Always inlined: with a constant @shape only that case is left. */
__attribute__((always_inline)) static inline void imm_read(struct rd *r, enum imm shape,
							   struct imms *im)
{
	switch (shape) {
	case IMM_NONE:
		break;
	case IMM_LABEL:
	case IMM_FUNC:
	case IMM_LOCAL:
	case IMM_GLOBAL:
	case IMM_TABLE:
	case IMM_MEMORY:
	case IMM_DATA:
	case IMM_ELEM:
		im->x = leb_u32(r);
		break;
	case IMM_CALL_INDIRECT:
	case IMM_TABLE2:
	case IMM_MEMORY2:
	case IMM_DATA_MEM:
	case IMM_ELEM_TABLE:
		im->x = leb_u32(r);
		im->y = leb_u32(r);
		break;
	case IMM_MEMARG:
		imm_read_memarg(r, im);
		break;
	case IMM_S32:
		im->k = (uint64_t)(int64_t)leb_s32(r);
		break;
	case IMM_S64:
		im->k = (uint64_t)leb_s64(r);
		break;
	case IMM_F32:
		im->k = rd_u32le(r);
		break;
	case IMM_F64:
		im->k = rd_u64le(r);
		break;
	case IMM_BLOCK:
		imm_read_block(r, im);
		break;
	case IMM_BR_TABLE:
		imm_read_br_table(r, im);
		break;
	case IMM_REFTYPE:
		imm_read_heap_type(r, im);
		break;
	case IMM_SELECT_T:
		imm_read_select(r, im);
		break;
	}
}

/* A cursor over @s whose offsets count from the module's first byte. */
static inline struct rd span_rd(const struct vm_module *m, struct span s)
{
	return (struct rd){ .base = m->bytes, .p = s.p, .end = s.p + s.len };
}

/* Turns the latched fault of @r into "offset 0x1f3, @where: why": an
 * ERR_UNSUPPORTED if it is a row of later.def, else ERR_MALFORMED. */
int rd_report(const struct rd *r, struct err *e, const char *where);

#endif
