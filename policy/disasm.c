/*
 * One instruction as text, in the common assembler syntax. Driven by the
 * forms of insns.def; it trusts nothing and so prints hostile words too.
 */
#include <inttypes.h>

#include "policy/prog.h"

static void mem_text(const struct insn *in, unsigned reg, char *buf, size_t size)
{
	(void)snprintf(buf, size, "[r%u%+d]", reg, in->off);
}

static void args_text(const struct insn *in, enum insn_form form, char *buf, size_t size)
{
	char mem[16];

	mem_text(in, form == FORM_LDX ? in->src : in->dst, mem, sizeof(mem));
	switch (form) {
	case FORM_ALU_K:
	case FORM_MOV_K:
	case FORM_DIV_K:
	case FORM_SH_K:
		(void)snprintf(buf, size, " r%u, %d", in->dst, in->imm);
		break;
	case FORM_ALU_X:
	case FORM_MOV_X:
	case FORM_DIV_X:
		(void)snprintf(buf, size, " r%u, r%u", in->dst, in->src);
		break;
	case FORM_NEG:
		(void)snprintf(buf, size, " r%u", in->dst);
		break;
	case FORM_END:
		(void)snprintf(buf, size, "%d r%u", in->imm, in->dst);
		break;
	case FORM_JA:
		(void)snprintf(buf, size, " %+d", in->off);
		break;
	case FORM_JA32:
		(void)snprintf(buf, size, " %+d", in->imm);
		break;
	case FORM_JCC_K:
		(void)snprintf(buf, size, " r%u, %d, %+d", in->dst, in->imm, in->off);
		break;
	case FORM_JCC_X:
		(void)snprintf(buf, size, " r%u, r%u, %+d", in->dst, in->src, in->off);
		break;
	case FORM_LDX:
		(void)snprintf(buf, size, " r%u, %s", in->dst, mem);
		break;
	case FORM_ST:
		(void)snprintf(buf, size, " %s, %d", mem, in->imm);
		break;
	case FORM_STX:
	case FORM_ATOMIC:
		(void)snprintf(buf, size, " %s, r%u", mem, in->src);
		break;
	default:
		buf[0] = '\0';
	}
}

static const char *or_unknown(const char *name)
{
	return name != NULL ? name : "unknown";
}

size_t prog_disasm(const struct insn *at, size_t left, char *buf, size_t size)
{
	struct insn_info row = insn_info(at->op);
	char args[64];

	args_text(at, row.form, args, sizeof(args));
	if (row.form == FORM_LDDW && left > 1) {
		uint64_t v = (uint32_t)at->imm | (uint64_t)(uint32_t)at[1].imm << 32;

		(void)snprintf(buf, size, "lddw r%u, %#" PRIx64, at->dst, v);
		return 2;
	}
	if (row.form == FORM_CALL)
		(void)snprintf(buf, size, "call %s", or_unknown(helper_info(at->imm).name));
	else if (row.form == FORM_ATOMIC)
		(void)snprintf(buf, size, "%s %s%s", row.text,
			       or_unknown(atomic_info(at->imm).text), args);
	else
		(void)snprintf(buf, size, "%s%s", or_unknown(row.text), args);
	return 1;
}
