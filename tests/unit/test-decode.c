/*
 * The decoder: what it says about bytes that are no module, where it says it,
 * and that nothing it is given makes it do anything else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vm/disasm.h"
#include "vm/module.h"
#include "wasm-build.h"
#include "wasmd/limits.h"

#define HEAD "\0asm\1\0\0\0"
#define B(s) s, sizeof(s) - 1

static const struct bad {
	const char *bytes;
	size_t len;
	int code;
	const char *msg;
} bad[] = {
	{ B(""), ERR_MALFORMED, "offset 0x0: unexpected end: the module is empty" },
	{ B("\0as"), ERR_MALFORMED, "offset 0x3: unexpected end: the header has 8 bytes" },
	{ B("\0asm\1\0\0"), ERR_MALFORMED, "offset 0x7: unexpected end: the header has 8 bytes" },
	{ B("  (module)"), ERR_MALFORMED,
	  "offset 0x0: magic header not detected: this is WebAssembly text, not a WebAssembly "
	  "module" },
	{ B("\177ELF\2\1\1\0"), ERR_MALFORMED,
	  "offset 0x0: magic header not detected: this is a native ELF program, not a WebAssembly "
	  "module" },
	{ B("#!/bin/sh\n"), ERR_MALFORMED,
	  "offset 0x0: magic header not detected: this is a script, not a WebAssembly module" },
	{ B("int main;\n"), ERR_MALFORMED,
	  "offset 0x0: magic header not detected: this is text, not a WebAssembly module" },
	{ B("\x89PNG\r\n\x1a\n"), ERR_MALFORMED,
	  "offset 0x0: magic header not detected: this is not a WebAssembly module" },
	{ B("\0asm\x0d\0\1\0"), ERR_MALFORMED,
	  "offset 0x4: unknown binary version: this is a component; this engine runs core "
	  "modules" },
	{ B("\0asm\2\0\0\0"), ERR_MALFORMED,
	  "offset 0x4: unknown binary version 0x2; this engine reads version 1" },
	{ B(HEAD "\1"), ERR_MALFORMED, "offset 0x9, type section: unexpected end" },
	{ B(HEAD "\1\5\0"), ERR_MALFORMED,
	  "offset 0xa, type section: unexpected end: the section is longer than the module" },
	{ B(HEAD "\1\2\0\0"), ERR_MALFORMED,
	  "offset 0xb, type section: section size mismatch: bytes are left over" },
	{ B(HEAD "\1\1\0\1\1\0"), ERR_MALFORMED,
	  "offset 0xb, type section: the section stands here twice" },
	{ B(HEAD "\3\1\0\1\1\0"), ERR_MALFORMED,
	  "offset 0xb, type section: the section is out of order" },
	{ B(HEAD "\x0e\0"), ERR_MALFORMED, "offset 0x8, section header: malformed section id" },
	{ B(HEAD "\1\6\x80\x80\x80\x80\x10\0"), ERR_MALFORMED,
	  "offset 0xf, type section: integer too large" },
	{ B(HEAD "\1\6\x80\x80\x80\x80\x80\0"), ERR_MALFORMED,
	  "offset 0xf, type section: integer representation too long" },
	{ B(HEAD "\1\2\1\x5b"), ERR_MALFORMED,
	  "offset 0xb, type section: malformed function type" },
	{ B(HEAD "\1\5\1\x60\1\x40\0"), ERR_MALFORMED,
	  "offset 0xd, type section: malformed value type" },
	{ B(HEAD "\2\4\1\0\0\5"), ERR_MALFORMED,
	  "offset 0xd, import section: malformed import kind" },
	{ B(HEAD "\2\6\1\2\xc0\x80\0\0"), ERR_MALFORMED,
	  "offset 0xc, import section: malformed UTF-8 encoding" },
	{ B(HEAD "\5\3\1\x08\0"), ERR_MALFORMED,
	  "offset 0xb, memory section: malformed limits flags" },
	{ B(HEAD "\6\6\1\x7f\2\x41\0\x0b"), ERR_MALFORMED,
	  "offset 0xc, global section: malformed mutability" },
	{ B(HEAD "\6\5\1\x7f\0\xff\x0b"), ERR_MALFORMED,
	  "offset 0xd, global section: illegal opcode 0xff" },
	{ B(HEAD "\6\6\1\x7f\0\xfc\x7f\x0b"), ERR_MALFORMED,
	  "offset 0xd, global section: illegal opcode 0xfc 0x7f" },
	{ B(HEAD "\1\4\1\x60\0\0\3\2\1\0"), ERR_MALFORMED,
	  "offset 0x12: function and code section have inconsistent lengths: 1 functions, 0 "
	  "bodies" },
	{ B(HEAD "\x0c\1\1"), ERR_MALFORMED,
	  "offset 0xb: data count and data section have inconsistent lengths: 1 and 0" },
	{ B(HEAD "\0\2\1\xff"), ERR_MALFORMED,
	  "offset 0xb, custom section: malformed UTF-8 encoding" },
	{ B(HEAD "\2\7\1\0\0\3\x7b\0\0"), ERR_UNSUPPORTED,
	  "offset 0xe, import section: v128 needs the feature simd, which this engine does not "
	  "have" },
	{ B(HEAD "\1\3\1\x5f\0"), ERR_UNSUPPORTED,
	  "offset 0xb, type section: a struct type needs the feature gc, which this engine does "
	  "not "
	  "have" },
	{ B(HEAD "\1\3\1\x4e\0"), ERR_UNSUPPORTED,
	  "offset 0xb, type section: a recursive type group needs the feature gc, which this "
	  "engine "
	  "does not have" },
	{ B(HEAD "\4\5\1\x63\x70\0\0"), ERR_UNSUPPORTED,
	  "offset 0xb, table section: a type (ref null ...) needs the feature typed function "
	  "references, which this engine does not have" },
	{ B(HEAD "\4\4\1\x69\0\0"), ERR_UNSUPPORTED,
	  "offset 0xb, table section: exnref needs the feature exceptions, which this engine does "
	  "not have" },
	{ B(HEAD "\4\4\1\x70\4\0"), ERR_UNSUPPORTED,
	  "offset 0xc, table section: a 64-bit table needs the feature table64, which this engine "
	  "does not have" },
	{ B(HEAD "\5\3\1\4\0"), ERR_UNSUPPORTED,
	  "offset 0xb, memory section: a 64-bit memory needs the feature memory64, which this "
	  "engine "
	  "does not have" },
	{ B(HEAD "\5\4\1\3\1\1"), ERR_UNSUPPORTED,
	  "offset 0xb, memory section: a shared memory needs the feature threads, which this "
	  "engine "
	  "does not have" },
	{ B(HEAD "\5\5\2\0\0\0\0"), ERR_UNSUPPORTED,
	  "offset 0xd, memory section: a second memory needs the feature multi-memory, which this "
	  "engine does not have" },
	{ B(HEAD "\x0d\3\1\0\0"), ERR_UNSUPPORTED,
	  "offset 0xa, tag section: a tag section needs the feature exceptions, which this engine "
	  "does not have" },
	{ B(HEAD "\2\6\1\0\0\4\0\0"), ERR_UNSUPPORTED,
	  "offset 0xd, import section: a tag import needs the feature exceptions, which this "
	  "engine "
	  "does not have" },
	{ B(HEAD "\6\7\1\x70\0\xd0\x6e\x0b\0"), ERR_UNSUPPORTED,
	  "offset 0xe, global section: anyref needs the feature gc, which this engine does not "
	  "have" },
};

static void refusals_name_place_and_cause(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct vm_module *m = NULL;
		struct err e = { 0 };

		assert_int_equal(vm_module_decode(bad[i].bytes, bad[i].len, &m, &e), bad[i].code);
		assert_string_equal(e.msg, bad[i].msg);
		assert_null(m);
	}
}

static void features_are_told_how_to_do_without(void **state)
{
	struct vm_module *m = NULL;
	struct err e = { 0 };

	assert_int_equal(vm_module_decode(B(HEAD "\5\3\1\4\0"), &m, &e), ERR_UNSUPPORTED);
	assert_string_equal(e.hint, "compile it for wasm32");
}

static void strangers_are_told_what_to_do(void **state)
{
	static const char *const starts[] = { "", "(module)", "\177ELF", "\0asm\x0d\0\1\0" };
	static const size_t lens[] = { 0, 8, 4, 8 };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		struct vm_module *m = NULL;
		struct err e = { 0 };

		assert_int_not_equal(vm_module_decode(starts[i], lens[i], &m, &e), 0);
		assert_true(e.hint[0] != '\0');
	}
}

/* Decodes and drops; the code. */
static int decode(const struct wb *w, struct err *e)
{
	struct vm_module *m = NULL;

	*e = (struct err){ 0 };
	if (vm_module_decode(w->p, w->len, &m, e) == 0)
		vm_module_free(m);
	return e->code;
}

