/*
 * The walk of a path: see resolve.h. A prefix without links is one openat2;
 * only when it meets a link does the walk go component by component.
 */
#include <errno.h>
#include <fcntl.h>

#include "vm/wasi/resolve.h"
#include "vm/wasi/sys.h"
#include "wasmd/attack.h"

struct walk {
	struct wasi *w;
	struct place *p;
	const struct fd *dir;
	char *todo;	/* what is left; a buffer of LIM_PATH_BYTES + 1 */
	uint32_t base;	/* bytes of p->path that are the directory's own */
	uint32_t depth; /* components below it */
	uint32_t links; /* followed so far */
	bool follow;
	char name[NAME_MAX + 1]; /* the component taken last */
};

/* ---- what exists for the guest --------------------------------------------- */

static bool ask_visible(const struct wasi *w, const struct fd *dir, const char *rel, bool is_dir)
{
	const struct gate *g = w->cfg.gate;

	return g->visible == NULL ||
	       g->visible(g->arg, dir->mount, rel, (uint32_t)strlen(rel), is_dir);
}

bool place_visible(const struct wasi *w, const struct fd *dir, const char *path, bool is_dir)
{
	size_t root;

	if (w->cfg.gate->visible == NULL)
		return true;
	root = strlen(w->cfg.preopens[dir->mount].guest);
	path += root < strlen(path) ? root : strlen(path);
	return ask_visible(w, dir, path + strspn(path, "/"), is_dir);
}

bool place_filtered(const struct wasi *w, const struct fd *dir)
{
	return !ask_visible(w, dir, "", false);
}

/* Is there no k->name in the directory that the walk has reached? */
static bool hidden(const struct walk *k, bool is_dir)
{
	char path[sizeof(k->p->path) + sizeof(k->name)];

	if (k->w->cfg.gate->visible == NULL)
		return false;
	(void)snprintf(path, sizeof(path), "%s/%s", k->p->path, k->name);
	return !place_visible(k->w, k->dir, path, is_dir);
}

/* ---- walking ---------------------------------------------------------------- */

/* Appends "/@name" to the place's path. */
static enum werr push(struct walk *k, const char *name)
{
	struct place *p = k->p;
	size_t n = strlen(name);

	if (k->depth >= LIM_PATH_DEPTH || p->path_len - k->base + n + 1 > LIM_PATH_BYTES ||
	    p->path_len + n + 1 >= sizeof(p->path))
		return WE_NAMETOOLONG;
	p->path[p->path_len] = '/';
	memcpy(p->path + p->path_len + 1, name, n + 1);
	p->path_len += (uint32_t)n + 1;
	k->depth++;
	return WE_OK;
}

static void pop(struct walk *k)
{
	struct place *p = k->p;

	while (p->path[--p->path_len] != '/')
		;
	p->path[p->path_len] = '\0';
	k->depth--;
}

/* Puts the walk back to its directory. "/" is kept as "" until place_close. */
static void start(struct walk *k)
{
	struct place *p = k->p;

	p->parent = k->dir->host;
	p->owned = false;
	p->path_len = k->dir->path_len == 1 ? 0 : k->dir->path_len;
	memcpy(p->path, k->dir->path, p->path_len);
	p->path[p->path_len] = '\0';
	k->base = p->path_len;
	k->depth = 0;
}

/* Makes the directory @fd the one that is held. */
static void hold(struct walk *k, int fd, bool owned)
{
	if (k->p->owned)
		(void)sys_close(k->w, k->p->parent);
	k->p->parent = fd;
	k->p->owned = owned;
}

static enum werr hold_below(struct walk *k, int from, const char *path)
{
	int64_t fd = sys_open(k->w, from, path, O_PATH | O_DIRECTORY, 0);

	if (fd < 0)
		return werr_of(fd);
	hold(k, (int)fd, true);
	return WE_OK;
}

/* Takes the next component to k->name; "" when none is left. *ret_last: none
 * follows. */
static enum werr take(struct walk *k, bool *ret_last)
{
	size_t n;

	k->todo += strspn(k->todo, "/");
	n = strcspn(k->todo, "/");
	if (n > NAME_MAX)
		return WE_NAMETOOLONG;
	memcpy(k->name, k->todo, n);
	k->name[n] = '\0';
	k->todo += n;
	*ret_last = k->todo[strspn(k->todo, "/")] == '\0';
	k->p->dir = *ret_last && *k->todo == '/';
	return WE_OK;
}

/* `..`: back to the directory of the names walked so far, by those names. */
static enum werr go_up(struct walk *k)
{
	if (k->depth == 0)
		return WE_NOTCAPABLE;
	pop(k);
	if (k->depth == 0) {
		hold(k, k->dir->host, false);
		return WE_OK;
	}
	return hold_below(k, k->dir->host, k->p->path + k->base + 1);
}

