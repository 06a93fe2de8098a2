/*
 * What the arithmetic of RFC 9669 means, once: the interpreter's handlers and
 * the verifier's folding of constants are both made of these rows.
 * ALU(name, the opcode's operation, 64-bit meaning, 32-bit meaning) of a, b,
 * and s, which is true for the signed forms.
 */
#ifndef POLICY_ALU_H
#define POLICY_ALU_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
#define POLICY_ALUS(ALU)                                                              \
	ALU(add,  0x00, a + b,                      a + b)                            \
	ALU(sub,  0x10, a - b,                      a - b)                            \
	ALU(mul,  0x20, a * b,                      a * b)                            \
	ALU(div,  0x30, div64(a, b, s),             div32(a, b, s))                   \
	ALU(or,   0x40, a | b,                      a | b)                            \
	ALU(and,  0x50, a & b,                      a & b)                            \
	ALU(lsh,  0x60, a << (b & 63),              a << (b & 31))                    \
	ALU(rsh,  0x70, a >> (b & 63),              a >> (b & 31))                    \
	ALU(mod,  0x90, mod64(a, b, s),             mod32(a, b, s))                   \
	ALU(xor,  0xa0, a ^ b,                      a ^ b)                            \
	ALU(arsh, 0xc0, (uint64_t)((int64_t)a >> (b & 63)), (uint32_t)((int32_t)a >> (b & 31)))

/* COND(name, the opcode's operation, meaning, its negation) of unsigned a, b
 * and of the same words signed, sa, sb. jset's negation has no opcode. */
#define POLICY_CONDS(COND)                        \
	COND(jeq,  0x10, a == b,       0x50)      \
	COND(jgt,  0x20, a > b,        0xb0)      \
	COND(jge,  0x30, a >= b,       0xa0)      \
	COND(jset, 0x40, (a & b) != 0, 0xe0)      \
	COND(jne,  0x50, a != b,       0x10)      \
	COND(jsgt, 0x60, sa > sb,      0xd0)      \
	COND(jsge, 0x70, sa >= sb,     0xc0)      \
	COND(jlt,  0xa0, a < b,        0x30)      \
	COND(jle,  0xb0, a <= b,       0x20)      \
	COND(jslt, 0xc0, sa < sb,      0x70)      \
	COND(jsle, 0xd0, sa <= sb,     0x60)
/* clang-format on */

enum {
#define ALU(name, op, x64, x32) ALU_##name = (op),
	POLICY_ALUS(ALU)
#undef ALU
		ALU_neg = 0x80,
	ALU_mov = 0xb0,
	ALU_end = 0xd0,
};

enum {
#define COND(name, op, meaning, negation) COND_##name = (op),
	POLICY_CONDS(COND)
#undef COND
		COND_no_bit = 0xe0, /* what jset's other side knows */
};

/* Division by zero is 0, its remainder the dividend; the one overflow wraps. */
static inline uint64_t div64(uint64_t a, uint64_t b, bool is_signed)
{
	if (b == 0)
		return 0;
	if (!is_signed)
		return a / b;
	return b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
}

static inline uint64_t mod64(uint64_t a, uint64_t b, bool is_signed)
{
	if (b == 0)
		return a;
	if (!is_signed)
		return a % b;
	return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static inline uint32_t div32(uint32_t a, uint32_t b, bool is_signed)
{
	if (b == 0)
		return 0;
	if (!is_signed)
		return a / b;
	return b == UINT32_MAX ? -a : (uint32_t)((int32_t)a / (int32_t)b);
}

static inline uint32_t mod32(uint32_t a, uint32_t b, bool is_signed)
{
	if (b == 0)
		return a;
	if (!is_signed)
		return a % b;
	return b == UINT32_MAX ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
}

/* @v's low @bits with their sign (0: all of it as it is). */
static inline uint64_t alu_extend(uint64_t v, int bits)
{
	switch (bits) {
	case 8:
		return (uint64_t)(int64_t)(int8_t)v;
	case 16:
		return (uint64_t)(int64_t)(int16_t)v;
	case 32:
		return (uint64_t)(int64_t)(int32_t)v;
	default:
		return v;
	}
}

static inline uint64_t alu_le(uint64_t v, int32_t width)
{
	return width == 16 ? htole16((uint16_t)v) : width == 32 ? htole32((uint32_t)v) : htole64(v);
}

static inline uint64_t alu_be(uint64_t v, int32_t width)
{
	return width == 16 ? htobe16((uint16_t)v) : width == 32 ? htobe32((uint32_t)v) : htobe64(v);
}

static inline uint64_t alu_swap(uint64_t v, int32_t width)
{
	return width == 16   ? __builtin_bswap16((uint16_t)v)
	       : width == 32 ? __builtin_bswap32((uint32_t)v)
			     : __builtin_bswap64(v);
}

#endif
