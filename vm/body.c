/*
 * The slower half of body.h: rare shapes, types, and the sentence that a
 * latched fault becomes.
 */
#include "vm/body.h"

#include "wasmd/err.h"
#include "wasmd/limits.h"

const char op_illegal[] = "illegal opcode";

/* Latches what the code at @at is: a later feature's, or nobody's. */
static uint32_t op_refuse(struct rd *r, const uint8_t *at, uint32_t code)
{
	const struct later *l = later_op(code);

	rd_fail_at(r, at, l != NULL ? l->text : op_illegal);
	return 0;
}

/* Prefixes end where the known ones do: 0xfb to 0xfe. */
uint32_t op_read_prefixed(struct rd *r)
{
	const uint8_t *at = r->p;
	uint32_t op = rd_u8(r), sub;

	if (r->bad != NULL || op_rows[op].text != NULL)
		return op;
	if (op < 0xfb || op > 0xfe)
		return op_refuse(r, at, op);
	sub = leb_u32(r);
	if (r->bad != NULL)
		return 0;
	if (op == OP_PREFIX && sub < OP_SUBS)
		return OP_PREFIX << 8 | sub;
	return op_refuse(r, at, sub <= UINT16_MAX ? op << 16 | sub : UINT32_MAX);
}

static bool is_num(uint8_t t)
{
	return t >= VM_F64 && t <= VM_I32;
}

static bool is_ref(uint8_t t)
{
	return t == VM_FUNCREF || t == VM_EXTERNREF;
}

const char *type_name(uint8_t t)
{
	switch (t) {
	case VM_I32:
		return "i32";
	case VM_I64:
		return "i64";
	case VM_F32:
		return "f32";
	case VM_F64:
		return "f64";
	case VM_FUNCREF:
		return "funcref";
	case VM_EXTERNREF:
		return "externref";
	default:
		return "a value";
	}
}

static uint8_t type_refuse(struct rd *r, const uint8_t *at, uint8_t t, const char *why)
{
	const struct later *l = later_type(t);

	rd_fail_at(r, at, l != NULL ? l->text : why);
	return 0;
}

uint8_t valtype_read(struct rd *r)
{
	const uint8_t *at = r->p;
	uint8_t t = rd_u8(r);

	if (r->bad != NULL || is_num(t) || is_ref(t))
		return t;
	return type_refuse(r, at, t, "malformed value type");
}

uint8_t reftype_read(struct rd *r)
{
	const uint8_t *at = r->p;
	uint8_t t = rd_u8(r);

	if (r->bad != NULL || is_ref(t))
		return t;
	return type_refuse(r, at, is_num(t) ? 0 : t, "malformed reference type");
}

/* 0x40, a value type, or a type index that is not negative (spec 5.4.1). */
void imm_read_block(struct rd *r, struct imms *im)
{
	const uint8_t *at = r->p;
	int64_t x;

	im->x = VM_NO_INDEX;
	im->n = 0;
	im->list = at;
	if (rd_left(r) > 0 && *at == 0x40) {
		(void)rd_u8(r);
	} else if (rd_left(r) > 0 && (*at & 0xc0) == 0x40) {
		(void)valtype_read(r);
		im->n = 1;
	} else {
		x = leb_s33(r);
		if (x < 0)
			rd_fail_at(r, at, "malformed block type");
		im->x = (uint32_t)x;
	}
}

void imm_read_br_table(struct rd *r, struct imms *im)
{
	im->n = leb_u32(r);
	im->list = r->p;
	if (im->n >= rd_left(r))
		rd_fail(r, "unexpected end");
	for (uint32_t i = 0; i <= im->n && r->bad == NULL; i++)
		(void)leb_u32(r);
}

/* Bit 6 says that a memory index follows (spec 5.4.6). */
void imm_read_memarg_rest(struct rd *r, struct imms *im)
{
	if (im->align >= 128)
		rd_fail(r, "malformed memop flags");
	im->align &= 63;
	im->x = leb_u32(r);
}

void imm_read_select(struct rd *r, struct imms *im)
{
	im->n = leb_u32(r);
	im->list = r->p;
	if (im->n > rd_left(r))
		rd_fail(r, "unexpected end");
	for (uint32_t i = 0; i < im->n && r->bad == NULL; i++)
		(void)valtype_read(r);
}

/* The heap types of the two reference types there are, as those types. */
void imm_read_heap_type(struct rd *r, struct imms *im)
{
	const uint8_t *at = r->p;

	im->x = 0;
	if (rd_left(r) > 0 && (*at & 0xc0) == 0x40)
		im->x = reftype_read(r);
	else if (leb_s33(r) < 0)
		rd_fail_at(r, at, "malformed heap type");
	else
		rd_fail_at(r, at, later_thing(LATER_typed_null)->text);
}

static int report_illegal(const struct rd *r, struct err *e, const char *where)
{
	const uint8_t *at = r->base + r->bad_at;

	if (*at >= 0xfb && *at <= 0xfe && at + 1 < r->end)
		return err_set(e, ERR_MALFORMED, "offset 0x%zx, %s: illegal opcode 0x%02x 0x%02x",
			       r->bad_at, where, at[0], at[1]);
	return err_set(e, ERR_MALFORMED, "offset 0x%zx, %s: illegal opcode 0x%02x", r->bad_at,
		       where, at[0]);
}

int rd_report(const struct rd *r, struct err *e, const char *where)
{
	const struct later *l = later_of_text(r->bad);

	if (l != NULL) {
		err_set(e, ERR_UNSUPPORTED,
			"offset 0x%zx, %s: %s needs the feature %s, which this engine does not "
			"have",
			r->bad_at, where, l->text, feature_info[l->needs].name);
		return err_hint(e, "compile it %s", feature_info[l->needs].without);
	}
	if (r->bad == op_illegal)
		return report_illegal(r, e, where);
	return err_set(e, ERR_MALFORMED, "offset 0x%zx, %s: %s", r->bad_at, where, r->bad);
}
