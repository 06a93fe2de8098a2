/*
 * The validator: sentences with their places, its limits, and what it makes of
 * a real module cut short, with bits flipped, and without memory. Which
 * modules are valid at all is for the specification's suite to say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vm/module.h"
#include "wasm-build.h"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

#define HEAD "\0asm\1\0\0\0"
#define B(s) s, sizeof(s) - 1

/* Decodes, validates and drops a copy that ends where the bytes do. */
static int check(const void *p, size_t n, struct err *e)
{
	struct vm_module *m = NULL;
	struct vm_valid_module *v = NULL;
	uint8_t *copy = malloc(n + 1);
	int code;

	assert_non_null(copy);
	memcpy(copy + 1, p, n);
	*e = (struct err){ 0 };
	code = vm_module_decode(copy + 1, n, &m, e);
	if (code == 0)
		code = vm_module_validate(m, &v, e);
	assert_int_equal(code, e->code);
	assert_true((v != NULL) == (e->code == 0));
	assert_true((e->msg[0] != '\0') == (e->code != 0));
	vm_valid_module_free(v);
	free(copy);
	return e->code;
}

/* Bodies of a function [] -> []; the module has one memory, one table of
 * functions, a global that cannot change, and ends with the body. */
#define FIXTURE               \
	HEAD "\1\4\1\x60\0\0" \
	     "\3\2\1\0"       \
	     "\4\4\1\x70\0\1" \
	     "\5\3\1\0\1"     \
	     "\6\6\1\x7f\0\x41\0\x0b"

static const struct bad {
	const char *body;
	size_t len;
	int code;
	const char *msg;
} bad_bodies[] = {
	{ B("\0\x41\1\x44\0\0\0\0\0\0\0\0\x6a\x1a\x0b"), ERR_INVALID,
	  "offset 0x35, function 0, i32.add: expected i32, found f64" },
	{ B("\0\x6a\x0b"), ERR_INVALID,
	  "offset 0x2a, function 0, i32.add: type mismatch: expected i32, but the stack is "
	  "empty" },
	{ B("\0\x41\0\x0b"), ERR_INVALID,
	  "offset 0x2c, function 0, end: type mismatch: 1 values are on the stack, the block "
	  "yields "
	  "0" },
	{ B("\1\2\x7e\x20\2\x1a\x0b"), ERR_INVALID,
	  "offset 0x2c, function 0, local.get: unknown local 2: there are 2" },
	{ B("\0\x41\0\x24\0\x0b"), ERR_INVALID,
	  "offset 0x2c, function 0, global.set: immutable global 0" },
	{ B("\0\x0c\1\x0b"), ERR_INVALID,
	  "offset 0x2a, function 0, br: unknown label 1: 1 are open" },
	{ B("\0\x10\7\x0b"), ERR_INVALID,
	  "offset 0x2a, function 0, call: unknown function 7: there are 1" },
	{ B("\0\x41\0\x28\3\0\x1a\x0b"), ERR_INVALID,
	  "offset 0x2c, function 0, i32.load: alignment must not be larger than natural: 2^3, at "
	  "most 2^2" },
	{ B("\0\xd2\0\x1a\x0b"), ERR_INVALID,
	  "offset 0x2a, function 0, ref.func: undeclared function reference 0: no export, element "
	  "or global names it" },
	{ B("\0\x04\x7f\x41\0\x0b\x1a\x0b"), ERR_INVALID,
	  "offset 0x2a, function 0, if: type mismatch: expected i32, but the stack is empty" },
	{ B("\0\x41\0\x04\x7f\x41\0\x0b\x1a\x0b"), ERR_INVALID,
	  "offset 0x30, function 0, end: type mismatch: an if without else must yield what it "
	  "takes" },
	{ B("\0\xfc\x09\0\x0b"), ERR_MALFORMED,
	  "offset 0x2a, function 0, data.drop: data count section required" },
	{ B("\0\x05\x0b"), ERR_MALFORMED,
	  "offset 0x2a, function 0, else: there is no if that this belongs to" },
	{ B("\0\xff\x0b"), ERR_MALFORMED, "offset 0x2a, function 0: illegal opcode 0xff" },
	{ B("\0\x41\xff\xff\xff\xff\x7f"), ERR_MALFORMED,
	  "offset 0x30, function 0: unexpected end" },
	{ B("\0\x41\x80\x80\x80\x80\x10\x1a\x0b"), ERR_MALFORMED,
	  "offset 0x30, function 0, i32.const: integer too large" },
	{ B("\0\x0b\x0b"), ERR_MALFORMED,
	  "offset 0x2b, function 0: section size mismatch: bytes follow the function's end" },
	{ B("\0\xfd\0\0\0\x0b"), ERR_UNSUPPORTED,
	  "offset 0x2a, function 0: v128.load needs the feature simd, which this engine does not "
	  "have" },
	{ B("\0\xfe\3\0\x0b"), ERR_UNSUPPORTED,
	  "offset 0x2a, function 0: atomic.fence needs the feature threads, which this engine does "
	  "not have" },
	{ B("\0\x12\0\x0b"), ERR_UNSUPPORTED,
	  "offset 0x2a, function 0: return_call needs the feature tail calls, which this engine "
	  "does not have" },
	{ B("\0\x06\x40\x0b\x0b"), ERR_UNSUPPORTED,
	  "offset 0x2a, function 0: try needs the feature legacy exceptions, which this engine "
	  "does "
	  "not have" },
	{ B("\0\xfb\0\0\x0b"), ERR_UNSUPPORTED,
	  "offset 0x2a, function 0: struct.new needs the feature gc, which this engine does not "
	  "have" },
	{ B("\1\1\x7b\x0b"), ERR_UNSUPPORTED,
	  "offset 0x2b, function 0: v128 needs the feature simd, which this engine does not have" },
};

