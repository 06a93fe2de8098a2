/*
 * Listing a directory. A cookie is the kernel's own position behind an entry.
 * Not every file system (tmpfs before Linux 6.6) finds such a position again
 * once entries before it are gone, so a listing that goes on where it stopped
 * never asks for one: the kernel is left where it is, and what it told beyond
 * what the guest had room for is kept.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "vm/wasi/guest.h"
#include "vm/wasi/resolve.h"
#include "vm/wasi/sys.h"
#include "wasmd/attack.h"
#include "wasmd/fault.h"

#define DIRENT_BYTES 24u  /* of the guest's record, before the name */
#define LEFT_BYTES   512u /* one kernel's record with the longest name */

/* How far a listing has come. */
struct listing {
	uint64_t at;   /* the last cookie that the guest got, or asked for */
	uint32_t left; /* bytes that the kernel told and the guest did not get */
	_Alignas(8) char rest[LEFT_BYTES];
};

/* The kernel's record (getdents64(2)). */
struct kernel_dirent {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* Where the guest's buffer stands. */
struct out {
	uint8_t *p;
	uint64_t len, used;
};

static uint8_t filetype_of_dt(uint8_t type)
{
	return filetype_of(DTTOIF(type));
}

/* Copies what fits: a guest knows a cut entry by the full buffer. */
static void put(struct out *o, const void *src, uint64_t n)
{
	if (n > o->len - o->used)
		n = o->len - o->used;
	memcpy(o->p + o->used, src, n);
	o->used += n;
}

/* A file system that does not tell types is asked about each. */
static uint8_t type_of(struct call *c, const struct fd *f, const struct kernel_dirent *d)
{
	struct stat st;

	if (d->type != DT_UNKNOWN)
		return filetype_of_dt(d->type);
	return sys_stat_at(c->w, f->host, d->name, &st) < 0 ? FT_UNKNOWN : filetype_of(st.st_mode);
}

/* Does the guest's view of the directory have this entry, of type @type? */
static bool is_listed(const struct call *c, const struct fd *f, const char *name, uint8_t type)
{
	char path[LIM_PATH_BYTES * 2 + NAME_MAX + 2];

	if (c->w->cfg.gate->visible == NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return true;
	(void)snprintf(path, sizeof(path), "%s/%s", f->path_len == 1 ? "" : f->path, name);
	return place_visible(c->w, f, path, type == FT_DIR);
}

/* What lies above a directory has no number for the guest: it may be above the
 * grant, whichever way the directory was reached. false: there was no room for
 * all of it. */
static bool put_entry(struct call *c, const struct fd *f, const struct kernel_dirent *d,
		      struct out *o)
{
	bool above = strcmp(d->name, "..") == 0 && !attack_off(ATTACK_WASI);
	uint64_t ino = above ? 0 : d->ino;
	uint32_t len = (uint32_t)strlen(d->name);
	uint8_t b[DIRENT_BYTES] = { 0 }, type = above ? FT_DIR : type_of(c, f, d);
	bool fits = o->len - o->used >= DIRENT_BYTES + len;

	if (!is_listed(c, f, d->name, type))
		return true;
	memcpy(b, &d->off, 8);
	memcpy(b + 8, &ino, 8);
	memcpy(b + 16, &len, 4);
	b[20] = type;
	put(o, b, sizeof(b));
	put(o, d->name, len);
	return fits;
}

/* Puts the entries in @n bytes of the kernel's; how many bytes of them the
 * guest has got. */
static uint32_t put_all(struct call *c, struct fd *f, const char *p, uint32_t n, struct out *o)
{
	uint32_t i = 0;

	while (i < n && o->used < o->len) {
		const struct kernel_dirent *d = (const void *)(p + i);
		uint64_t before = o->used;

		if (!put_entry(c, f, d, o))
			break;
		if (o->used != before)
			f->listing->at = (uint64_t)d->off;
		i += d->len;
	}
	return i;
}

/* No more than fits: a guest's record is at most seven sixths of the kernel's.
 * Only the last answer, which is short, may leave something over. */
static size_t ask_size(const struct call *c, const struct out *o)
{
	uint64_t most = sizeof(c->w->scratch.dirents), fits = (o->len - o->used) / 7 * 6;

	if (fits < LEFT_BYTES)
		return LEFT_BYTES;
	return fits < most ? fits : most;
}

/* What our own opens for listing are; grants are held by path, which can't be
 * listed, and are opened once more. */
static enum werr open_list(struct call *c, struct fd *f, int *ret)
{
	int64_t fd;

	*ret = f->owned ? f->host : f->list;
	if (*ret >= 0)
		return WE_OK;
	fd = sys_open(c->w, f->host, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return werr_of(fd);
	*ret = f->list = (int)fd;
	return WE_OK;
}

/* Puts the kernel where the guest wants to go on. */
static int64_t go_to(struct call *c, struct fd *f, int list, uint64_t cookie)
{
	if (cookie != 0 && cookie == f->listing->at)
		return 0;
	f->listing->at = cookie;
	f->listing->left = 0;
	return sys_seek(c->w, list, (int64_t)cookie, SEEK_SET);
}

/* What was left over before, then what the kernel has. 0 at the end. */
static int64_t next_entries(struct call *c, struct fd *f, int list, struct out *o)
{
	struct listing *l = f->listing;
	char *p = c->w->scratch.dirents;
	int64_t n = l->left;
	uint32_t got;

	if (n != 0)
		memcpy(p, l->rest, l->left);
	else
		n = sys_getdents(c->w, list, p, ask_size(c, o));
	if (n <= 0)
		return n;
	got = put_all(c, f, p, (uint32_t)n, o);
	l->left = (uint32_t)n - got;
	if (l->left > LEFT_BYTES)
		return -EIO; /* it told more than it was asked for */
	memcpy(l->rest, p + got, l->left);
	return n;
}

static enum werr list(struct call *c, struct fd *f, int fd, struct out *o)
{
	int64_t n = go_to(c, f, fd, c->a[3]);

	if (n < 0)
		return werr_of(n);
	do {
		if (wasi_stopped(c->w)) {
			c->trap = VM_TRAP_STOPPED;
			return WE_CANCELED;
		}
		n = o->used < o->len ? next_entries(c, f, fd, o) : 0;
	} while (n > 0);
	return werr_of(n);
}

enum werr call_fd_readdir(struct call *c)
{
	struct fd *f = c->fd[0];
	struct out o = { .p = vm_caller_mem(c->vm, c->a[1], c->a[2]), .len = c->a[2] };
	int fd = -1;
	enum werr e = o.p == NULL ? WE_FAULT : open_list(c, f, &fd);

	if (e == WE_OK && f->listing == NULL)
		f->listing = mem_new(1, sizeof(*f->listing));
	if (e == WE_OK)
		e = f->listing == NULL ? WE_NOMEM : list(c, f, fd, &o);
	if (e != WE_OK)
		return e;
	(void)call_moved(c, o.used);
	return guest_put_u32(c, c->a[4], (uint32_t)o.used);
}
