/*
 * What the verifier knows of a number: an interval of it as an unsigned and
 * one of it as a signed 64-bit word, both of which hold. No known bits, no
 * 32-bit bounds: where those would say more, this says less, never else.
 * An interval whose least exceeds its most: no number; the path is dead.
 */
#ifndef POLICY_RANGE_H
#define POLICY_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct range {
	uint64_t umin, umax;
	int64_t smin, smax;
};

struct range range_any(void);
struct range range_one(uint64_t v);
struct range range_unsigned(uint64_t least, uint64_t most);
struct range range_signed(int64_t least, int64_t most);

static inline bool range_is_one(struct range r)
{
	return r.umin == r.umax;
}

static inline bool range_has(struct range r, uint64_t v)
{
	return v >= r.umin && v <= r.umax && (int64_t)v >= r.smin && (int64_t)v <= r.smax;
}

/* All numbers of either. */
struct range range_join(struct range a, struct range b);

/* Every result of the operation @op (ALU_add, ...) on numbers of @a and @b. */
struct range range_alu(unsigned op, bool is64, bool is_signed, struct range a, struct range b);
/* ... of a move that extends the sign of @bits (0: of none). */
struct range range_extend(struct range a, int bits, bool is64);
/* ... of turning bytes around: opcode and width of le, be or bswap. */
struct range range_end(unsigned opcode, int32_t width, struct range a);

/* Narrows both to the pairs for which @cond (COND_jeq, ...) holds; false when
 * there is none. */
bool range_assume(unsigned cond, bool is64, struct range *a, struct range *b);
unsigned range_negation(unsigned cond);

#endif