/* Puts the target of link k->name in front of what is left. EINVAL: no link. */
static enum werr expand(struct walk *k)
{
	char target[LIM_PATH_BYTES + 1], *buf = k->w->scratch.text[0];
	int64_t n = sys_readlink(k->w, k->p->parent, k->name, target, sizeof(target));
	size_t rest = strlen(k->todo);

	if (n < 0)
		return werr_of(n);
	if (++k->links > LIM_SYMLINKS)
		return WE_LOOP;
	if (n == 0)
		return WE_NOENT;
	if (target[0] == '/')
		return WE_NOTCAPABLE;
	if ((uint64_t)n + rest > LIM_PATH_BYTES)
		return WE_NAMETOOLONG;
	memmove(buf + n, k->todo, rest + 1);
	memcpy(buf, target, (size_t)n);
	k->todo = buf;
	return WE_OK;
}

/* A component with others behind it: a directory, or a link to expand. */
static enum werr go_down(struct walk *k)
{
	enum werr e = hold_below(k, k->p->parent, k->name);
	bool is_dir = e != WE_NOTDIR && e != WE_LOOP;

	if (hidden(k, is_dir))
		return WE_NOENT;
	if (e == WE_OK)
		return push(k, k->name);
	if (is_dir)
		return e;
	e = expand(k);
	return e == WE_INVAL ? WE_NOTDIR : e;
}

static uint32_t class_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return GATE_CLASS_FILE;
	case S_IFDIR:
		return GATE_CLASS_DIR;
	case S_IFLNK:
		return GATE_CLASS_LINK;
	case S_IFSOCK:
		return GATE_CLASS_SOCK;
	default:
		return GATE_CLASS_STREAM;
	}
}

/* Looks at the last component. *ret_again: it was a link and is expanded. */
static enum werr look(struct walk *k, bool *ret_again)
{
	struct place *p = k->p;
	int64_t rc = sys_stat_at(k->w, p->parent, k->name, &p->st);

	*ret_again = false;
	/* What could only be seen as a directory may still become one. */
	if (hidden(k, rc < 0 || S_ISDIR(p->st.st_mode)))
		return WE_NOENT;
	if (rc == -ENOENT) {
		p->st.st_mode = 0;
		return WE_OK;
	}
	if (rc < 0)
		return werr_of(rc);
	if (S_ISLNK(p->st.st_mode) && (k->follow || p->dir)) {
		*ret_again = true;
		return expand(k);
	}
	p->class = class_of(p->st.st_mode);
	return p->dir && !S_ISDIR(p->st.st_mode) ? WE_NOTDIR : WE_OK;
}

/* The path leads to the held directory itself. */
static enum werr end_here(struct walk *k)
{
	memcpy(k->p->name, ".", 2);
	k->p->class = GATE_CLASS_DIR;
	return werr_of(sys_stat_at(k->w, k->p->parent, ".", &k->p->st));
}

static enum werr end_at_name(struct walk *k)
{
	memcpy(k->p->name, k->name, strlen(k->name) + 1);
	return push(k, k->name);
}

/* One component. *ret_end: the walk has arrived. */
static enum werr step(struct walk *k, bool *ret_end)
{
	bool last, again = false;
	enum werr e = take(k, &last);

	*ret_end = false;
	if (e != WE_OK)
		return e;
	if (strcmp(k->name, "..") == 0)
		e = go_up(k);
	else if (k->name[0] != '\0' && strcmp(k->name, ".") != 0 && !last)
		return go_down(k);
	else if (k->name[0] != '\0' && strcmp(k->name, ".") != 0) {
		e = look(k, &again);
		*ret_end = !again;
		return e != WE_OK || again ? e : end_at_name(k);
	}
	if (e != WE_OK || !last)
		return e;
	*ret_end = true;
	return end_here(k);
}

/* Is @text of @n bytes one plain name, the commonest of paths? */
static bool is_name(const char *text, size_t n)
{
	return n > 0 && n <= NAME_MAX && memchr(text, '/', n) == NULL &&
	       (text[0] != '.' || (n > 1 && (n > 2 || text[1] != '.')));
}

/* What step does of such a path. */
static enum werr only_step(struct walk *k, size_t n, bool *ret_end)
{
	bool again;
	enum werr e;

	memcpy(k->name, k->todo, n + 1);
	k->todo += n;
	e = look(k, &again);
	*ret_end = !again;
	return e != WE_OK || again ? e : end_at_name(k);
}