/* The fixture with @b as its body; empties @b. */
static int check_body(struct wb *b, struct err *e)
{
	struct wb w = { 0 }, s = { 0 };

	wb_bytes(&w, B(FIXTURE));
	wb_u32(&s, 1);
	wb_part(&s, b);
	wb_section(&w, 10, &s);
	(void)check(w.p, w.len, e);
	wb_done(&w);
	return e->code;
}

static void bodies_are_refused_with_place_and_cause(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_bodies); i++) {
		struct wb b = { 0 };
		struct err e;

		wb_bytes(&b, bad_bodies[i].body, bad_bodies[i].len);
		assert_int_equal(check_body(&b, &e), bad_bodies[i].code);
		assert_string_equal(e.msg, bad_bodies[i].msg);
	}
}

static const struct bad bad_modules[] = {
	{ B(HEAD "\3\2\1\0\x0a\4\1\2\0\x0b"), ERR_INVALID,
	  "function 0: unknown type 0: there are 0" },
	{ B(HEAD "\5\4\1\1\2\1"), ERR_INVALID,
	  "memory 0: size minimum must not be greater than maximum: 2, 1" },
	{ B(HEAD "\5\5\1\0\x81\x80\4"), ERR_INVALID,
	  "memory 0: memory size must be at most 65536 pages (4 GiB)" },
	{ B(HEAD "\6\x0d\1\x7f\0\x44\0\0\0\0\0\0\0\0\x0b"), ERR_INVALID,
	  "offset 0x16, global 0, end: expected i32, found f64" },
	{ B(HEAD "\6\x09\1\x7f\0\x41\0\x41\0\x6a\x0b"), ERR_UNSUPPORTED,
	  "offset 0x11, global 0, i32.add: arithmetic here needs the feature extended constant "
	  "expressions, which this engine does not have" },
	{ B(HEAD "\6\6\1\x7f\0\x23\0\x0b"), ERR_INVALID,
	  "offset 0xd, global 0, global.get: unknown global 0: 0 stand before this" },
	{ B(HEAD "\5\3\1\0\1\7\x09\2\1m\2\0\1m\2\0"), ERR_INVALID,
	  "offset 0x15, export 1: duplicate export name, the same as that of export 0" },
	{ B(HEAD "\7\5\1\1f\0\3"), ERR_INVALID,
	  "offset 0xc, export 0: unknown function 3: there are 0" },
	{ B(HEAD "\x0b\6\1\0\x41\0\x0b\0"), ERR_INVALID,
	  "data segment 0: unknown memory 0: there are 0" },
	{ B(HEAD "\1\5\1\x60\1\x7f\0\3\2\1\0\x08\1\0\x0a\4\1\2\0\x0b"), ERR_INVALID,
	  "start function 0: it takes 1 and yields 0 values, must be none" },
};