/* @n entries of @entry in section @id. */
static int decode_entries(uint8_t id, const char *entry, size_t len, uint32_t n)
{
	struct wb w = { 0 };
	struct err e;

	wb_header(&w);
	wb_entries(&w, id, entry, len, n);
	(void)decode(&w, &e);
	wb_done(&w);
	return e.code;
}

/* Sections whose entries can all be alike. */
static const struct bound {
	uint8_t id;
	const char *entry;
	size_t len;
	uint32_t limit;
} bounds[] = {
	{ 1, B("\x60\0\0"), LIM_TYPES },  { 2, B("\0\0\3\x7f\0"), LIM_IMPORTS },
	{ 4, B("\x70\0\0"), LIM_TABLES }, { 6, B("\x7f\0\x41\0\x0b"), LIM_GLOBALS },
	{ 7, B("\0\0\0"), LIM_EXPORTS },  { 9, B("\1\0\0"), LIM_SEGMENTS },
	{ 11, B("\1\0"), LIM_SEGMENTS },
};

static void counts_are_bounded(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		const struct bound *b = &bounds[i];

		assert_int_equal(decode_entries(b->id, b->entry, b->len, b->limit - 1), 0);
		assert_int_equal(decode_entries(b->id, b->entry, b->len, b->limit), 0);
		assert_int_equal(decode_entries(b->id, b->entry, b->len, b->limit + 1), ERR_LIMIT);
	}
}

