/*
 * Any bytes as a program. What the verifier accepts runs to its end: no
 * access, step or helper is refused at run time. What it is not asked about
 * (VERIFY_SHAPE) ends all the same and touches nothing but its own. The first
 * byte chooses; with its second bit the bytes are bent towards programs that
 * mean something.
 */
#include <stdlib.h>

#include "policy/prog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t ops[] = {
#define I(code, id, text, group, form) (code),
	POLICY_INSNS(I)
#undef I
};

/* A row's opcode; registers there are; places in the context or the stack. */
static void bend(struct insn *in)
{
	struct form_info f;

	in->op = ops[in->op % ARRAY_LEN(ops)];
	in->dst %= 11;
	in->src %= 11;
	f = form_info(insn_info(in->op).form);
	if (f.off == 'm')
		in->off =
			(int16_t)((in->off & 1) != 0 ? -8 * (in->off >> 4 & 7) : in->off >> 4 & 63);
	if (f.off == 'j')
		in->off = (int16_t)(in->off % 16);
	if (f.off == '0')
		in->off = 0;
	if (f.src == '0' || f.src == 'c')
		in->src = 0;
	if (f.imm == '0')
		in->imm = 0;
	if (f.imm == '<')
		in->imm &= 31;
	if ((in->imm & 0x700) == 0x700)
		in->imm >>= 24;
}

static void run(const struct verified_prog *p, unsigned flags)
{
	_Alignas(8) uint8_t ctx[64] = { 0 };
	struct run_env env = { .ctx = ctx, .ctx_len = sizeof(ctx), .ctx_write = true };
	uint64_t r0;

	if (prog_run(p, &env, &r0) != RUN_OK && (flags & VERIFY_SHAPE) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct ctx_field fields[] = { { "a", 0, 8, true }, { "b", 8, 56, true } };
	const struct prog_world world = { .fields = fields, .n_fields = ARRAY_LEN(fields) };
	unsigned flags = len > 0 && (data[0] & 1) != 0 ? VERIFY_LAX | VERIFY_SHAPE : 0;
	struct verified_prog *p = NULL;
	struct insn code[512];
	struct err e = { 0 };
	size_t n = len > 0 ? (len - 1) / sizeof(code[0]) : 0;

	n = n < ARRAY_LEN(code) ? n : ARRAY_LEN(code);
	if (n == 0)
		return 0;
	memcpy(code, data + 1, n * sizeof(code[0]));
	for (size_t i = 0; (data[0] & 2) != 0 && i < n; i++)
		bend(&code[i]);
	if (prog_verify(code, n, &world, flags, &p, &e) == 0)
		run(p, flags);
	(void)prog_free(p);
	return 0;
}
