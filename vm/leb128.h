/*
 * LEB128 integers as the specification narrows them (5.2.2): at most
 * ceil(bits / 7) bytes, unused bits of the last one zero or copies of the
 * sign. Longer encodings than needed are allowed up to that width.
 */
#ifndef VM_LEB128_H
#define VM_LEB128_H

#include "wasmd/bytes.h"

#define LEB_LONG  "integer representation too long"
#define LEB_LARGE "integer too large"

/* The last byte that @bits permit: @used of its 7 payload bits may be set. */
static inline void leb_last(struct rd *r, uint8_t b, unsigned used, bool sign)
{
	unsigned low = sign ? used - 1 : used;
	uint8_t rest = (uint8_t)((b & 0x7f) >> low);

	if (b & 0x80)
		rd_fail(r, LEB_LONG);
	else if (rest != 0 && !(sign && rest == 0x7f >> low))
		rd_fail(r, LEB_LARGE);
}

static inline uint64_t leb_read(struct rd *r, unsigned bits, bool sign)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = rd_u8(r);
		v |= (uint64_t)(b & 0x7f) << shift;
		if (shift + 7 >= bits) {
			leb_last(r, b, bits - shift, sign);
			b &= 0x7f;
		}
		shift += 7;
	} while (b & 0x80);
	if (sign && shift < 64 && (b & 0x40))
		v |= ~0ull << shift;
	return r->bad != NULL ? 0 : v;
}

/* One byte is by far the commonest length. */
__attribute__((always_inline)) static inline uint32_t leb_u32(struct rd *r)
{
	if (r->bad == NULL && r->p < r->end && *r->p < 0x80)
		return *r->p++;
	return (uint32_t)leb_read(r, 32, false);
}

static inline uint64_t leb_u64(struct rd *r)
{
	if (r->bad == NULL && r->p < r->end && *r->p < 0x80)
		return *r->p++;
	return leb_read(r, 64, false);
}

__attribute__((always_inline)) static inline int32_t leb_s32(struct rd *r)
{
	if (r->bad == NULL && r->p < r->end && *r->p < 0x80)
		return (int32_t)((uint32_t)*r->p++ << 25) >> 25;
	return (int32_t)leb_read(r, 32, true);
}

static inline int64_t leb_s33(struct rd *r)
{
	return (int64_t)leb_read(r, 33, true);
}

static inline int64_t leb_s64(struct rd *r)
{
	return (int64_t)leb_read(r, 64, true);
}

#endif
