/*
 * Text of instructions, out of ops.def. Block types with parameters are named
 * by their index: the cursor alone does not know the types.
 */
#include "vm/disasm.h"

#include <stdio.h>

#include "vm/body.h"

struct out {
	char *p;
	size_t left;
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->p, o->left, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= o->left)
		n = o->left > 0 ? (int)o->left - 1 : 0;
	o->p += n;
	o->left -= (size_t)n;
}

static void put_block(struct out *o, const struct imms *im)
{
	if (im->x != VM_NO_INDEX)
		put(o, " (type %u)", im->x);
	else if (im->n > 0)
		put(o, " (result %s)", type_name(im->list[0]));
}

/* @end is where the instruction's last label ended. */
static void put_labels(struct out *o, const struct imms *im, const uint8_t *end)
{
	struct rd r = rd_of(im->list, (size_t)(end - im->list));

	for (uint32_t i = 0; i <= im->n && o->left > 1; i++)
		put(o, " %u", leb_u32(&r));
}

static void put_memarg(struct out *o, const struct imms *im)
{
	if (im->x != 0)
		put(o, " %u", im->x);
	if (im->k != 0)
		put(o, " offset=%llu", (unsigned long long)im->k);
	if (im->align < 32)
		put(o, " align=%u", 1u << im->align);
	else
		put(o, " align=2^%u", im->align);
}

static void put_float(struct out *o, const struct imms *im, bool wide)
{
	uint32_t bits = (uint32_t)im->k;
	double d;
	float f;

	memcpy(&f, &bits, sizeof(f));
	memcpy(&d, &im->k, sizeof(d));
	if (!wide)
		d = (double)f;
	if (d == d)
		put(o, " %a", d);
	else
		put(o, " nan (0x%llx)", (unsigned long long)im->k);
}

static void put_types(struct out *o, const struct imms *im)
{
	for (uint32_t i = 0; i < im->n && o->left > 1; i++)
		put(o, " (result %s)", type_name(im->list[i]));
}

static void put_imms(struct out *o, enum imm shape, const struct imms *im, const uint8_t *end)
{
	switch (shape) {
	case IMM_NONE:
		break;
	case IMM_BLOCK:
		put_block(o, im);
		break;
	case IMM_BR_TABLE:
		put_labels(o, im, end);
		break;
	case IMM_CALL_INDIRECT:
		put(o, " %u (type %u)", im->y, im->x);
		break;
	case IMM_TABLE2:
	case IMM_MEMORY2:
	case IMM_DATA_MEM:
	case IMM_ELEM_TABLE:
		put(o, " %u %u", im->x, im->y);
		break;
	case IMM_MEMARG:
		put_memarg(o, im);
		break;
	case IMM_S32:
	case IMM_S64:
		put(o, " %lld", (long long)im->k);
		break;
	case IMM_F32:
	case IMM_F64:
		put_float(o, im, shape == IMM_F64);
		break;
	case IMM_REFTYPE:
		put(o, im->x == VM_FUNCREF ? " func" : " extern");
		break;
	case IMM_SELECT_T:
		put_types(o, im);
		break;
	default:
		put(o, " %u", im->x);
		break;
	}
}

bool vm_disasm(struct rd *r, char *buf, size_t size)
{
	struct out o = { buf, size };
	uint32_t op = op_read(r);
	struct imms im = { 0 };

	imm_read(r, (enum imm)op_info(op)->imm, &im);
	if (r->bad != NULL)
		return false;
	put(&o, "%s", op_info(op)->text);
	put_imms(&o, (enum imm)op_info(op)->imm, &im, r->p);
	return true;
}
