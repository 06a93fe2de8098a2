/*
 * A cursor over untrusted bytes. The first failure latches with its byte
 * offset: every later read yields 0 and does not move, so straight-line
 * parsing code tests once. The bytes are borrowed.
 */
#ifndef WASMD_BYTES_H
#define WASMD_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rd {
	const uint8_t *base, *p, *end;
	const char *bad; /* NULL while all is well */
	size_t bad_at;	 /* offset from base of the first failure */
};

static inline struct rd rd_of(const void *p, size_t n)
{
	const uint8_t *b = p;

	return (struct rd){ .base = b, .p = b, .end = b + n };
}

static inline size_t rd_left(const struct rd *r)
{
	return (size_t)(r->end - r->p);
}

static inline size_t rd_at(const struct rd *r)
{
	return (size_t)(r->p - r->base);
}

static inline void rd_fail(struct rd *r, const char *why)
{
	if (r->bad == NULL) {
		r->bad = why;
		r->bad_at = rd_at(r);
	}
}

static inline uint8_t rd_u8(struct rd *r)
{
	if (r->bad == NULL && r->p == r->end)
		rd_fail(r, "unexpected end");
	return r->bad != NULL ? 0 : *r->p++;
}

/* @n bytes in place, or NULL. */
static inline const void *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad == NULL && n > rd_left(r))
		rd_fail(r, "unexpected end");
	if (r->bad != NULL)
		return NULL;
	r->p += n;
	return p;
}

/* Little-endian fixed widths, as in wasm, eBPF and our own images. */
static inline uint32_t rd_u32le(struct rd *r)
{
	const void *p = rd_bytes(r, 4);
	uint32_t v = 0;

	if (p != NULL)
		memcpy(&v, p, 4);
	return v;
}

static inline uint64_t rd_u64le(struct rd *r)
{
	const void *p = rd_bytes(r, 8);
	uint64_t v = 0;

	if (p != NULL)
		memcpy(&v, p, 8);
	return v;
}

#endif
