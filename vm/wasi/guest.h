/*
 * In and out of guest memory: the only files of vm/wasi that know where
 * records' fields lie. Guest addresses are unaligned and hostile; everything
 * is bounds-checked by the engine and copied.
 */
#ifndef WASI_GUEST_H
#define WASI_GUEST_H

#include "vm/wasi/wasi_priv.h"

MUST_CHECK enum werr guest_get(struct call *c, uint64_t addr, void *dst, uint64_t len);
MUST_CHECK enum werr guest_put(struct call *c, uint64_t addr, const void *src, uint64_t len);
MUST_CHECK enum werr guest_put_u32(struct call *c, uint64_t addr, uint32_t v);
MUST_CHECK enum werr guest_put_u64(struct call *c, uint64_t addr, uint64_t v);

/* A string to @dst of @cap bytes, NUL-terminated. ENAMETOOLONG; EINVAL when
 * it contains a NUL; ENOENT when it is empty; EILSEQ when it is not UTF-8. */
MUST_CHECK enum werr guest_string(struct call *c, uint64_t addr, uint64_t len, char *dst,
				  size_t cap);

/* The iovecs at @addr to c->iov, in place and cut to LIM_IO_BYTES in all; what
 * the guest asked for goes to *ret_total. */
MUST_CHECK enum werr guest_iov(struct call *c, uint64_t addr, uint64_t count, uint64_t *ret_total);

/* Cuts c->iov to @max bytes in all; answers what is left. */
uint64_t iov_cut(struct call *c, uint64_t max);

MUST_CHECK enum werr guest_put_filestat(struct call *c, uint64_t addr, const struct stat *st,
					uint8_t filetype);

struct fdstat {
	uint8_t filetype;
	uint16_t flags;
	uint64_t rights, inherit;
};
MUST_CHECK enum werr guest_put_fdstat(struct call *c, uint64_t addr, const struct fdstat *s);

/* One subscription and one event of poll_oneoff. */
struct subscription {
	uint64_t userdata, timeout;
	uint32_t clock, fd;
	uint16_t flags;
	uint8_t type;
};

struct event {
	uint64_t userdata, nbytes;
	uint16_t error, flags;
	uint8_t type;
};

#define EVENT_BYTES 32u

/* Bytes of a subscription in the caller's version of the interface. */
uint32_t guest_subscription_size(const struct call *c);
MUST_CHECK enum werr guest_get_subscription(struct call *c, uint64_t base, uint32_t i,
					    struct subscription *ret);
MUST_CHECK enum werr guest_put_event(struct call *c, uint64_t base, uint32_t i,
				     const struct event *e);

uint8_t filetype_of(mode_t mode);

#endif
