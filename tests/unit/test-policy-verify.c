/*
 * The verifier's arithmetic against the machine's: for random programs that
 * it accepts and random contexts, the program ends as the interpreter says
 * within the proved count, and each interval holds each result. And text:
 * whatever is disassembled is assembled to the same bytes.
 */
#include "policy/alu.h"
#include "policy/asm.h"
#include "policy/range.h"
#include "test-policy.h"

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Numbers that arithmetic goes wrong at, and others. */
static uint64_t odd_number(void)
{
	static const uint64_t odd[] = {
		0,	    1,	       2,	   7,	       8,
		31,	    32,	       63,	   64,	       127,
		128,	    255,       INT32_MAX,  1u << 31,   UINT32_MAX,
		1ull << 32, INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 1,
	};
	uint64_t v = odd[next() % ARRAY_LEN(odd)];

	switch (next() % 4) {
	case 0:
		return v + next() % 5 - 2;
	case 1:
		return next() >> next() % 64;
	default:
		return v;
	}
}

/* An interval, and a number in it. */
static struct range odd_range(uint64_t *ret)
{
	uint64_t a = odd_number(), b = odd_number();
	bool is_signed = (next() & 1) != 0;
	struct range r;

	if (is_signed ? (int64_t)a > (int64_t)b : a > b) {
		uint64_t t = a;

		a = b;
		b = t;
	}
	if (next() % 8 == 0)
		b = a;
	r = is_signed ? range_signed((int64_t)a, (int64_t)b) : range_unsigned(a, b);
	*ret = b - a == UINT64_MAX ? next() : a + next() % (b - a + 1);
	assert_true(range_has(r, *ret));
	return r;
}

static uint64_t machine_alu(unsigned op, bool is64, bool is_signed, uint64_t a, uint64_t b)
{
	struct range r = range_alu(op, is64, is_signed, range_one(a), range_one(b));

	assert_true(range_is_one(r)); /* folded by the rows that the interpreter has */
	return r.umin;
}

static void test_alu(void **state)
{
	static const uint8_t ops[] = {
#define ALU(name, op, x64, x32) (op),
		POLICY_ALUS(ALU)
#undef ALU
			ALU_neg,
		ALU_mov,
	};

	(void)state;
	for (size_t n = 0; n < 3000000; n++) {
		unsigned op = ops[n % ARRAY_LEN(ops)];
		bool is64 = (next() & 1) != 0, is_signed = (next() & 1) != 0;
		uint64_t a, b, v;
		struct range ra = odd_range(&a), rb = odd_range(&b), r;

		r = range_alu(op, is64, is_signed, ra, rb);
		v = machine_alu(op, is64, is_signed, a, b);
		if (!range_has(r, v))
			fail_msg("op %#x is64 %d signed %d of %#lx, %#lx: %#lx is not in %#lx-%#lx",
				 op, is64, is_signed, a, b, v, r.umin, r.umax);
	}
}

static void test_extend(void **state)
{
	static const int bits[] = { 0, 8, 16, 32 };
	static const int widths[] = { 16, 32, 64 };
	static const uint8_t ends[] = { 0xd4, 0xdc, 0xd7 };

	(void)state;
	for (size_t n = 0; n < 1000000; n++) {
		uint64_t a, v;
		struct range ra = odd_range(&a);
		bool is64 = (next() & 1) != 0;
		int by = bits[next() % 4], width = widths[next() % 3];
		uint8_t op = ends[next() % 3];

		v = alu_extend(a, by);
		assert_true(range_has(range_extend(ra, by, is64), is64 ? v : (uint32_t)v));
		v = op == 0xd4	 ? alu_le(a, width)
		    : op == 0xdc ? alu_be(a, width)
				 : alu_swap(a, width);
		assert_true(range_has(range_end(op, width, ra), v));
	}
}

static bool holds(unsigned cond, bool is64, uint64_t a, uint64_t b)
{
	struct range ra = range_one(a), rb = range_one(b);

	return range_assume(cond, is64, &ra, &rb);
}

/* What is assumed keeps every pair for which it holds, and says "never" only then. */
static void test_assume(void **state)
{
	static const uint8_t conds[] = {
#define COND(name, op, meaning, negation) (op),
		POLICY_CONDS(COND)
#undef COND
			COND_no_bit,
	};

	(void)state;
	for (size_t n = 0; n < 3000000; n++) {
		unsigned cond = conds[n % ARRAY_LEN(conds)];
		bool is64 = (next() & 1) != 0;
		uint64_t a, b;
		struct range ra = odd_range(&a), rb = odd_range(&b);

		assert_int_not_equal(holds(cond, is64, a, b),
				     holds(range_negation(cond), is64, a, b));
		if (!holds(cond, is64, a, b))
			continue;
		if (!range_assume(cond, is64, &ra, &rb) || !range_has(ra, a) || !range_has(rb, b))
			fail_msg("cond %#x is64 %d of %#lx, %#lx is lost", cond, is64, a, b);
	}
}