static void modules_are_refused_with_cause(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_modules); i++) {
		struct err e;

		assert_int_equal(check(bad_modules[i].body, bad_modules[i].len, &e),
				 bad_modules[i].code);
		assert_string_equal(e.msg, bad_modules[i].msg);
	}
}

static int check_locals(uint32_t n)
{
	struct wb b = { 0 };
	struct err e;

	wb_bytes(&b, "\2\1\x7e", 3);
	wb_u32(&b, n - 1);
	wb_bytes(&b, "\x7f\x20", 2);
	wb_u32(&b, n - 1);
	wb_bytes(&b, "\x1a\x0b", 2);
	return check_body(&b, &e);
}

static int check_nest(uint32_t n)
{
	struct wb b = { 0 };
	struct err e;

	wb_u8(&b, 0);
	wb_repeat(&b, "\x02\x40", 2, n);
	wb_repeat(&b, "\x0b", 1, n + 1);
	return check_body(&b, &e);
}

static int check_operands(uint32_t n)
{
	struct wb b = { 0 };
	struct err e;

	wb_u8(&b, 0);
	wb_repeat(&b, "\x41\0", 2, n);
	wb_bytes(&b, "\0\x0b", 2);
	return check_body(&b, &e);
}

static int check_br_table(uint32_t n)
{
	struct wb b = { 0 };
	struct err e;

	wb_bytes(&b, "\0\x41\0\x0e", 4);
	wb_u32(&b, n);
	wb_repeat(&b, "\0", 1, n + 1);
	wb_u8(&b, 0x0b);
	return check_body(&b, &e);
}

static void bodies_are_bounded(void **state)
{
	static const struct {
		int (*check)(uint32_t n);
		uint32_t limit;
	} b[] = {
		{ check_locals, LIM_LOCALS },
		{ check_nest, LIM_NEST },
		{ check_operands, LIM_OPERANDS },
		{ check_br_table, LIM_BR_TABLE },
	};

	for (size_t i = 0; i < ARRAY_LEN(b); i++) {
		assert_int_equal(b[i].check(b[i].limit - 1), 0);
		assert_int_equal(b[i].check(b[i].limit), 0);
		assert_int_equal(b[i].check(b[i].limit + 1), ERR_LIMIT);
	}
}

static int check_pages(uint32_t n)
{
	struct wb w = { 0 }, s = { 0 };
	struct err e;

	wb_header(&w);
	wb_bytes(&s, "\1\0", 2);
	wb_u32(&s, n);
	wb_section(&w, 5, &s);
	(void)check(w.p, w.len, &e);
	wb_done(&w);
	return e.code;
}

/* What 32 bits address is the specification's bound, not ours. */
static void memories_are_bounded(void **state)
{
	assert_int_equal(check_pages(LIM_MEMORY_PAGES - 1), 0);
	assert_int_equal(check_pages(LIM_MEMORY_PAGES), 0);
	assert_int_equal(check_pages(LIM_MEMORY_PAGES + 1), ERR_INVALID);
}