/* A type section with one type of @params and @results. */
static int decode_type(uint32_t params, uint32_t results)
{
	struct wb w = { 0 }, s = { 0 };
	struct err e;

	wb_header(&w);
	wb_bytes(&s, "\1\x60", 2);
	wb_u32(&s, params);
	wb_repeat(&s, "\x7f", 1, params);
	wb_u32(&s, results);
	wb_repeat(&s, "\x7f", 1, results);
	wb_section(&w, 1, &s);
	(void)decode(&w, &e);
	wb_done(&w);
	return e.code;
}

static void signatures_are_bounded(void **state)
{
	assert_int_equal(decode_type(LIM_PARAMS - 1, LIM_RESULTS - 1), 0);
	assert_int_equal(decode_type(LIM_PARAMS, LIM_RESULTS), 0);
	assert_int_equal(decode_type(LIM_PARAMS + 1, 0), ERR_LIMIT);
	assert_int_equal(decode_type(0, LIM_RESULTS + 1), ERR_LIMIT);
}

/* @n functions, each with the body @body. */
static int decode_funcs(uint32_t n, struct wb *body)
{
	struct wb w = { 0 }, one = { 0 };
	struct err e;

	wb_header(&w);
	wb_entries(&w, 1, "\x60\0\0", 3, 1);
	wb_entries(&w, 3, "\0", 1, n);
	wb_part(&one, body);
	wb_entries(&w, 10, one.p, one.len, n);
	(void)decode(&w, &e);
	wb_done(&one);
	wb_done(&w);
	return e.code;
}

static int decode_body_of(uint32_t bytes)
{
	struct wb b = { 0 };

	wb_repeat(&b, "\1", 1, bytes);
	return decode_funcs(1, &b);
}

static void functions_and_bodies_are_bounded(void **state)
{
	for (uint32_t n = LIM_FUNCS - 1; n <= LIM_FUNCS + 1; n++) {
		struct wb b = { 0 };

		wb_bytes(&b, "\0\x0b", 2);
		assert_int_equal(decode_funcs(n, &b), n <= LIM_FUNCS ? 0 : ERR_LIMIT);
	}
	assert_int_equal(decode_body_of(LIM_BODY_BYTES - 1), 0);
	assert_int_equal(decode_body_of(LIM_BODY_BYTES), 0);
	assert_int_equal(decode_body_of(LIM_BODY_BYTES + 1), ERR_LIMIT);
}

static int decode_name_of(uint32_t len)
{
	struct wb w = { 0 }, s = { 0 };
	struct err e;

	wb_header(&w);
	wb_u32(&s, len);
	wb_repeat(&s, "x", 1, len);
	wb_section(&w, 0, &s);
	(void)decode(&w, &e);
	wb_done(&w);
	return e.code;
}

/* A passive segment of @n elements. */
static int decode_elems(uint32_t n)
{
	struct wb w = { 0 }, s = { 0 };
	struct err e;

	wb_header(&w);
	wb_bytes(&s, "\1\1\0", 3);
	wb_u32(&s, n);
	wb_repeat(&s, "\0", 1, n);
	wb_section(&w, 9, &s);
	(void)decode(&w, &e);
	wb_done(&w);
	return e.code;
}

