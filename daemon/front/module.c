/* The module store: see module.h. */
#include "daemon/front/module.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/front/instance.h"
#include "daemon/front/sha.h"

#define COPY_BYTES   (256u << 10)
#define MODULE_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct upload {
	struct front *front;
	int file, memfd;
	struct sha *sha;
	uint64_t size;
	char tmp[LIM_PATH_BYTES]; /* "" once it is renamed */
	char tenant[LIM_NAME], name[LIM_NAME];
	uint8_t digest[DIGEST_BYTES];
	struct zyg_wait wait;
	upload_fn *done;
	void *arg;
};

static bool module_path(const struct front *f, const uint8_t *digest, char *ret, size_t size)
{
	char text[DIGEST_TEXT];
	int n;

	digest_text(digest, text);
	n = snprintf(ret, size, "%s/modules/%s", f->state, text + 7);
	return n > 0 && (size_t)n < size;
}

static int io_err(struct err *e, const char *what)
{
	return err_set(e, errno == ENOSPC || errno == EDQUOT ? ERR_QUOTA : ERR_IO, "%s: %s", what,
		       strerror(errno));
}

/* ---- the directories ---------------------------------------------------- */

static int make_dir(const struct front *f, const char *name, struct err *e)
{
	char path[LIM_PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s/%s", f->state, name);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return io_err(e, path);
	return 0;
}

static bool cut_upload(const struct front *f, const char *name)
{
	return name[0] != '.';
}

/* A crash came between the file and its record, or between their ends. */
static bool without_record(const struct front *f, const char *name)
{
	uint8_t digest[DIGEST_BYTES];

	return digest_parse(name, digest) && !store_module_wanted(f->store, digest);
}

static int sweep(const struct front *f, const char *name,
		 bool (*left_over)(const struct front *f, const char *name), struct err *e)
{
	char path[LIM_PATH_BYTES];
	struct dirent *d;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/%s", f->state, name);
	dir = opendir(path);
	if (dir == NULL)
		return io_err(e, path);
	while ((d = readdir(dir)) != NULL)
		if (left_over(f, d->d_name))
			(void)unlinkat(dirfd(dir), d->d_name, 0);
	(void)closedir(dir);
	return 0;
}

int modules_prepare(struct front *f, struct err *e)
{
	if (make_dir(f, "modules", e) < 0 || make_dir(f, "modules/tmp", e) < 0 ||
	    make_dir(f, "logs", e) < 0 || sweep(f, "modules/tmp", cut_upload, e) < 0)
		return e->code;
	return sweep(f, "modules", without_record, e);
}

/* ---- uploads ------------------------------------------------------------ */

struct upload *upload_free(struct upload *u)
{
	if (u == NULL)
		return NULL;
	zyg_wait_drop(&u->wait);
	if (u->tmp[0] != '\0')
		(void)unlink(u->tmp);
	fd_clear(&u->file);
	fd_clear(&u->memfd);
	(void)sha_free(u->sha);
	free(u);
	return NULL;
}

static void on_checked(struct zyg_wait *w, struct zygote *z, const struct err *e);

int upload_begin(struct front *f, struct upload **ret, struct err *e)
{
	struct upload *u = calloc(1, sizeof(*u));
	char id[ID_TEXT];

	if (u == NULL || id_new(id) < 0) {
		free(u);
		return err_nomem(e);
	}
	u->front = f;
	u->wait.done = on_checked;
	u->memfd = memfd_create("wasmd-module", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	(void)snprintf(u->tmp, sizeof(u->tmp), "%s/modules/tmp/%s", f->state, id);
	u->file = open(u->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (u->file < 0 || u->memfd < 0)
		(void)io_err(e, "keeping the upload");
	u->sha = sha_new();
	if (u->sha == NULL)
		(void)err_nomem(e);
	if (e->code != 0) {
		(void)upload_free(u);
		return e->code;
	}
	*ret = u;
	return 0;
}

static int write_all(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int upload_write(struct upload *u, const void *bytes, size_t len, struct err *e)
{
	if (u->size + len > LIM_MODULE_BYTES)
		return err_set(e, ERR_LIMIT, "the module is larger than %u bytes",
			       LIM_MODULE_BYTES);
	if (write_all(u->file, bytes, len) < 0 || write_all(u->memfd, bytes, len) < 0)
		return io_err(e, "keeping the upload");
	if (!sha_add(u->sha, bytes, len))
		return err_nomem(e);
	u->size += len;
	return 0;
}

/* The record of a module that @z has accepted. */
static struct store_module record_of(const struct upload *u, const struct zygote *z)
{
	struct store_module m = {
		.size = (int64_t)u->size,
		.created = now_real(),
		.functions = (int64_t)z->info.n_funcs,
		.imports = z->info.n_imports,
		.exports = z->info.n_exports,
		.memory_pages = z->info.memory_pages,
		.memory_max_pages = z->info.memory_max_pages,
		.command = z->info.has_start != 0,
	};

	memcpy(m.digest, u->digest, DIGEST_BYTES);
	return m;
}

static int sync_dir(const struct front *f)
{
	char path[LIM_PATH_BYTES];
	CLEANUP(close_p) int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/modules", f->state);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

static int put_name(struct upload *u, struct err *e)
{
	return u->name[0] == '\0'
		       ? 0
		       : store_name_put(u->front->store, u->tenant, u->name, u->digest, e);
}

/* File first, record second: a record always has its file. */
static int accept_module(struct upload *u, const struct store_module *m, struct err *e)
{
	char path[LIM_PATH_BYTES];

	if (fsync(u->file) < 0 || !module_path(u->front, u->digest, path, sizeof(path)) ||
	    rename(u->tmp, path) < 0 || sync_dir(u->front) < 0)
		return io_err(e, "keeping the module");
	u->tmp[0] = '\0';
	if (store_module_put(u->front->store, u->tenant, m, e) == 0)
		return put_name(u, e);
	if (!store_module_wanted(u->front->store, u->digest))
		(void)unlink(path);
	return e->code;
}

static void on_checked(struct zyg_wait *w, struct zygote *z, const struct err *e)
{
	struct upload *u = (struct upload *)(void *)((char *)w - offsetof(struct upload, wait));
	struct err mine = { 0 };
	struct store_module m;

	if (e != NULL) {
		u->done(u->arg, NULL, e);
		return;
	}
	m = record_of(u, z);
	if (accept_module(u, &m, &mine) < 0)
		u->done(u->arg, NULL, &mine);
	else
		u->done(u->arg, &m, NULL);
}

static int seal(struct upload *u, struct err *e)
{
	if (!sha_end(u->sha, u->digest) || fcntl(u->memfd, F_ADD_SEALS, MODULE_SEALS) < 0)
		return err_nomem(e);
	return 0;
}

int upload_finish(struct upload *u, const struct who *who, const char *name, upload_fn *done,
		  void *arg, struct err *e)
{
	struct store_module known;
	struct zygote *z = NULL;

	u->done = done;
	u->arg = arg;
	(void)snprintf(u->tenant, sizeof(u->tenant), "%s", who->tenant->name);
	(void)snprintf(u->name, sizeof(u->name), "%s", name);
	if (seal(u, e) < 0)
		return e->code;
	if (store_module_get(u->front->store, u->tenant, u->digest, &known, e) == 0) {
		if (put_name(u, e) < 0)
			return e->code;
		done(arg, &known, NULL);
		return 0;
	}
	if (e->code != 0 || zygote_get(u->front, who, u->digest, u->memfd, &u->wait, &z, e) < 0)
		return e->code;
	if (z != NULL)
		on_checked(&u->wait, z, NULL);
	return 0;
}

/* ---- finding, removing -------------------------------------------------- */

static int not_found(const char *ref, struct err *e)
{
	CLEANUP(free_p) char *shown = text_escape(ref, strlen(ref));

	(void)err_set(e, ERR_NOTFOUND, "there is no module \"%.100s\"", shown != NULL ? shown : "");
	return err_hint(e, "wasmctl module ls lists them");
}

int module_find(struct front *f, const char *tenant, const char *ref, struct store_module *ret,
		struct err *e)
{
	const char *hex = strncmp(ref, "sha256:", 7) == 0 ? ref + 7 : ref;
	uint8_t digest[DIGEST_BYTES];
	bool named = store_name_get(f->store, tenant, ref, digest);
	int n = 0, r;

	if (!named && strlen(hex) >= REF_PREFIX && strlen(hex) < 64 && hex_ok(hex)) {
		n = store_module_prefix(f->store, tenant, hex, digest);
		if (n > 1)
			return err_set(e, ERR_USAGE,
				       "several modules have a digest that begins with %s", hex);
	}
	if (!named && n == 0 && !digest_parse(ref, digest))
		return not_found(ref, e);
	r = store_module_get(f->store, tenant, digest, ret, e);
	return r == ERR_NOTFOUND && e->code == 0 ? not_found(ref, e) : r;
}

int module_remove(struct front *f, const char *tenant, const uint8_t *digest, struct err *e)
{
	char path[LIM_PATH_BYTES];

	for (struct instance *i = instance_first(f->instances); i != NULL; i = i->next)
		if ((i->state & INST_LIVE) != 0 && strcmp(i->tenant, tenant) == 0 &&
		    memcmp(i->spec.module, digest, DIGEST_BYTES) == 0) {
			(void)err_set(e, ERR_STATE, "instance %s runs this module",
				      i->name[0] != '\0' ? i->name : i->id);
			return err_hint(e, "end it first: wasmctl kill %s",
					i->name[0] != '\0' ? i->name : i->id);
		}
	if (store_module_drop(f->store, tenant, digest, e) < 0)
		return e->code;
	zygotes_drop_module(f, tenant, digest);
	if (!store_module_wanted(f->store, digest) && module_path(f, digest, path, sizeof(path)))
		(void)unlink(path);
	return 0;
}

/* ---- opening ------------------------------------------------------------ */

/* Copies and hashes in one go; the loop waits meanwhile, once per zygote. */
static int copy_verified(int from, int to, const uint8_t *digest, struct err *e)
{
	CLEANUP(free_p) void *buf = malloc(COPY_BYTES);
	struct sha *sha = sha_new();
	uint8_t is[DIGEST_BYTES] = { 0 };
	ssize_t n = -1;

	if (buf == NULL || sha == NULL) {
		(void)sha_free(sha);
		return err_nomem(e);
	}
	while ((n = read(from, buf, COPY_BYTES)) > 0) {
		if (!sha_add(sha, buf, (size_t)n) || write_all(to, buf, (size_t)n) < 0)
			break;
	}
	if (n != 0)
		(void)io_err(e, "reading the module");
	else if (!sha_end(sha, is) || memcmp(is, digest, sizeof(is)) != 0)
		(void)err_set(e, ERR_IO, "the stored module is damaged: its digest is another");
	(void)sha_free(sha);
	return e->code;
}

int module_open(struct front *f, const uint8_t *digest, int *ret_fd, struct err *e)
{
	char path[LIM_PATH_BYTES];
	CLEANUP(close_p) int file = -1;
	CLEANUP(close_p) int memfd = memfd_create("wasmd-module", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (!module_path(f, digest, path, sizeof(path)) || memfd < 0)
		return err_nomem(e);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return io_err(e, "reading the module");
	if (copy_verified(file, memfd, digest, e) < 0)
		return e->code;
	if (fcntl(memfd, F_ADD_SEALS, MODULE_SEALS) < 0)
		return io_err(e, "sealing the module");
	*ret_fd = fd_take(&memfd);
	return 0;
}