/* Locals beyond the first thousand are found by bisection. */
static void locals_have_their_types(void **state)
{
	static const struct {
		uint32_t local;
		const char *use;
	} good[] = { { 0, "\x50" },    { 1499, "\x50" }, { 1500, "\x8c" },
		     { 2999, "\x8c" }, { 3000, "\x9a" }, { 4499, "\x9a" } };

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct wb b = { 0 };
		struct err e;

		wb_u8(&b, 4);
		wb_bytes(&b, "\xdc\x0b\x7e\xdc\x0b\x7d\0\x7f\xdc\x0b\x7c\x20", 12);
		wb_u32(&b, good[i].local);
		wb_bytes(&b, good[i].use, 1);
		wb_bytes(&b, "\x1a\x0b", 2);
		assert_int_equal(check_body(&b, &e), 0);
	}
}

/* Equal work for any order of names: sorted, reversed, many. */
static void export_names_are_unique(void **state)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		struct wb w = { 0 }, s = { 0 };
		struct err e;
		char name[8];

		wb_bytes(&w, B(HEAD "\5\3\1\0\1"));
		wb_u32(&s, 5000);
		for (unsigned i = 0; i < 5000; i++) {
			unsigned n = twice && i == 4999 ? 17 : 5000 - i;

			(void)snprintf(name, sizeof(name), "%u", n);
			wb_u32(&s, (uint32_t)strlen(name));
			wb_bytes(&s, name, strlen(name));
			wb_bytes(&s, "\2\0", 2);
		}
		wb_section(&w, 7, &s);
		assert_int_equal(check(w.p, w.len, &e), twice ? ERR_INVALID : 0);
		wb_done(&w);
	}
}

/* ---- a real module ------------------------------------------------------ */

static struct wb guest;

static void read_guest(void)
{
	const char *path = getenv("GUEST_WASM");
	FILE *f = fopen(path != NULL ? path : "guest.wasm", "rb");
	uint8_t buf[4096];
	size_t n;

	if (f == NULL)
		abort();
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		wb_bytes(&guest, buf, n);
	(void)fclose(f);
}

static void real_module_is_valid(void **state)
{
	struct err e;

	assert_int_equal(check(guest.p, guest.len, &e), 0);
}

/* Cut between custom sections at its end it is still a module. */
static void cut_anywhere_it_is_refused(void **state)
{
	struct err e;
	int whole = 0;

	for (size_t n = 0; n < guest.len; n++) {
		int code = check(guest.p, n, &e);

		if (code == 0)
			whole++;
		else
			assert_true(code == ERR_MALFORMED || code == ERR_INVALID);
	}
	assert_true(whole < 8);
}

static uint32_t next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void flipped_bits_are_judged(void **state)
{
	uint8_t *p = malloc(guest.len);
	unsigned refused = 0;
	struct err e;

	assert_non_null(p);
	for (uint32_t i = 1; i <= 1000; i++) {
		uint32_t seed = i * 2654435761u, flips = 1 + next(&seed) % 16;

		memcpy(p, guest.p, guest.len);
		for (; flips > 0; flips--)
			p[next(&seed) % guest.len] ^= (uint8_t)(1u << next(&seed) % 8);
		refused += check(p, guest.len, &e) != 0;
	}
	assert_true(refused > 500);
	free(p);
}

#ifdef WASMD_FAULTS
/* Every allocation fails once; nothing leaks, and the cause is the right one. */
static void without_memory_it_says_so(void **state)
{
	unsigned after = 0;
	struct err e;
	int code;

	do {
		wasmd_fault_after = after++;
		code = check(guest.p, guest.len, &e);
		assert_true(code == 0 || code == ERR_NOMEM);
	} while (code != 0);
	wasmd_fault_after = ~0u;
	assert_true(after > 20);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_refused_with_place_and_cause),
		cmocka_unit_test(modules_are_refused_with_cause),
		cmocka_unit_test(bodies_are_bounded),
		cmocka_unit_test(memories_are_bounded),
		cmocka_unit_test(locals_have_their_types),
		cmocka_unit_test(export_names_are_unique),
		cmocka_unit_test(real_module_is_valid),
		cmocka_unit_test(cut_anywhere_it_is_refused),
		cmocka_unit_test(flipped_bits_are_judged),
#ifdef WASMD_FAULTS
		cmocka_unit_test(without_memory_it_says_so),
#endif
	};

	read_guest();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