/* ---- text ------------------------------------------------------------------- */

/* Random fields where the row leaves them free. */
static struct insn random_insn(uint8_t op)
{
	struct insn_info row = insn_info(op);
	struct form_info f = form_info(row.form);
	struct insn in = { .op = op };

	for (const char *c = f.operands; *c != '\0'; c++) {
		in.dst = *c == 'd' || *c == 'D' ? next() % 11 : in.dst;
		in.src = *c == 's' || *c == 'S' ? next() % 11 : in.src;
		in.off = *c == 'D' || *c == 'S' || *c == 'j' ? (int16_t)next() : in.off;
		in.imm = *c == 'i' || *c == 'k' || *c == 'w' ? (int32_t)odd_number() : in.imm;
	}
	if (f.off == 's')
		in.off = next() & 1;
	if (f.off == 'x')
		in.off = (int16_t)(8 << next() % 3) & ((op & 7) == 7 ? 56 : 24);
	if (row.form == FORM_END)
		in.imm = 16 << next() % 3;
	if (row.form == FORM_ATOMIC)
		in.imm = (int32_t)((next() & 1) ? 0xf1 : (next() & 1) ? 0x41 : 0xa0);
	if (row.form == FORM_CALL) {
		in.src = next() & 1;
		in.imm = in.src ? (int32_t)next() : (int32_t)(1 + next() % 2);
	}
	return in;
}

static void round_trip(uint8_t op)
{
	struct insn in[2] = { random_insn(op), { 0 } };
	bool wide = insn_info(op).form == FORM_LDDW;
	struct insn_list list = { 0 };
	struct err e = { 0 };
	char text[96];

	if (wide) {
		in[0].src = next() % 3;
		in[1].imm = in[0].src == 1 ? 0 : (int32_t)odd_number();
	}
	if (wide && in[0].src != 0) { /* maps and offsets are no negative numbers */
		in[0].imm &= INT32_MAX;
		in[1].imm &= INT32_MAX;
	}
	(void)prog_disasm(in, 2, text, sizeof(text));
	if (prog_asm(text, &list, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	if (list.len != (wide ? 2 : 1) || memcmp(list.at, in, list.len * sizeof(in[0])) != 0)
		fail_msg("%s: comes back as something else", text);
	VEC_DONE(&list);
}

static void test_text(void **state)
{
	(void)state;
	for (unsigned op = 0; op < 256; op++)
		for (unsigned n = 0; insn_info((uint8_t)op).text != NULL && n < 200; n++)
			round_trip((uint8_t)op);
}

static void test_bad_text(void **state)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{ "mov r0, 0\nmvo r0, 1", "line 2: no instruction \"mvo\"" },
		{ "mov r0", "line 1: expected a comma" },
		{ "mov r0, 2147483648", "line 1: the number does not fit into 32 bits" },
		{ "mov r0, 0x100000000", "line 1: the number does not fit into 32 bits" },
		{ "mov r0, 99999999999999999999", "line 1: the number does not fit into 32 bits" },
		{ "mov r11, 0", "line 1: register r11 does not exist" },
		{ "ldxb r0, r1", "line 1: expected [register+offset]" },
		{ "ldxb r0, [r1+0x10000]", "line 1: the number does not fit into 16 bits" },
		{ "ldxb r0, [r1+1", "line 1: expected ]" },
		{ "ja nowhere", "line 1: no label \"nowhere\"" },
		{ "a:\na:\nexit", "line 2: there is a label \"a\" already" },
		{ "exit now", "line 1: \"now\" is left over" },
		{ "call fopen", "line 1: no helper \"fopen\"" },
		{ "lock", "line 1: no instruction \"lock\"" },
		{ "ja", "line 1: expected +n, -n or a label" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct insn_list list = { 0 };
		struct err e = { 0 };

		assert_int_not_equal(prog_asm(rows[i].text, &list, &e), 0);
		assert_string_equal(e.msg, rows[i].sentence);
		assert_null(list.at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alu),	 cmocka_unit_test(test_extend),
		cmocka_unit_test(test_assume),	 cmocka_unit_test(test_text),
		cmocka_unit_test(test_bad_text),
	};

	return cmocka_run_group_tests_name("policy-verify", tests, NULL, NULL);
}
