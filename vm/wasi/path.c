/*
 * Calls that name something by path. The path is resolved and judged before a
 * handler runs; what is done here is done to a name in a held directory.
 */
#include <errno.h>
#include <fcntl.h>

#include "vm/wasi/fdtable.h"
#include "vm/wasi/guest.h"
#include "vm/wasi/meter.h"
#include "vm/wasi/resolve.h"
#include "vm/wasi/sys.h"
#include "vm/wasi/times.h"
#include "wasmd/attack.h"
#include "wasmd/fault.h"

static bool exists(const struct place *p)
{
	return p->st.st_mode != 0;
}

/* A path that ends in a slash can't become anything but a directory, and a
 * name that would not be seen can't become a file. */
static enum werr may_make(const struct call *c, uint32_t i)
{
	const struct place *p = &c->at[i];

	if (exists(p))
		return WE_OK;
	return p->dir || !place_visible(c->w, c->fd[i], p->path, false) ? WE_NOENT : WE_OK;
}

enum werr call_path_create_directory(struct call *c)
{
	return werr_of(sys_mkdir(c->w, c->at[0].parent, c->at[0].name));
}

enum werr call_path_remove_directory(struct call *c)
{
	return werr_of(sys_unlink(c->w, c->at[0].parent, c->at[0].name, AT_REMOVEDIR));
}

enum werr call_path_unlink_file(struct call *c)
{
	return werr_of(sys_unlink(c->w, c->at[0].parent, c->at[0].name, 0));
}

/* What was looked at to judge is what is told. */
enum werr call_path_filestat_get(struct call *c)
{
	const struct place *p = &c->at[0];

	if (!exists(p))
		return WE_NOENT;
	return guest_put_filestat(c, c->a[4], &p->st, filetype_of(p->st.st_mode));
}

enum werr call_path_filestat_set_times(struct call *c)
{
	struct timespec ts[2];
	enum werr e = times_of(c->a[4], c->a[5], c->a[6], ts);

	if (e != WE_OK)
		return e;
	return werr_of(sys_times_at(c->w, c->at[0].parent, c->at[0].name, ts));
}

/* Grants are file systems of their own, whether the host's are or not. */
static bool crosses(const struct call *c)
{
	return c->fd[0]->mount != c->fd[1]->mount && !attack_off(ATTACK_WASI);
}

enum werr call_path_link(struct call *c)
{
	const struct place *from = &c->at[0], *to = &c->at[1];
	enum werr e = crosses(c) ? WE_XDEV : may_make(c, 1);

	if (e != WE_OK)
		return e;
	return werr_of(sys_link(c->w, from->parent, from->name, to->parent, to->name));
}

enum werr call_path_rename(struct call *c)
{
	const struct place *from = &c->at[0], *to = &c->at[1];
	bool dir = S_ISDIR(from->st.st_mode);

	if (crosses(c))
		return WE_XDEV;
	if (to->dir && exists(from) && !dir)
		return WE_NOTDIR;
	if (!dir && !exists(to) && !place_visible(c->w, c->fd[1], to->path, false))
		return WE_NOENT;
	/* Elsewhere, what is hidden in it could be seen. */
	if (dir && (place_filtered(c->w, c->fd[0]) || place_filtered(c->w, c->fd[1])))
		return WE_ACCES;
	return werr_of(sys_rename(c->w, from->parent, from->name, to->parent, to->name));
}

enum werr call_path_symlink(struct call *c)
{
	const struct place *p = &c->at[0];
	enum werr e = may_make(c, 0);

	int64_t rc;

	if (e != WE_OK)
		return e;
	if (!meter_disk(c, c->a[1]))
		return WE_DQUOT;
	rc = sys_symlink(c->w, c->w->scratch.text[1], p->parent, p->name);
	if (rc == 0)
		c->w->disk += c->a[1];
	return werr_of(rc);
}

/* A target that does not fit is cut, as readlink(2) cuts it. */
enum werr call_path_readlink(struct call *c)
{
	const struct place *p = &c->at[0];
	char target[LIM_PATH_BYTES];
	int64_t n = sys_readlink(c->w, p->parent, p->name, target, sizeof(target));
	enum werr e;

