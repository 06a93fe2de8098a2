/*
 * Listing a directory. A cookie is the kernel's own position behind an entry,
 * which stays good while the directory changes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "vm/wasi/guest.h"
#include "vm/wasi/resolve.h"
#include "vm/wasi/sys.h"
#include "wasmd/attack.h"

#define DIRENT_BYTES 24u /* of the guest's record, before the name */

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
 * grant, whichever way the directory was reached. */
static void put_entry(struct call *c, const struct fd *f, const struct kernel_dirent *d,
		      struct out *o)
{
	bool above = strcmp(d->name, "..") == 0 && !attack_off(ATTACK_WASI);
	uint64_t ino = above ? 0 : d->ino;
	uint32_t len = (uint32_t)strlen(d->name);
	uint8_t b[DIRENT_BYTES] = { 0 }, type = above ? FT_DIR : type_of(c, f, d);

	if (!is_listed(c, f, d->name, type))
		return;
	memcpy(b, &d->off, 8);
	memcpy(b + 8, &ino, 8);
	memcpy(b + 16, &len, 4);
	b[20] = type;
	put(o, b, sizeof(b));
	put(o, d->name, len);
}

/* Puts the entries of one answer of @n bytes. */
static void put_all(struct call *c, const struct fd *f, int64_t n, struct out *o)
{
	const char *p = c->w->scratch.dirents;

	for (int64_t i = 0; i < n && o->used < o->len;) {
		const struct kernel_dirent *d = (const void *)(p + i);

		put_entry(c, f, d, o);
		i += d->len;
	}
}

/* About as much as still fits: what does not fit is listed again. */
static size_t ask_size(const struct call *c, const struct out *o)
{
	uint64_t left = o->len - o->used, most = sizeof(c->w->scratch.dirents);

	if (left < 512)
		return 512; /* one entry with the longest name */
	return left < most ? left : most;
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

enum werr call_fd_readdir(struct call *c)
{
	struct fd *f = c->fd[0];
	struct out o = { .p = vm_caller_mem(c->vm, c->a[1], c->a[2]), .len = c->a[2] };
	int list = -1;
	enum werr e = o.p == NULL ? WE_FAULT : open_list(c, f, &list);
	int64_t n;

	if (e != WE_OK)
		return e;
	if (o.len > LIM_IO_BYTES)
		o.len = LIM_IO_BYTES;
	n = sys_seek(c->w, list, (int64_t)c->a[3], SEEK_SET);
	while (n >= 0 && o.used < o.len) {
		n = sys_getdents(c->w, list, c->w->scratch.dirents, ask_size(c, &o));
		if (n <= 0)
			break;
		put_all(c, f, n, &o);
	}
	if (n < 0)
		return werr_of(n);
	(void)call_moved(c, o.used);
	return guest_put_u32(c, c->a[4], (uint32_t)o.used);
}
