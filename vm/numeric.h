/*
 * The numbers of spec 4.3.2 and 4.3.3 that C does not have as they are: sign
 * masks, minimum and maximum, rounding, saturation. No call here traps.
 */
#ifndef VM_NUMERIC_H
#define VM_NUMERIC_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define SIGN32 UINT32_C(0x80000000)
#define SIGN64 UINT64_C(0x8000000000000000)

/* A signalling NaN comes out quiet: x + x is arithmetic (spec 4.3.3). */
static inline float num_quiet_f32(float x)
{
	return x != x ? x + x : x;
}

static inline double num_quiet_f64(double x)
{
	return x != x ? x + x : x;
}

/* fmin and fmax of C ignore NaN and the sign of zero; these do not. */
#define NUM_NEGATIVE(x) (signbit(x) != 0)

#define NUM_MINMAX(type, name, cmp, negative)                         \
	static inline type name(type x, type y)                       \
	{                                                             \
		if (x != x || y != y)                                 \
			return x + y;                                 \
		if (x == y)                                           \
			return NUM_NEGATIVE(x) == (negative) ? x : y; \
		return x cmp y ? x : y;                               \
	}

NUM_MINMAX(float, num_min_f32, <, true)
NUM_MINMAX(float, num_max_f32, >, false)
NUM_MINMAX(double, num_min_f64, <, true)
NUM_MINMAX(double, num_max_f64, >, false)

#undef NUM_MINMAX
#undef NUM_NEGATIVE

/* NaN is 0, what lies outside is the nearest bound. */
#define NUM_SAT(type, name, lo, hi, min, max)       \
	static inline type name(double x)           \
	{                                           \
		if (x != x)                         \
			return 0;                   \
		if (x <= (lo))                      \
			return min;                 \
		return x >= (hi) ? (max) : (type)x; \
	}

NUM_SAT(int32_t, num_sat_s32, -2147483648.0, 2147483648.0, INT32_MIN, INT32_MAX)
NUM_SAT(uint32_t, num_sat_u32, 0.0, 4294967296.0, 0, UINT32_MAX)
NUM_SAT(int64_t, num_sat_s64, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX)
NUM_SAT(uint64_t, num_sat_u64, 0.0, 0x1p64, 0, UINT64_MAX)

#undef NUM_SAT

#endif
