/*
 * Any bytes as a program: refused, or it ends and touches nothing but its
 * own. The first byte chooses the verifier.
 */
#include "policy/prog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_Alignas(8) uint8_t ctx[64] = { 0 };
	struct run_env env = { .ctx = ctx, .ctx_len = sizeof(ctx), .ctx_write = true };
	static const struct ctx_field fields[] = { { "a", 0, 8, true }, { "b", 8, 56, true } };
	const struct prog_world world = { .fields = fields, .n_fields = ARRAY_LEN(fields) };
	struct verified_prog *p = NULL;
	struct insn code[512];
	struct err e = { 0 };
	uint64_t r0;
	size_t n = len > 0 ? (len - 1) / sizeof(code[0]) : 0;

	n = n < ARRAY_LEN(code) ? n : ARRAY_LEN(code);
	if (n == 0)
		return 0;
	memcpy(code, data + 1, n * sizeof(code[0]));
	if (prog_verify(code, n, &world, data[0] & 1 ? VERIFY_LAX : 0, &p, &e) == 0)
		(void)!prog_run(p, &env, &r0);
	(void)prog_free(p);
	return 0;
}