static void segments_are_bounded(void **state)
{
	assert_int_equal(decode_elems(LIM_TABLE_ELEMS - 1), 0);
	assert_int_equal(decode_elems(LIM_TABLE_ELEMS), 0);
	assert_int_equal(decode_elems(LIM_TABLE_ELEMS + 1), ERR_LIMIT);
}

static void names_are_bounded(void **state)
{
	assert_int_equal(decode_name_of(LIM_NAME_BYTES - 1), 0);
	assert_int_equal(decode_name_of(LIM_NAME_BYTES), 0);
	assert_int_equal(decode_name_of(LIM_NAME_BYTES + 1), ERR_LIMIT);
}

/* A header and one custom section that fills the rest with zero bytes. */
static void modules_are_bounded(void **state)
{
	uint8_t *p = calloc(1, LIM_MODULE_BYTES + 1);
	struct wb s = { 0 };

	assert_non_null(p);
	for (size_t n = LIM_MODULE_BYTES - 1; n <= LIM_MODULE_BYTES + 1; n++) {
		struct vm_module *m = NULL;
		struct err e = { 0 };

		wb_header(&s);
		wb_u8(&s, 0);
		wb_u32(&s, (uint32_t)(n - 8 - 1 - 4));
		assert_int_equal(s.len, 13);
		memcpy(p, s.p, s.len);
		wb_done(&s);
		assert_int_equal(vm_module_decode(p, n, &m, &e),
				 n <= LIM_MODULE_BYTES ? 0 : ERR_LIMIT);
		vm_module_free(m);
	}
	free(p);
}

static void names_come_from_the_name_section_or_exports(void **state)
{
	static const char mod[] = HEAD "\1\4\1\x60\0\0"
				       "\3\4\3\0\0\0"
				       "\7\5\1\1x\0\2"
				       "\x0a\x0a\3\2\0\x0b\2\0\x0b\2\0\x0b"
				       "\0\x12\4name\1\x0b\2\0\4copy\1\2\xff\xff";
	struct vm_module *m = NULL;
	struct err e = { 0 };
	struct span s;

	assert_int_equal(vm_module_decode(B(mod), &m, &e), 0);
	s = mod_func_name(m, 0);
	assert_int_equal(s.len, 4);
	assert_memory_equal(s.p, "copy", 4);
	assert_int_equal(mod_func_name(m, 1).len, 0);
	s = mod_func_name(m, 2);
	assert_int_equal(s.len, 1);
	assert_memory_equal(s.p, "x", 1);
	vm_module_free(m);
}

static const struct text {
	const char *bytes;
	size_t len;
	const char *text;
} texts[] = {
	{ B("\x6a"), "i32.add" },
	{ B("\x28\2\x10"), "i32.load offset=16 align=4" },
	{ B("\x41\x7f"), "i32.const -1" },
	{ B("\x44\0\0\0\0\0\0\xf8\x3f"), "f64.const 0x1.8p+0" },
	{ B("\x02\x7f"), "block (result i32)" },
	{ B("\x04\x40"), "if" },
	{ B("\x03\5"), "loop (type 5)" },
	{ B("\x0e\2\0\1\2"), "br_table 0 1 2" },
	{ B("\x11\7\0"), "call_indirect 0 (type 7)" },
	{ B("\x1c\1\x70"), "select (result funcref)" },
	{ B("\xd0\x6f"), "ref.null extern" },
	{ B("\xfc\x0a\0\0"), "memory.copy 0 0" },
	{ B("\xfc\x03"), "i32.trunc_sat_f64_u" },
};

static void instructions_have_text(void **state)
{
	char buf[64];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct rd r = rd_of(texts[i].bytes, texts[i].len);

		assert_true(vm_disasm(&r, buf, sizeof(buf)));
		assert_string_equal(buf, texts[i].text);
		assert_int_equal(rd_left(&r), 0);
		r = rd_of(texts[i].bytes, texts[i].len - 1);
		assert_false(vm_disasm(&r, buf, sizeof(buf)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_name_place_and_cause),
		cmocka_unit_test(strangers_are_told_what_to_do),
		cmocka_unit_test(features_are_told_how_to_do_without),
		cmocka_unit_test(counts_are_bounded),
		cmocka_unit_test(signatures_are_bounded),
		cmocka_unit_test(functions_and_bodies_are_bounded),
		cmocka_unit_test(segments_are_bounded),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(modules_are_bounded),
		cmocka_unit_test(names_come_from_the_name_section_or_exports),
		cmocka_unit_test(instructions_have_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
