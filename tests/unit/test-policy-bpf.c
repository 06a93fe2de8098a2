/*
 * The verifier's refusals, each with its sentence, and what the interpreter
 * makes of programs that it accepts.
 */
#include "policy/prog.h"
#include "test-policy.h"

#define EXIT	    { INSN_exit, 0, 0, 0, 0 }
#define MOV(reg, v) { INSN_mov64_k, (reg), 0, 0, (v) }

/* Eight bytes of context that may be written, none that may not. */
static const struct ctx_field field = { "word", 0, 8, true };
static const struct prog_world world = { .fields = &field, .n_fields = 1, .n_globs = 4 };

static void refuse(const struct insn *at, size_t n, const char *sentence)
{
	struct verified_prog *p = NULL;
	struct err e = { 0 };

	if (prog_verify(at, n, &world, 0, &p, &e) == 0)
		fail_msg("accepted, expected: %s", sentence);
	if (strstr(e.msg, sentence) == NULL)
		fail_msg("found \"%s\", expected \"%s\"", e.msg, sentence);
	assert_null(p);
}

#define REFUSE(sentence, ...)                               \
	do {                                                \
		const struct insn code[] = { __VA_ARGS__ }; \
		refuse(code, ARRAY_LEN(code), sentence);    \
	} while (0)

static void test_refusals(void **state)
{
	refuse(NULL, 0, "the program is empty");
	REFUSE("instruction 0 (unknown): opcode 0xff", { 0xff, 0, 0, 0, 0 }, EXIT);
	REFUSE("instruction 0 (unknown): opcode 0x00", { 0, 0, 0, 0, 0 }, EXIT);
	REFUSE("opcode 0x20", { 0x20, 0, 0, 0, 0 }, EXIT); /* legacy packet access */
	REFUSE("opcode 0x8d", { 0x8d, 0, 0, 0, 0 }, EXIT); /* callx */
	REFUSE("instruction 0 (mov): register r11 does not exist", MOV(11, 0), EXIT);
	REFUSE("register r12 does not exist", MOV(0, 0), { INSN_add64_x, 0, 12, 0, 0 }, EXIT);
	REFUSE("r10 is the frame pointer and is read-only", MOV(10, 0), MOV(0, 0), EXIT);
	REFUSE("r10 is the frame pointer", MOV(0, 0), { INSN_add64_k, 10, 0, 0, 8 }, EXIT);
	REFUSE("instruction 1 (exit): the destination field", MOV(0, 0), { INSN_exit, 1, 0, 0, 0 });
	REFUSE("the source field must be 0", { INSN_mov64_k, 0, 1, 0, 0 }, EXIT);
	REFUSE("the offset field must be 0", { INSN_mov64_k, 0, 0, 1, 0 }, EXIT);
	REFUSE("the immediate field must be 0", { INSN_mov64_x, 0, 1, 0, 1 }, EXIT);
	REFUSE("cannot extend the sign of 32 bits", { INSN_mov32_x, 0, 1, 32, 0 }, EXIT);
	REFUSE("offset 2 is neither 0 nor 1", MOV(0, 1), { INSN_div64_k, 0, 0, 2, 1 }, EXIT);
	REFUSE("instruction 1 (div): division by zero", MOV(0, 1), { INSN_div64_k, 0, 0, 0, 0 },
	       EXIT);
	REFUSE("division by zero", MOV(0, 1), { INSN_mod32_k, 0, 0, 0, 0 }, EXIT);
	REFUSE("shift by 64, expected 0 to 63", MOV(0, 1), { INSN_lsh64_k, 0, 0, 0, 64 }, EXIT);
	REFUSE("shift by -1, expected 0 to 31", MOV(0, 1), { INSN_rsh32_k, 0, 0, 0, -1 }, EXIT);
	REFUSE("width 24", MOV(0, 1), { INSN_be, 0, 0, 0, 24 }, EXIT);
	REFUSE("no operation 0x2", MOV(0, 1), { INSN_atomic64, 1, 0, 0, 2 }, EXIT);
	REFUSE("no helper 99", { INSN_call, 0, 0, 0, 99 }, EXIT);
	REFUSE("the source field must be 0 or 1, found 2", { INSN_call, 0, 2, 0, 1 }, EXIT);
	REFUSE("its second half is missing", { INSN_lddw, 0, 0, 0, 1 });
	REFUSE("second half has fields", { INSN_lddw, 0, 0, 0, 1 }, EXIT, EXIT);
	REFUSE("the source field must be 0, 1 or 2, found 3", { INSN_lddw, 0, 3, 0, 1 }, { 0 },
	       EXIT);
}

