/*
 * What a call adds to the gate request beside its descriptors and paths:
 * addresses, lengths, offsets, flags. No system calls here.
 */
#include "vm/wasi/guest.h"
#include "wasmd/attack.h"

enum werr prep_none(struct call *c)
{
	return WE_OK;
}

/* A clock, a signal, an exit status. */
enum werr prep_number(struct call *c)
{
	c->req.offset = c->a[0];
	return WE_OK;
}

enum werr prep_flags(struct call *c)
{
	c->req.flags = (uint32_t)c->a[1];
	return WE_OK;
}

enum werr prep_size(struct call *c)
{
	c->req.len = c->a[1];
	return c->a[1] > INT64_MAX ? WE_INVAL : WE_OK;
}

/* Offset and length; neither, nor their sum, is beyond the largest file. */
enum werr prep_extent(struct call *c)
{
	c->req.offset = c->a[1];
	c->req.len = c->a[2];
	if (c->a[1] > INT64_MAX || c->a[2] > INT64_MAX - c->a[1])
		return WE_INVAL;
	return WE_OK;
}

enum werr prep_iov(struct call *c)
{
	c->req.addr = c->a[1];
	return guest_iov(c, c->a[1], c->a[2], &c->req.len);
}

enum werr prep_iov_at(struct call *c)
{
	c->req.offset = c->a[3];
	return c->a[3] > INT64_MAX ? WE_INVAL : prep_iov(c);
}

enum werr prep_readdir(struct call *c)
{
	c->req.addr = c->a[1];
	c->req.len = c->a[2];
	c->req.offset = c->a[3];
	return WE_OK;
}

enum werr prep_seek(struct call *c)
{
	c->req.offset = c->a[1];
	c->req.flags = (uint32_t)c->a[2];
	return WE_OK;
}

enum werr prep_poll(struct call *c)
{
	c->req.addr = c->a[0];
	c->req.len = c->a[2];
	return WE_OK;
}

enum werr prep_random(struct call *c)
{
	c->req.addr = c->a[0];
	c->req.len = c->a[1];
	return WE_OK;
}

/* The new name makes the old file's contents reachable by another path, so
 * the old one is judged as being read. */
enum werr prep_link(struct call *c)
{
	c->req.flags = c->follow ? LOOKUP_FOLLOW : 0;
	c->req.obj[0].sets = GATE_FS_READ;
	c->req.obj[1].sets = GATE_FS_CREATE;
	return WE_OK;
}

enum werr prep_rename(struct call *c)
{
	c->req.obj[0].sets = GATE_FS_DELETE;
	c->req.obj[1].sets = GATE_FS_CREATE | GATE_FS_DELETE;
	return WE_OK;
}

/* The target is a text: it is not resolved, and nothing is done to it. */
enum werr prep_symlink(struct call *c)
{
	char *target = c->w->scratch.text[1];
	enum werr e = guest_string(c, c->a[0], c->a[1], target, LIM_PATH_BYTES + 1);

	c->req.obj[0] = (struct gate_obj){ .fd = GATE_NO_FD };
	if (e != WE_OK)
		return e;
	c->req.obj[0].path = target;
	c->req.obj[0].path_len = (uint32_t)c->a[1];
	return target[0] == '/' && !attack_off(ATTACK_WASI) ? WE_NOTCAPABLE : WE_OK;
}
