/*
 * The arithmetic of intervals. Each rule is exact or falls back to "any".
 */
#include "policy/range.h"

#include "policy/alu.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static int64_t sleast(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t smost(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Lets each interval narrow the other where the sign is known. */
static struct range tidy(struct range r)
{
	if (r.smin >= 0 || r.smax < 0) {
		r.umin = most(r.umin, (uint64_t)r.smin);
		r.umax = least(r.umax, (uint64_t)r.smax);
	}
	if (((int64_t)r.umin >= 0) == ((int64_t)r.umax >= 0)) {
		r.smin = smost(r.smin, (int64_t)r.umin);
		r.smax = sleast(r.smax, (int64_t)r.umax);
	}
	return r;
}

static bool is_empty(struct range r)
{
	return r.umin > r.umax || r.smin > r.smax;
}

struct range range_any(void)
{
	return (struct range){ 0, UINT64_MAX, INT64_MIN, INT64_MAX };
}

struct range range_one(uint64_t v)
{
	return (struct range){ v, v, (int64_t)v, (int64_t)v };
}

struct range range_unsigned(uint64_t from, uint64_t to)
{
	return tidy((struct range){ from, to, INT64_MIN, INT64_MAX });
}

struct range range_signed(int64_t from, int64_t to)
{
	return tidy((struct range){ 0, UINT64_MAX, from, to });
}

struct range range_join(struct range a, struct range b)
{
	return (struct range){ least(a.umin, b.umin), most(a.umax, b.umax), sleast(a.smin, b.smin),
			       smost(a.smax, b.smax) };
}

/* ---- 64-bit operations --------------------------------------------------- */

static struct range add(struct range a, struct range b)
{
	struct range r = range_any();
	uint64_t ulo, uhi;
	int64_t slo, shi;

	if (!__builtin_add_overflow(a.umax, b.umax, &uhi)) {
		ulo = a.umin + b.umin;
		r.umin = ulo;
		r.umax = uhi;
	}
	if (!__builtin_add_overflow(a.smin, b.smin, &slo) &&
	    !__builtin_add_overflow(a.smax, b.smax, &shi)) {
		r.smin = slo;
		r.smax = shi;
	}
	return tidy(r);
}

static struct range sub(struct range a, struct range b)
{
	struct range r = range_any();
	int64_t slo, shi;

	if (a.umin >= b.umax) {
		r.umin = a.umin - b.umax;
		r.umax = a.umax - b.umin;
	}
	if (!__builtin_sub_overflow(a.smin, b.smax, &slo) &&
	    !__builtin_sub_overflow(a.smax, b.smin, &shi)) {
		r.smin = slo;
		r.smax = shi;
	}
	return tidy(r);
}

static struct range mul(struct range a, struct range b)
{
	uint64_t hi;

	if (__builtin_mul_overflow(a.umax, b.umax, &hi))
		return range_any();
	return range_unsigned(a.umin * b.umin, hi);
}

static struct range divide(struct range a, struct range b)
{
	if (b.umin == 0)
		return range_unsigned(0, a.umax);
	return range_unsigned(a.umin / b.umax, a.umax / b.umin);
}

static struct range modulo(struct range a, struct range b)
{
	return range_unsigned(0, b.umin == 0 ? a.umax : least(a.umax, b.umax - 1));
}

/* All bits up to the highest of @v. */
static uint64_t filled(uint64_t v)
{
	return v == 0 ? 0 : UINT64_MAX >> __builtin_clzll(v);
}

static struct range shift_left(struct range a, unsigned by)
{
	if (a.umax > UINT64_MAX >> by)
		return range_any();
	return range_unsigned(a.umin << by, a.umax << by);
}

static struct range shift(unsigned op, struct range a, struct range b, unsigned mask)
{
	unsigned by = (unsigned)b.umin & mask;
	bool known = range_is_one(b);

	switch (op) {
	case ALU_lsh:
		return known ? shift_left(a, by) : range_any();
	case ALU_rsh:
		return known ? range_unsigned(a.umin >> by, a.umax >> by)
			     : range_unsigned(0, a.umax);
	default:
		return known ? range_signed(a.smin >> by, a.smax >> by)
			     : range_signed(sleast(a.smin, 0), smost(a.smax, -1));
	}
}

static struct range alu64(unsigned op, bool is_signed, struct range a, struct range b,
			  unsigned mask)
{
	switch (op) {
	case ALU_add:
		return add(a, b);
	case ALU_sub:
		return sub(a, b);
	case ALU_mul:
		return mul(a, b);
	case ALU_div:
		return is_signed ? range_any() : divide(a, b);
	case ALU_mod:
		return is_signed ? range_any() : modulo(a, b);
	case ALU_and:
		return range_unsigned(0, least(a.umax, b.umax));
	case ALU_or:
		return range_unsigned(most(a.umin, b.umin), filled(a.umax | b.umax));
	case ALU_xor:
		return range_unsigned(0, filled(a.umax | b.umax));
	case ALU_neg:
		return sub(range_one(0), a);
	case ALU_mov:
		return b;
	default:
		return shift(op, a, b, mask);
	}
}

/* ---- 32-bit operations: 64-bit ones on low halves, cut ------------------- */

/* The low halves of @r's numbers. */
static struct range low(struct range r)
{
	if (r.umin >> 32 == r.umax >> 32)
		return range_unsigned((uint32_t)r.umin, (uint32_t)r.umax);
	return range_unsigned(0, UINT32_MAX);
}

static struct range alu32(unsigned op, bool is_signed, struct range a, struct range b)
{
	a = low(a);
	b = low(b);
	if (is_signed && (op == ALU_div || op == ALU_mod))
		return range_unsigned(0, UINT32_MAX);
	if (op == ALU_arsh && a.umax > INT32_MAX) /* a set sign bit comes in from the left */
		return range_unsigned(0, UINT32_MAX);
	return low(alu64(op, is_signed, a, b, 31));
}