	if (n < 0)
		return werr_of(n);
	if ((uint64_t)n > c->a[4])
		n = (int64_t)c->a[4];
	e = guest_put(c, c->a[3], target, (uint64_t)n);
	return e != WE_OK ? e : guest_put_u32(c, c->a[5], (uint32_t)n);
}

/* ---- path_open ---------------------------------------------------------- */

/* a[]: fd, lookup flags, path, length, oflags, rights, inheriting, fdflags,
 * address of the answer */
enum { A_OFLAGS = 4, A_RIGHTS = 5, A_INHERIT = 6, A_FDFLAGS = 7, A_RET = 8 };

/* What the file will be good for: never more than its directory passes on. */
static uint64_t granted(const struct call *c)
{
	return c->a[A_RIGHTS] & c->fd[0]->inherit;
}

static enum werr check_open(const struct call *c)
{
	const struct fd *dir = c->fd[0];
	uint64_t of = c->a[A_OFLAGS];

	if (of > (OF_CREAT | OF_DIRECTORY | OF_EXCL | OF_TRUNC) || c->a[A_FDFLAGS] > FDF_ALL)
		return WE_INVAL;
	if ((of & OF_DIRECTORY) != 0 && (of & (OF_CREAT | OF_TRUNC)) != 0)
		return WE_INVAL;
	if ((of & OF_CREAT) != 0 && (dir->rights & R_PATH_CREATE_FILE) == 0)
		return WE_NOTCAPABLE;
	if ((of & OF_TRUNC) != 0 && (dir->rights & R_PATH_FILESTAT_SET_SIZE) == 0)
		return WE_NOTCAPABLE;
	if ((c->a[A_RIGHTS] & ~dir->inherit & R_FD_WRITE) != 0)
		return WE_NOTCAPABLE;
	return WE_OK;
}

/* Whether this open can bring a file into being. */
static bool creates(const struct call *c)
{
	return (c->a[A_OFLAGS] & OF_CREAT) != 0 && c->at[0].class == GATE_CLASS_UNKNOWN;
}

/* Judged by what the file is opened for. */
enum werr prep_open(struct call *c)
{
	struct gate_obj *o = &c->req.obj[0];
	uint64_t r = granted(c), of = c->a[A_OFLAGS];
	bool dir = o->class == GATE_CLASS_DIR || (of & OF_DIRECTORY) != 0;

	c->req.flags = (uint32_t)(of << 16 | (c->a[A_FDFLAGS] & 0xffff));
	o->rights = r;
	o->sets = 0;
	if (dir && (r & R_FD_READDIR) != 0)
		o->sets |= GATE_FS_LIST;
	if (!dir && (r & R_FD_READ) != 0)
		o->sets |= GATE_FS_READ;
	if (!dir && ((r & R_WRITING) != 0 || (of & OF_TRUNC) != 0))
		o->sets |= GATE_FS_WRITE;
	if (creates(c))
		o->sets |= GATE_FS_CREATE;
	return check_open(c);
}

static int access_flags(uint64_t rights, uint64_t oflags)
{
	bool rd = (rights & R_FD_READ) != 0;
	bool wr = (rights & R_WRITING) != 0 || (oflags & OF_TRUNC) != 0;

	if (wr)
		return rd ? O_RDWR : O_WRONLY;
	return O_RDONLY;
}

/* A file that was there when the call was judged is not created by it. */
static int file_flags(const struct call *c)
{
	uint64_t of = c->a[A_OFLAGS], fdf = c->a[A_FDFLAGS];
	int flags = access_flags(granted(c), of) |
		    (attack_off(ATTACK_WASI) ? 0 : O_NONBLOCK | O_NOCTTY);

	if (creates(c))
		flags |= O_CREAT;
	if (creates(c) && (of & OF_EXCL) != 0)
		flags |= O_EXCL;
	if ((of & OF_TRUNC) != 0)
		flags |= O_TRUNC;
	if ((fdf & FDF_APPEND) != 0)
		flags |= O_APPEND;
	if ((fdf & FDF_DSYNC) != 0)
		flags |= O_DSYNC;
	if ((fdf & (FDF_SYNC | FDF_RSYNC)) != 0)
		flags |= O_SYNC;
	return flags;
}