/* Where the last component of @text begins. */
static size_t last_at(const char *text)
{
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '/')
		n--;
	while (n > 0 && text[n - 1] != '/')
		n--;
	return n;
}

static bool has_dots(const char *text)
{
	for (const char *p = text; *p != '\0'; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
			return true;
	}
	return false;
}

/* Pushes the components before @end, which hold no `..`. */
static enum werr push_prefix(struct walk *k, const char *end)
{
	bool last;

	while (k->todo + strspn(k->todo, "/") < end) {
		enum werr e = take(k, &last);

		if (e == WE_OK && k->name[0] != '\0' && strcmp(k->name, ".") != 0)
			e = push(k, k->name);
		if (e != WE_OK)
			return e;
	}
	return WE_OK;
}

/* Everything but the last component in one system call, when no link and no
 * `..` is among it. Otherwise the walk stands where it stood. */
static enum werr leap(struct walk *k)
{
	size_t n = last_at(k->todo);
	char *begin = k->todo, saved = begin[n];
	enum werr e;

	if (n == 0 || place_filtered(k->w, k->dir))
		return WE_OK; /* then each component is looked at */
	begin[n] = '\0';
	e = has_dots(begin) ? WE_LOOP : hold_below(k, k->p->parent, begin);
	begin[n] = saved;
	if (e == WE_OK)
		return push_prefix(k, begin + n);
	return e == WE_LOOP || e == WE_NOTDIR ? WE_OK : e;
}

/* The rest of a path by its letters; `..` stops at the directory. */
static void push_rest(struct walk *k)
{
	bool last = k->todo[0] == '\0';

	while (!last) {
		if (take(k, &last) != WE_OK)
			return;
		if (strcmp(k->name, "..") == 0 && k->depth > 0)
			pop(k);
		else if (k->name[0] != '\0' && strcmp(k->name, ".") != 0 &&
			 strcmp(k->name, "..") != 0 && push(k, k->name) != WE_OK)
			return;
	}
}

/* The root's own path is written "/". */
static void path_close(struct place *p)
{
	if (p->path_len == 0) {
		memcpy(p->path, "/", 2);
		p->path_len = 1;
	}
}

static void place_clear(struct place *p)
{
	p->dir = false;
	p->class = GATE_CLASS_UNKNOWN;
	p->st.st_mode = 0; /* nothing is there: the rest of it is not looked at */
	p->name[0] = '\0';
}

/* After a failure: what could not be walked is appended as it is written. */
static enum werr fail(struct walk *k, char *at, enum werr e)
{
	hold(k, -1, false);
	place_clear(k->p);
	k->todo = at;
	push_rest(k);
	path_close(k->p);
	return e;
}

/* As one would who has taken the interpreter over: the path goes to the kernel
 * as it is. */
static enum werr place_raw(struct wasi *w, struct place *p, const struct fd *dir, const char *text,
			   bool follow)
{
	int64_t fd = sys_open(w, dir->host, text, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);

	place_lexical(p, dir, text);
	p->parent = dir->host;
	(void)snprintf(p->name, sizeof(p->name), "%s", text);
	if (fd < 0)
		return fd == -ENOENT ? WE_OK : werr_of(fd);
	if (sys_stat(w, (int)fd, &p->st) == 0)
		p->class = class_of(p->st.st_mode);
	(void)sys_close(w, (int)fd);
	return WE_OK;
}

enum werr place_resolve(struct wasi *w, struct place *p, const struct fd *dir, char *text,
			bool follow)
{
	struct walk k = { .w = w, .p = p, .dir = dir, .todo = text, .follow = follow };
	size_t n = strlen(text);
	char *at = text;
	enum werr e;
	bool end = false;

	if (attack_off(ATTACK_WASI))
		return place_raw(w, p, dir, text, follow);
	start(&k);
	place_clear(p);
	if (is_name(text, n))
		e = only_step(&k, n, &end);
	else
		e = text[0] == '/' ? WE_NOTCAPABLE : leap(&k);
	while (e == WE_OK && !end) {
		at = k.todo;
		e = step(&k, &end);
	}
	if (e != WE_OK)
		return fail(&k, at, e);
	path_close(p);
	return WE_OK;
}

void place_lexical(struct place *p, const struct fd *dir, const char *text)
{
	char todo[LIM_PATH_BYTES + 1];
	struct walk k = { .p = p, .dir = dir, .todo = todo };

	(void)snprintf(todo, sizeof(todo), "%s", text);
	start(&k);
	place_clear(p);
	push_rest(&k);
	path_close(p);
	p->parent = -1;
}

void place_done(struct wasi *w, struct place *p)
{
	if (p->owned)
		(void)sys_close(w, p->parent);
	p->owned = false;
}
