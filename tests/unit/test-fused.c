/*
 * Operations that the compiler joins against the same ones apart: equal
 * results, equal ends, and a trap stands at an equal instruction. The pairs
 * are fused.py's; operands are numbers at the edges and random ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wasmd/vm.h"

#define ROUNDS 40

static uint8_t guest[4 << 20];
static size_t guest_len;

struct end {
	uint64_t result;
	enum vm_trap trap;
	uint8_t opcode; /* a trap stands at */
};

static uint64_t random_bits(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static uint32_t operand(void)
{
	static const uint32_t edges[] = { 0, 1, 9, 100, 0x7fffffff, 0x80000000, ~0u, 0xfff0, 24 };
	uint64_t r = random_bits();

	return r % 3 == 0 ? edges[(r >> 8) % 9] : (uint32_t)(r >> 20) & (r % 3 == 1 ? 0xffff : ~0u);
}

static double number(void)
{
	static const double edges[] = { 0, -0.0, 1.5, -1e300, 1e-310, 0.1, 3 };
	uint64_t r = random_bits();

	return r % 2 == 0 ? edges[(r >> 8) % 7] : (double)(int64_t)random_bits() / 1e9;
}

static struct end run_one(struct vm_store *s, struct vm_instance *in, char kind, unsigned i,
			  const union vm_value *operands)
{
	union vm_value v[4];
	struct vm_trap_info info = { 0 };
	struct vm_extern x;
	struct end ret = { 0 };
	char name[16];

	(void)snprintf(name, sizeof(name), "%c%u", kind, i);
	assert_true(vm_instance_export(in, name, (uint32_t)strlen(name), &x));
	memcpy(v, operands, sizeof(v));
	ret.trap = vm_call(s, x.func, v, &info);
	if (ret.trap == VM_TRAP_NONE)
		ret.result = v[0].bits;
	else
		ret.opcode = guest[info.frames[0].offset];
	return ret;
}

static struct vm_code *load(void)
{
	struct vm_valid_module *valid;
	struct vm_module *m;
	struct vm_code *c;
	struct err e = { 0 };

	assert_int_equal(vm_module_decode(guest, guest_len, &m, &e), 0);
	assert_int_equal(vm_module_validate(m, &valid, &e), 0);
	assert_int_equal(vm_module_compile(valid, &c, &e), 0);
	return c;
}

static void check_pair(struct vm_store *s, struct vm_instance *in, unsigned i)
{
	for (int j = 0; j < ROUNDS; j++) {
		union vm_value v[4] = { { .bits = operand() }, { .bits = operand() } };
		struct end fused, plain;

		v[2].f64 = number();
		v[3].f64 = number();
		fused = run_one(s, in, 'f', i, v);
		plain = run_one(s, in, 'p', i, v);
		if (fused.result != plain.result || fused.trap != plain.trap ||
		    fused.opcode != plain.opcode)
			fail_msg("pair %u: %#llx, %#llx: result %#llx trap %d at %#x, apart %#llx "
				 "%d %#x",
				 i, (unsigned long long)v[0].bits, (unsigned long long)v[1].bits,
				 (unsigned long long)fused.result, (int)fused.trap, fused.opcode,
				 (unsigned long long)plain.result, (int)plain.trap, plain.opcode);
	}
}

static void joined_is_as_apart(void **state)
{
	struct vm_code *c = load();
	struct vm_store *s;
	struct vm_instance *in;
	struct vm_trap_info info;
	struct err e = { 0 };

	assert_int_equal(vm_store_new(NULL, &s, &e), 0);
	assert_int_equal(vm_instance_new(s, c, NULL, NULL, &in, &info, &e), 0);
	assert_true(vm_code_n_exports(c) > 500);
	for (unsigned i = 0; i < (vm_code_n_exports(c) - 1) / 2; i++)
		check_pair(s, in, i);
	(void)vm_store_free(s);
	(void)vm_code_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(joined_is_as_apart) };
	const char *path = getenv("FUSED_WASM");
	FILE *f = fopen(path != NULL ? path : "fused.wasm", "rb");

	if (f == NULL)
		return 1;
	guest_len = fread(guest, 1, sizeof(guest), f);
	(void)fclose(f);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
