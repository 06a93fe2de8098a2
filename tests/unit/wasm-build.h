/*
 * Modules put together byte by byte, for tests that need a particular one.
 * Running out of memory aborts the test.
 */
#ifndef TESTS_WASM_BUILD_H
#define TESTS_WASM_BUILD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct wb {
	uint8_t *p;
	size_t len, cap;
};

static inline void wb_bytes(struct wb *w, const void *p, size_t n)
{
	if (w->len + n > w->cap) {
		w->cap = (w->len + n) * 2;
		w->p = realloc(w->p, w->cap);
		if (w->p == NULL)
			abort();
	}
	if (n > 0)
		memcpy(w->p + w->len, p, n);
	w->len += n;
}

static inline void wb_u8(struct wb *w, uint8_t b)
{
	wb_bytes(w, &b, 1);
}

static inline void wb_u32(struct wb *w, uint32_t v)
{
	for (; v >= 0x80; v >>= 7)
		wb_u8(w, (uint8_t)(v | 0x80));
	wb_u8(w, (uint8_t)v);
}

static inline void wb_done(struct wb *w)
{
	free(w->p);
	*w = (struct wb){ 0 };
}

/* Appends @part with its length before it, and empties it. */
static inline void wb_part(struct wb *w, struct wb *part)
{
	wb_u32(w, (uint32_t)part->len);
	wb_bytes(w, part->p, part->len);
	wb_done(part);
}

static inline void wb_section(struct wb *w, uint8_t id, struct wb *body)
{
	wb_u8(w, id);
	wb_part(w, body);
}

static inline void wb_header(struct wb *w)
{
	wb_bytes(w, "\0asm\1\0\0\0", 8);
}

static inline void wb_repeat(struct wb *w, const void *p, size_t n, size_t times)
{
	for (size_t i = 0; i < times; i++)
		wb_bytes(w, p, n);
}

/* Section @id: a count, then @n times the same entry. */
static inline void wb_entries(struct wb *w, uint8_t id, const void *p, size_t len, uint32_t n)
{
	struct wb s = { 0 };

	wb_u32(&s, n);
	wb_repeat(&s, p, len, n);
	wb_section(w, id, &s);
}

/* One function of type [] -> [] with the body @b (locals, code, end). */
static inline void wb_function(struct wb *w, struct wb *b)
{
	struct wb s = { 0 };

	wb_entries(w, 1, "\x60\0\0", 3, 1);
	wb_entries(w, 3, "\0", 1, 1);
	wb_u32(&s, 1);
	wb_part(&s, b);
	wb_section(w, 10, &s);
}

#endif
