/*
 * The instruction tables expanded: opcode, form and atomic operation to row.
 */
#include "policy/prog.h"

struct insn_info insn_info(uint8_t op)
{
	static const struct insn_info rows[256] = {
#define I(code, id, text, group, form) [code] = { text, GROUP_##group, FORM_##form },
		POLICY_INSNS(I)
#undef I
	};

	return rows[op];
}

struct form_info form_info(enum insn_form form)
{
	static const struct form_info rows[] = { [FORM_NONE] = { "", "", "", '0', '0', '0' },
#define FORM(name, operands, reads, writes, src, off, imm) \
	[FORM_##name] = { operands, reads, writes, src, off, imm },
						 POLICY_FORMS(FORM)
#undef FORM
	};

	return rows[form];
}

struct atomic_info atomic_info(int32_t imm)
{
	switch (imm) {
#define A(code, text, reads, writes) \
	case code:                   \
		return (struct atomic_info){ text, reads, writes };
		POLICY_ATOMICS(A)
#undef A
	default:
		return (struct atomic_info){ 0 };
	}
}