static void test_flow_refusals(void **state)
{
	REFUSE("instruction 0 (ja): jumps to 3, into the middle of lddw", { INSN_ja, 0, 0, 2, 0 },
	       MOV(0, 0), { INSN_lddw, 0, 0, 0, 1 }, { 0 }, EXIT);
	REFUSE("instruction 0 (ja): jumps to 9, outside the program", { INSN_ja, 0, 0, 8, 0 },
	       EXIT);
	REFUSE("jumps to -1, outside", { INSN_ja, 0, 0, -2, 0 }, EXIT);
	REFUSE("no end of the loops is proved", MOV(0, 0), { INSN_ja, 0, 0, -2, 0 });
	REFUSE("no end of the loops is proved", MOV(0, 0), { INSN_jeq64_k, 0, 0, -1, 0 }, EXIT);
	REFUSE("no end of the loops is proved", { INSN_ja32, 0, 0, 0, -1 });
	REFUSE("instruction 0 (mov): control falls off the end", MOV(0, 0));
	REFUSE("falls off the end", { INSN_lddw, 0, 0, 0, 1 }, { 0 });
	REFUSE("instruction 2 (mov): no path leads here", MOV(0, 0), EXIT, MOV(0, 0), EXIT);
	REFUSE("instruction 1 (mov): no path leads here", { INSN_ja, 0, 0, 1, 0 }, MOV(0, 0),
	       MOV(0, 1), EXIT);
	REFUSE("instruction 0 (exit): r0 is read before it is written", EXIT);
	REFUSE("r2 is read", { INSN_mov64_x, 0, 2, 0, 0 }, EXIT);
	REFUSE("r5 is read", MOV(0, 0), { INSN_stxdw, 10, 5, -8, 0 }, EXIT);
	REFUSE("instruction 3 (mov): r3 is read", { INSN_ldxdw, 4, 1, 0, 0 },
	       { INSN_jeq64_k, 4, 0, 1, 0 }, MOV(3, 0), { INSN_mov64_x, 0, 3, 0, 0 }, EXIT);
	REFUSE("instruction 3 (call): r3 is read", MOV(2, 0), MOV(0, 0), MOV(4, 0),
	       { INSN_call, 0, 0, 0, HELPER_path_match }, EXIT);
	REFUSE("instruction 3 (mov): r1 is read", MOV(2, 0), MOV(3, 0),
	       { INSN_call, 0, 0, 0, HELPER_path_match }, { INSN_mov64_x, 0, 1, 0, 0 }, EXIT);
	REFUSE("r0 is read", { INSN_atomic64, 1, 1, 0, 0xf1 }, EXIT); /* cmpxchg reads r0 */
}

static void test_too_long(void **state)
{
	CLEANUP(free_p) struct insn *at = calloc(LIM_BPF_INSNS + 1, sizeof(*at));
	struct verified_prog *p = NULL;
	struct err e = { 0 };

	for (size_t i = 0; i <= LIM_BPF_INSNS; i++)
		at[i] = (struct insn)MOV(0, 7);
	refuse(at, LIM_BPF_INSNS + 1, "65537 instructions, at most 65536");
	at[LIM_BPF_INSNS - 1] = (struct insn)EXIT;
	assert_int_equal(prog_verify(at, LIM_BPF_INSNS, &world, 0, &p, &e), 0);
	(void)prog_free(p);
	at[LIM_BPF_INSNS - 2] = (struct insn)EXIT;
	assert_int_equal(prog_verify(at, LIM_BPF_INSNS - 1, &world, 0, &p, &e), 0);
	(void)prog_free(p);
}

#define SHAPE (VERIFY_LAX | VERIFY_SHAPE)

/* Runs with an eight-byte context; nothing is known of registers and memory,
 * so that the interpreter's own checks are what holds. */
static enum run_end run(const struct insn *at, size_t n, unsigned flags, bool write, uint64_t *ret)
{
	struct verified_prog *p = NULL;
	struct err e = { 0 };
	uint64_t ctx = 0x1122334455667788;
	struct run_env env = { .ctx = &ctx, .ctx_len = sizeof(ctx), .ctx_write = write };
	enum run_end end;

	if (prog_verify(at, n, &world, flags, &p, &e) < 0)
		fail_msg("%s", e.msg);
	end = prog_run(p, &env, ret);
	(void)prog_free(p);
	return end;
}

#define RUN(end, result, write, ...)                                                    \
	do {                                                                            \
		const struct insn code[] = { __VA_ARGS__ };                             \
		uint64_t r0 = 0;                                                        \
		assert_int_equal(run(code, ARRAY_LEN(code), SHAPE, write, &r0), (end)); \
		assert_int_equal(r0, (result));                                         \
	} while (0)

