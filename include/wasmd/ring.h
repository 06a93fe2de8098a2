/*
 * A ring of records in shared memory: one writer, one reader, two processes
 * that do not trust each other. The writer publishes whole records; the
 * reader copies each header once, judges the copy, and copies the body out
 * before anybody looks at it. Neither side ever follows an index that it has
 * not bounded. Nothing here sleeps or makes a system call.
 *
 * Layout: struct ring_head, then `size` bytes (a power of two) of records,
 * each 8 bytes of header (u32 body length, u32 type) and the body, padded to
 * 8 bytes, wrapping anywhere. head and tail count bytes since the beginning.
 */
#ifndef WASMD_RING_H
#define WASMD_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

struct ring_head {
	_Atomic uint64_t head; /* written by the writer only */
	_Atomic uint64_t lost; /* records dropped by the writer */
	uint8_t pad0[48];
	_Atomic uint64_t tail;	 /* written by the reader only */
	_Atomic uint32_t sleeps; /* 1: the reader waits for its doorbell */
	_Atomic uint32_t full;	 /* 1: the writer waits for room; a futex word */
	uint8_t pad1[48];
};
_Static_assert(sizeof(struct ring_head) == 128, "two cache lines, both sides agree");

struct ring {
	struct ring_head *h;
	uint8_t *data;
	uint64_t size; /* power of two; our own knowledge, never the peer's */
	uint64_t pos;  /* our own index: head of a writer, tail of a reader */
};

/* The ring over @mem, which holds sizeof(struct ring_head) + @size bytes. */
static inline struct ring ring_over(void *mem, uint64_t size)
{
	struct ring_head *h = mem;

	return (struct ring){ .h = h, .data = (uint8_t *)mem + sizeof(*h), .size = size };
}

static inline void ring_copy_in(const struct ring *r, uint64_t at, const void *src, uint64_t n)
{
	uint64_t off = at & (r->size - 1);
	uint64_t first = n < r->size - off ? n : r->size - off;

	memcpy(r->data + off, src, first);
	memcpy(r->data, (const uint8_t *)src + first, n - first);
}

static inline void ring_copy_out(const struct ring *r, uint64_t at, void *dst, uint64_t n)
{
	uint64_t off = at & (r->size - 1);
	uint64_t first = n < r->size - off ? n : r->size - off;

	memcpy(dst, r->data + off, first);
	memcpy((uint8_t *)dst + first, r->data, n - first);
}

/* Bytes a record with @len bytes of body takes. */
static inline uint64_t ring_span(uint64_t len)
{
	return 8 + ((len + 7) & ~7ull);
}

/* Writer: bytes of body that one record could carry now; 0 when none fits. */
static inline uint64_t ring_room(const struct ring *r)
{
	uint64_t tail = atomic_load_explicit(&r->h->tail, memory_order_acquire);
	uint64_t used = r->pos - tail;

	if (used > r->size || r->size - used < 16) /* a lying reader gets nothing */
		return 0;
	return r->size - used - 8;
}

/* Writer: publishes one record gathered from @iov; false when it does not fit. */
static inline bool ring_put(struct ring *r, uint32_t type, const struct iovec *iov, int n)
{
	uint32_t head[2] = { 0, type };
	uint64_t at = r->pos + 8;
	uint64_t len = 0;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	if (ring_span(len) > ring_room(r) + 8)
		return false;
	head[0] = (uint32_t)len;
	ring_copy_in(r, r->pos, head, 8);
	for (int i = 0; i < n; i++) {
		ring_copy_in(r, at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	r->pos += ring_span(len);
	atomic_store_explicit(&r->h->head, r->pos, memory_order_seq_cst);
	return true;
}

/* Writer: whether the reader asked to be woken; the asking is consumed. */
static inline bool ring_must_wake(struct ring *r)
{
	return atomic_load(&r->h->sleeps) != 0 && atomic_exchange(&r->h->sleeps, 0) != 0;
}

/*
 * Reader: 1 and one record copied to @buf, 0 when there is none, -1 when what
 * stands there can't be true (the writer is broken or hostile: drop it). Its
 * room is the writer's again after ring_taken; until then a later reader, who
 * begins at the tail, would read it again.
 */
static inline int ring_read(struct ring *r, void *buf, uint64_t cap, uint32_t *ret_type,
			    uint64_t *ret_len)
{
	uint64_t head = atomic_load_explicit(&r->h->head, memory_order_acquire);
	uint64_t have = head - r->pos;
	uint32_t hdr[2];

	if (have == 0)
		return 0;
	if (have > r->size || have < 8 || (have & 7) != 0)
		return -1;
	ring_copy_out(r, r->pos, hdr, 8);
	if (ring_span(hdr[0]) > have || hdr[0] > cap)
		return -1;
	ring_copy_out(r, r->pos + 8, buf, hdr[0]);
	r->pos += ring_span(hdr[0]);
	*ret_type = hdr[1];
	*ret_len = hdr[0];
	return 1;
}

/* Reader: all that was read is dealt with. */
static inline void ring_taken(struct ring *r)
{
	atomic_store_explicit(&r->h->tail, r->pos, memory_order_release);
}

/* Reader: both at once. */
static inline int ring_get(struct ring *r, void *buf, uint64_t cap, uint32_t *ret_type,
			   uint64_t *ret_len)
{
	int got = ring_read(r, buf, cap, ret_type, ret_len);

	if (got > 0)
		ring_taken(r);
	return got;
}

/* Reader: asks for the doorbell; true when records came in meanwhile (read on). */
static inline bool ring_sleep(struct ring *r)
{
	atomic_store(&r->h->sleeps, 1);
	return atomic_load(&r->h->head) != r->pos;
}

#endif