/* ---- constants ------------------------------------------------------------ */

static uint64_t fold(unsigned op, bool is64, bool s, uint64_t x, uint64_t y)
{
	uint32_t x32 = (uint32_t)x, y32 = (uint32_t)y;

	switch (op | (unsigned)is64) {
#define ALU(name, op, x64, in32)           \
	case (op) | 1: {                   \
		uint64_t a = x, b = y;     \
		return (x64);              \
	}                                  \
	case (op): {                       \
		uint32_t a = x32, b = y32; \
		return (uint32_t)(in32);   \
	}
		POLICY_ALUS(ALU)
#undef ALU
	case ALU_neg | 1:
		return -x;
	case ALU_neg:
		return -x32;
	default: /* mov */
		return is64 ? y : y32;
	}
}

struct range range_alu(unsigned op, bool is64, bool is_signed, struct range a, struct range b)
{
	bool unary = op == ALU_neg, move = op == ALU_mov;

	if ((move || range_is_one(a)) && (unary || range_is_one(b)))
		return range_one(fold(op, is64, is_signed, a.umin, b.umin));
	return is64 ? alu64(op, is_signed, a, b, 63) : alu32(op, is_signed, a, b);
}

struct range range_extend(struct range a, int bits, bool is64)
{
	int64_t top;

	if (bits == 0)
		return is64 ? a : low(a);
	top = INT64_C(1) << (bits - 1);
	if (range_is_one(a))
		a = range_one(alu_extend(a.umin, bits));
	else if (a.umax >= (uint64_t)top)
		a = range_signed(-top, top - 1);
	return is64 ? a : low(a);
}

struct range range_end(unsigned opcode, int32_t width, struct range a)
{
	if (range_is_one(a))
		return range_one(opcode == 0xd4	  ? alu_le(a.umin, width)
				 : opcode == 0xdc ? alu_be(a.umin, width)
						  : alu_swap(a.umin, width));
	return width == 64 ? range_any() : range_unsigned(0, (UINT64_C(1) << width) - 1);
}

/* ---- conditions ----------------------------------------------------------- */

unsigned range_negation(unsigned cond)
{
	switch (cond) {
#define COND(name, op, meaning, negation) \
	case (op):                        \
		return (negation);
		POLICY_CONDS(COND)
#undef COND
	default:
		return COND_jset;
	}
}

static bool holds(unsigned cond, bool is64, uint64_t a, uint64_t b)
{
	int64_t sa = is64 ? (int64_t)a : (int32_t)a, sb = is64 ? (int64_t)b : (int32_t)b;

	if (!is64) {
		a = (uint32_t)a;
		b = (uint32_t)b;
	}
	switch (cond) {
#define COND(name, op, meaning, negation) \
	case (op):                        \
		return (meaning);
		POLICY_CONDS(COND)
#undef COND
	default:
		return (a & b) == 0;
	}
}

/* a < b, or a <= b when @equal. */
static bool below(struct range *a, struct range *b, bool equal)
{
	if (!equal && (b->umax == 0 || a->umin == UINT64_MAX))
		return false;
	a->umax = least(a->umax, b->umax - !equal);
	b->umin = most(b->umin, a->umin + !equal);
	return true;
}

static bool below_signed(struct range *a, struct range *b, bool equal)
{
	if (!equal && (b->smax == INT64_MIN || a->smin == INT64_MAX))
		return false;
	a->smax = sleast(a->smax, b->smax - !equal);
	b->smin = smost(b->smin, a->smin + !equal);
	return true;
}

static bool same(struct range *a, struct range *b)
{
	a->umin = most(a->umin, b->umin);
	a->umax = least(a->umax, b->umax);
	a->smin = smost(a->smin, b->smin);
	a->smax = sleast(a->smax, b->smax);
	*b = *a;
	return true;
}

/* Takes the number of @b off an end of @a. */
static void without(struct range *a, struct range b)
{
	if (!range_is_one(b) || range_is_one(*a))
		return;
	a->umin += a->umin == b.umin;
	a->umax -= a->umax == b.umin;
	a->smin += a->smin == b.smin;
	a->smax -= a->smax == b.smin;
}

static bool narrow(unsigned cond, struct range *a, struct range *b)
{
	switch (cond) {
	case COND_jeq:
		return same(a, b);
	case COND_jne:
		without(a, *b);
		without(b, *a);
		return true;
	case COND_jlt:
	case COND_jle:
		return below(a, b, cond == COND_jle);
	case COND_jgt:
	case COND_jge:
		return below(b, a, cond == COND_jge);
	case COND_jslt:
	case COND_jsle:
		return below_signed(a, b, cond == COND_jsle);
	case COND_jsgt:
	case COND_jsge:
		return below_signed(b, a, cond == COND_jsge);
	default:
		return true;
	}
}

static bool is_signed(unsigned cond)
{
	return cond == COND_jsgt || cond == COND_jsge || cond == COND_jslt || cond == COND_jsle;
}

bool range_assume(unsigned cond, bool is64, struct range *a, struct range *b)
{
	uint64_t top = is_signed(cond) ? INT32_MAX : UINT32_MAX;

	if (range_is_one(*a) && range_is_one(*b))
		return holds(cond, is64, a->umin, b->umin);
	/* comparing low halves tells of whole words only where they are the same */
	if (!is64 && (a->umax > top || b->umax > top))
		return true;
	if (!narrow(cond, a, b))
		return false;
	*a = tidy(*a);
	*b = tidy(*b);
	return !is_empty(*a) && !is_empty(*b);
}