static void test_memory(void **state)
{
	RUN(RUN_OK, 0x88, false, { INSN_ldxb, 0, 1, 0, 0 }, EXIT);
	RUN(RUN_OK, (uint64_t)-0x78, false, { INSN_ldxsb, 0, 1, 0, 0 }, EXIT);
	RUN(RUN_OK, 0x11223344, false, { INSN_ldxw, 0, 1, 4, 0 }, EXIT);
	RUN(RUN_BAD_ACCESS, 0, false, { INSN_ldxw, 0, 1, 5, 0 }, EXIT);
	RUN(RUN_BAD_ACCESS, 0, false, { INSN_ldxb, 0, 1, -1, 0 }, EXIT);
	RUN(RUN_BAD_ACCESS, 0, false, MOV(0, 0), { INSN_stb, 1, 0, 0, 1 }, EXIT);
	RUN(RUN_OK, 0, true, MOV(0, 0), { INSN_stb, 1, 0, 0, 1 }, EXIT);
	RUN(RUN_OK, 0, false, { INSN_ldxdw, 0, 10, -512, 0 }, EXIT); /* zeroed */
	RUN(RUN_BAD_ACCESS, 0, false, { INSN_ldxb, 0, 10, 0, 0 }, EXIT);
	RUN(RUN_BAD_ACCESS, 0, false, { INSN_ldxb, 0, 10, -513, 0 }, EXIT);
	RUN(RUN_BAD_ACCESS, 0, false, { INSN_ldxdw, 0, 10, -7, 0 }, EXIT);
	RUN(RUN_BAD_ACCESS, 0, true, MOV(0, 1), { INSN_atomic64, 10, 0, -12, 1 }, EXIT);
	RUN(RUN_BAD_ACCESS, 0, false, MOV(3, 0), { INSN_ldxdw, 0, 3, 0, 0 }, EXIT);
	RUN(RUN_OK, 5, false, MOV(0, 5), { INSN_stxw, 10, 0, -4, 0 }, { INSN_ldxw, 0, 10, -4, 0 },
	    EXIT);
}

static void test_odd_cases(void **state)
{
	RUN(RUN_OK, 0, false, MOV(0, 7), MOV(3, 0), { INSN_div64_x, 0, 3, 0, 0 }, EXIT);
	RUN(RUN_OK, 7, false, MOV(0, 7), MOV(3, 0), { INSN_mod64_x, 0, 3, 0, 0 }, EXIT);
	RUN(RUN_OK, (uint64_t)INT64_MIN, false, { INSN_lddw, 0, 0, 0, 0 },
	    { 0, 0, 0, 0, INT32_MIN }, MOV(3, -1), { INSN_div64_x, 0, 3, 1, 0 }, EXIT);
	RUN(RUN_OK, 0x80000000, false, MOV(0, INT32_MIN), MOV(3, -1), { INSN_div32_x, 0, 3, 1, 0 },
	    EXIT);
	RUN(RUN_OK, 0, false, MOV(0, INT32_MIN), MOV(3, -1), { INSN_mod32_x, 0, 3, 1, 0 }, EXIT);
	RUN(RUN_STEPS, 0, false, MOV(0, 0), { INSN_ja, 0, 0, -1, 0 });
	RUN(RUN_HELPER, 0, false, MOV(3, 0), { INSN_call, 0, 0, 0, 1 }, EXIT);
	RUN(RUN_OK, 1000, false, MOV(0, 0), { INSN_add64_k, 0, 0, 0, 1 },
	    { INSN_jlt64_k, 0, 0, -2, 1000 }, EXIT);
}

/* The disassembler has a text for every row, and for what is no row. */
static void test_disasm(void **state)
{
	char buf[96];

	for (unsigned op = 0; op < 256; op++) {
		struct insn in = { (uint8_t)op, 1, 2, 3, 1 };

		assert_int_equal(prog_disasm(&in, 1, buf, sizeof(buf)), 1);
		assert_int_not_equal(buf[0], '\0');
	}
	const struct insn wide[] = { { INSN_lddw, 3, 0, 0, 1 }, { 0, 0, 0, 0, 2 } };

	assert_int_equal(prog_disasm(wide, 2, buf, sizeof(buf)), 2);
	assert_string_equal(buf, "lddw r3, 0x200000001");
	(void)prog_disasm(&(struct insn){ INSN_stxdw, 10, 6, -8, 0 }, 1, buf, sizeof(buf));
	assert_string_equal(buf, "stxdw [r10-8], r6");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),  cmocka_unit_test(test_flow_refusals),
		cmocka_unit_test(test_too_long),  cmocka_unit_test(test_memory),
		cmocka_unit_test(test_odd_cases), cmocka_unit_test(test_disasm),
	};

	return cmocka_run_group_tests_name("policy-bpf", tests, NULL, NULL);
}
