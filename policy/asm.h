/*
 * The assembler: eBPF as text, in the syntax of the public conformance
 * vectors (a register is r1 or %r1), and back by prog_disasm().
 */
#ifndef POLICY_ASM_H
#define POLICY_ASM_H

#include "policy/prog.h"
#include "wasmd/vec.h"

/* To be freed with VEC_DONE. */
struct insn_list {
	struct insn *at;
	size_t len, cap;
};

/* @text ends with NUL. Sentences begin with "line 3: ". On failure *ret is empty. */
MUST_CHECK int prog_asm(const char *text, struct insn_list *ret, struct err *e);

#endif