/* A directory that is only walked is held by path. */
static int dir_flags(const struct call *c)
{
	return O_DIRECTORY | ((granted(c) & R_FD_READDIR) != 0 ? O_RDONLY : O_PATH);
}

/* What can be known before opening. Pipes, sockets and devices are never
 * opened: a grant of a directory grants its files. */
static enum werr check_found(const struct call *c)
{
	const struct place *p = &c->at[0];
	uint64_t of = c->a[A_OFLAGS];

	if (attack_off(ATTACK_WASI))
		return WE_OK;
	if (!exists(p) && (of & OF_CREAT) == 0)
		return WE_NOENT;
	if (!exists(p))
		return p->dir ? WE_ISDIR : may_make(c, 0);
	if ((of & OF_CREAT) != 0 && (of & OF_EXCL) != 0)
		return WE_EXIST;
	if (S_ISLNK(p->st.st_mode))
		return WE_LOOP;
	if (S_ISDIR(p->st.st_mode))
		return (of & (OF_TRUNC | OF_CREAT)) != 0 || (c->a[A_RIGHTS] & R_FD_WRITE) != 0
			       ? WE_ISDIR
			       : WE_OK;
	if ((of & OF_DIRECTORY) != 0)
		return WE_NOTDIR;
	return S_ISREG(p->st.st_mode) ? WE_OK : WE_NOTCAPABLE;
}

/* What stood there may have been exchanged since it was looked at. O_DIRECTORY
 * sees to directories; a file is looked at again before its first use. */
static enum werr open_host(struct call *c, struct fd *f)
{
	const struct place *p = &c->at[0];
	bool dir = S_ISDIR(p->st.st_mode);
	int64_t fd = sys_open(c->w, p->parent, p->name, dir ? dir_flags(c) : file_flags(c),
			      !dir && creates(c) ? 0666 : 0);

	if (fd < 0)
		return werr_of(fd);
	f->host = (int)fd;
	f->unseen = !dir && !attack_off(ATTACK_WASI);
	if ((c->a[A_OFLAGS] & OF_TRUNC) != 0)
		meter_shrunk(c->w);
	return WE_OK;
}

/* Makes the entry of what was opened; takes its path along for later calls. */
static enum werr open_entry(struct call *c, struct fd *f, uint32_t *ret)
{
	const struct place *p = &c->at[0];
	bool dir = S_ISDIR(p->st.st_mode);

	f->kind = dir ? FD_DIR : FD_FILE;
	f->filetype = dir ? FT_DIR : FT_FILE;
	f->rights = granted(c) & (dir ? R_DIR : R_FILE);
	f->inherit = c->a[A_INHERIT] & c->fd[0]->inherit;
	f->flags = (uint16_t)c->a[A_FDFLAGS];
	f->mount = c->fd[0]->mount;
	if (!fd_set_path(&c->w->fds, f, p->path, p->path_len))
		return WE_NOMEM;
	return fds_add(&c->w->fds, f, ret);
}

enum werr call_path_open(struct call *c)
{
	struct fd f = {
		.kind = FD_FILE, .host = -1, .list = -1, .owned = true, .stream = -1, .preopen = -1
	};
	enum werr e = check_found(c);
	uint32_t at = 0;

	if (e == WE_OK && fds_full(&c->w->fds))
		e = WE_MFILE;
	if (e == WE_OK && vm_caller_mem(c->vm, c->a[A_RET], 4) == NULL)
		e = WE_FAULT;
	if (e == WE_OK)
		e = open_host(c, &f);
	if (e == WE_OK)
		e = open_entry(c, &f, &at);
	if (e != WE_OK) {
		fd_release(c->w, &f);
		return e;
	}
	return guest_put_u32(c, c->a[A_RET], at);
}
