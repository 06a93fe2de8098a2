/*
 * One instruction as text, in the syntax that asm.c reads back. Driven by the
 * rows of insns.def; it trusts nothing and so prints hostile words too.
 */
#include <inttypes.h>

#include "policy/prog.h"

static const char *or_unknown(const char *name)
{
	return name != NULL ? name : "unknown";
}

/* Where a field beside the opcode takes part in the name. */
void prog_mnemonic(const struct insn *in, char *buf, size_t size)
{
	struct insn_info row = insn_info(in->op);
	const char *text = or_unknown(row.text);
	int width = (in->op & 7) == 7 ? 64 : 32;

	switch (row.form) {
	case FORM_DIV_K:
	case FORM_DIV_X:
		(void)snprintf(buf, size, "%s%s", in->off == 1 ? "s" : "", text);
		break;
	case FORM_MOV_X:
		if (in->off != 0)
			(void)snprintf(buf, size, "movsx%d%d", in->off, width);
		else
			(void)snprintf(buf, size, "%s", text);
		break;
	case FORM_END:
		(void)snprintf(buf, size, "%s%d", text, in->imm);
		break;
	case FORM_ATOMIC:
		(void)snprintf(buf, size, "%s %s%s", text, or_unknown(atomic_info(in->imm).text),
			       in->op == INSN_atomic32 ? "32" : "");
		break;
	default:
		(void)snprintf(buf, size, "%s", text);
	}
}

static void mem_text(unsigned reg, int off, char *buf, size_t size)
{
	if (off != 0)
		(void)snprintf(buf, size, "[r%u%+d]", reg, off);
	else
		(void)snprintf(buf, size, "[r%u]", reg);
}

static void call_text(const struct insn *in, char *buf, size_t size)
{
	const char *name = helper_info(in->imm).name;

	if (in->src == 1)
		(void)snprintf(buf, size, "local %+d", in->imm);
	else if (name != NULL)
		(void)snprintf(buf, size, "%s", name);
	else
		(void)snprintf(buf, size, "%d", in->imm);
}

static void wide_text(const struct insn *in, uint32_t hi, char *buf, size_t size)
{
	uint32_t lo = (uint32_t)in->imm;

	if (in->src == 1)
		(void)snprintf(buf, size, "map %" PRIu32, lo);
	else if (in->src == 2)
		(void)snprintf(buf, size, "map %" PRIu32 " + %" PRIu32, lo, hi);
	else
		(void)snprintf(buf, size, "%#" PRIx64, lo | (uint64_t)hi << 32);
}

static void operand_text(const struct insn *in, uint32_t hi, char letter, char *buf, size_t size)
{
	switch (letter) {
	case 'd':
	case 's':
		(void)snprintf(buf, size, "r%u", letter == 'd' ? in->dst : in->src);
		break;
	case 'D':
	case 'S':
		mem_text(letter == 'D' ? in->dst : in->src, in->off, buf, size);
		break;
	case 'i':
		(void)snprintf(buf, size, "%d", in->imm);
		break;
	case 'j':
		(void)snprintf(buf, size, "%+d", in->off);
		break;
	case 'k':
		(void)snprintf(buf, size, "%+d", in->imm);
		break;
	case 'h':
		call_text(in, buf, size);
		break;
	case 'w':
		wide_text(in, hi, buf, size);
		break;
	default: /* ", " */
		(void)snprintf(buf, size, "%c", letter);
	}
}

size_t prog_disasm(const struct insn *at, size_t left, char *buf, size_t size)
{
	struct insn_info row = insn_info(at->op);
	const char *operands = form_info(row.form).operands;
	bool wide = row.form == FORM_LDDW && left > 1;
	size_t n;

	prog_mnemonic(at, buf, size);
	for (const char *c = operands; *c != '\0'; c++) {
		char text[40];

		operand_text(at, wide ? (uint32_t)at[1].imm : 0, *c, text, sizeof(text));
		n = strlen(buf);
		(void)snprintf(buf + n, size - n, "%s%s", c == operands ? " " : "", text);
	}
	return wide ? 2 : 1;
}
