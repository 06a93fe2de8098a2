/*
 * Copies between host and guest: see guest.h. Offsets are those of
 * wasi_snapshot_preview1.witx; where wasi_unstable differs it says so.
 */
#include "vm/wasi/guest.h"
#include "wasmd/attack.h"
#include "wasmd/utf8.h"

enum werr guest_get(struct call *c, uint64_t addr, void *dst, uint64_t len)
{
	const void *p = vm_caller_mem(c->vm, addr, len);

	if (p == NULL)
		return WE_FAULT;
	memcpy(dst, p, len);
	return WE_OK;
}

enum werr guest_put(struct call *c, uint64_t addr, const void *src, uint64_t len)
{
	void *p = vm_caller_mem(c->vm, addr, len);

	if (p == NULL)
		return WE_FAULT;
	memcpy(p, src, len);
	return WE_OK;
}

enum werr guest_put_u32(struct call *c, uint64_t addr, uint32_t v)
{
	return guest_put(c, addr, &v, sizeof(v));
}

enum werr guest_put_u64(struct call *c, uint64_t addr, uint64_t v)
{
	return guest_put(c, addr, &v, sizeof(v));
}

enum werr guest_string(struct call *c, uint64_t addr, uint64_t len, char *dst, size_t cap)
{
	enum werr e;

	if (len == 0)
		return WE_NOENT;
	if (len >= cap)
		return WE_NAMETOOLONG;
	e = guest_get(c, addr, dst, len);
	if (e != WE_OK)
		return e;
	dst[len] = '\0';
	if (attack_off(ATTACK_WASI))
		return WE_OK;
	if (memchr(dst, '\0', len) != NULL)
		return WE_INVAL;
	return utf8_ok((const uint8_t *)dst, len) ? WE_OK : WE_ILSEQ;
}

uint64_t iov_cut(struct call *c, uint64_t max)
{
	uint64_t total = 0;

	for (int i = 0; i < c->n_iov; i++) {
		if (c->iov[i].iov_len > max - total)
			c->iov[i].iov_len = max - total;
		total += c->iov[i].iov_len;
	}
	return total;
}

enum werr guest_iov(struct call *c, uint64_t addr, uint64_t count, uint64_t *ret_total)
{
	const uint8_t *p;

	if (count > LIM_IOVECS)
		return WE_INVAL;
	p = vm_caller_mem(c->vm, addr, count * 8);
	if (p == NULL)
		return WE_FAULT;
	c->iov = c->w->scratch.iov;
	*ret_total = 0;
	for (uint64_t i = 0; i < count; i++) {
		uint32_t v[2];
		void *base;

		memcpy(v, p + i * 8, sizeof(v));
		base = vm_caller_mem(c->vm, v[1] != 0 ? v[0] : 0, v[1]);
		if (base == NULL && v[1] != 0)
			return WE_FAULT;
		c->iov[i] = (struct iovec){ base, v[1] };
		*ret_total += v[1];
	}
	c->n_iov = (int)count;
	if (*ret_total > LIM_IO_BYTES)
		(void)iov_cut(c, LIM_IO_BYTES);
	return *ret_total > UINT32_MAX ? WE_INVAL : WE_OK;
}

uint8_t filetype_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return FT_FILE;
	case S_IFDIR:
		return FT_DIR;
	case S_IFLNK:
		return FT_LINK;
	case S_IFCHR:
		return FT_CHAR;
	case S_IFBLK:
		return FT_BLOCK;
	case S_IFSOCK:
		return FT_SOCK_STREAM;
	default: /* the interface has no word for a pipe */
		return FT_UNKNOWN;
	}
}

/* Nanoseconds; times before 1970 are 0, as the interface's are unsigned. */
static uint64_t ns_of(struct timespec t)
{
	return t.tv_sec < 0 ? 0 : (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* unstable: nlink has 32 bits, so the fields behind it move up by 8. */
enum werr guest_put_filestat(struct call *c, uint64_t addr, const struct stat *st, uint8_t filetype)
{
	uint8_t b[64] = { 0 };
	uint64_t tail[4] = { (uint64_t)st->st_size, ns_of(st->st_atim), ns_of(st->st_mtim),
			     ns_of(st->st_ctim) };
	uint64_t dev = st->st_dev, ino = st->st_ino, nlink = st->st_nlink;
	uint32_t nlink32 = nlink > UINT32_MAX ? UINT32_MAX : (uint32_t)nlink;

	memcpy(b, &dev, 8);
	memcpy(b + 8, &ino, 8);
	b[16] = filetype;
	if (c->old)
		memcpy(b + 20, &nlink32, 4);
	else
		memcpy(b + 24, &nlink, 8);
	memcpy(b + (c->old ? 24 : 32), tail, sizeof(tail));
	return guest_put(c, addr, b, c->old ? 56 : 64);
}

enum werr guest_put_fdstat(struct call *c, uint64_t addr, const struct fdstat *s)
{
	uint8_t b[24] = { 0 };

	b[0] = s->filetype;
	memcpy(b + 2, &s->flags, 2);
	memcpy(b + 8, &s->rights, 8);
	memcpy(b + 16, &s->inherit, 8);
	return guest_put(c, addr, b, sizeof(b));
}

uint32_t guest_subscription_size(const struct call *c)
{
	return c->old ? 56 : 48;
}

/* unstable: a clock has a 64-bit identifier before its other fields. */
enum werr guest_get_subscription(struct call *c, uint64_t base, uint32_t i,
				 struct subscription *ret)
{
	uint32_t size = guest_subscription_size(c), clock = c->old ? 24 : 16;
	uint8_t b[56];
	enum werr e = guest_get(c, base + (uint64_t)i * size, b, size);

	if (e != WE_OK)
		return e;
	*ret = (struct subscription){ .type = b[8] };
	memcpy(&ret->userdata, b, 8);
	memcpy(&ret->fd, b + 16, 4);
	memcpy(&ret->clock, b + clock, 4);
	memcpy(&ret->timeout, b + clock + 8, 8);
	memcpy(&ret->flags, b + clock + 24, 2);
	return WE_OK;
}

enum werr guest_put_event(struct call *c, uint64_t base, uint32_t i, const struct event *e)
{
	uint8_t b[EVENT_BYTES] = { 0 };

	memcpy(b, &e->userdata, 8);
	memcpy(b + 8, &e->error, 2);
	b[10] = e->type;
	memcpy(b + 16, &e->nbytes, 8);
	memcpy(b + 24, &e->flags, 2);
	return guest_put(c, base + (uint64_t)i * EVENT_BYTES, b, sizeof(b));
}
