/*
 * Calls as people write them, and what becomes of them: the grants first, as
 * a guest meets them, then the very program that enforces the rules.
 */
#include <ctype.h>
#include <errno.h>

#include "policy/errnos.def"
#include "policy/lower.h"
#include "wasmd/limits.h"

static const char *const op_names[] = {
#define GATE(name, sets, syscalls) #name,
	WASMD_GATE_OPS(GATE)
#undef GATE
};

static const char *const set_names[] = {
#define SET(id, text, bit) text,
	WASMD_GATE_SETS(SET)
#undef SET
};

/* ---- reading a call -------------------------------------------------------- */

/* What path_open can be asked for. */
static const char *const access_names[] = { "read", "write", "create", "truncate", "list" };
static const uint32_t access_sets[] = { GATE_FS_READ, GATE_FS_WRITE, GATE_FS_CREATE, GATE_FS_WRITE,
					GATE_FS_LIST };

static const char *const stream_names[] = { "stdin", "stdout", "stderr" };

struct reading {
	struct policy_call *c;
	unsigned objects;
	size_t paths;
	bool fd, access;
	struct err *e;
};

static int index_of(const char *word, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, names[i]) == 0)
			return (int)i;
	return -1;
}

static bool is_path_op(const struct policy_call *c)
{
	return strncmp(c->name, "path_", 5) == 0;
}

static int read_op(struct reading *r, const char *word)
{
	int op = index_of(word, op_names, ARRAY_LEN(op_names));
	const char *near;

	if (op >= 0) {
		r->c->req.op = (uint32_t)op;
		r->c->name = op_names[op];
		r->objects = gate_objects((enum gate_op)op);
		return 0;
	}
	if (index_of(word, set_names, ARRAY_LEN(set_names)) >= 0 || strchr(word, '*') != NULL) {
		err_set(r->e, ERR_USAGE, "\"%.40s\" is a set of calls", word);
		return err_hint(r->e, "name one call, such as path_open or fd_write");
	}
	near = policy_nearest(word, op_names, ARRAY_LEN(op_names));
	if (near != NULL)
		return err_set(r->e, ERR_USAGE, "there is no call \"%.40s\"; did you mean \"%s\"?",
			       word, near);
	err_set(r->e, ERR_USAGE, "there is no call \"%.40s\"", word);
	return err_hint(r->e, "calls are those of WASI preview 1, such as path_open, fd_write");
}

/* Which object the next path is of: symlink's only one is the link itself. */
static int path_slot(const struct reading *r)
{
	size_t i = r->paths + (r->objects == 2);

	return i < 2 && (r->objects >> i & 1) != 0 ? (int)i : -1;
}

static bool is_normal(const char *path)
{
	size_t n = strlen(path);

	if (n == 1)
		return true;
	for (const char *p = path; p != NULL; p = strchr(p + 1, '/')) {
		size_t part = strcspn(p + 1, "/");

		if (part == 0 || (part <= 2 && strncmp(p + 1, "..", part) == 0))
			return false;
	}
	return n < LIM_PATH_BYTES;
}

static int read_path(struct reading *r, const char *word)
{
	int i = path_slot(r);
	struct gate_obj *o;

	if (i < 0)
		return err_set(r->e, ERR_USAGE, "%s takes %s, \"%.80s\" is left over", r->c->name,
			       r->paths == 0   ? "no path"
			       : r->paths == 1 ? "one path"
					       : "two paths",
			       word);
	if (!is_normal(word)) {
		err_set(r->e, ERR_USAGE, "no call is judged by the path \"%.80s\"", word);
		return err_hint(r->e,
				"name what it leads to: no \"..\", \".\", \"//\", no slash at "
				"its end");
	}
	o = &r->c->req.obj[i];
	o->path = word;
	o->path_len = (uint32_t)strlen(word);
	o->class = GATE_CLASS_FILE;
	r->paths++;
	return 0;
}

static int read_fd(struct reading *r, const char *word)
{
	int stream = index_of(word, stream_names, ARRAY_LEN(stream_names));
	unsigned long n = stream >= 0 ? (unsigned long)stream : strtoul(word, NULL, 10);

	if ((r->objects & 1) == 0 || r->fd)
		return err_set(r->e, ERR_USAGE, "%s takes %s descriptor, \"%.20s\" is left over",
			       r->c->name, r->fd ? "one" : "no", word);
	if (n >= LIM_GUEST_FDS || strspn(word, "0123456789") > 8)
		return err_set(r->e, ERR_USAGE, "descriptor %.20s: they go from 0 to %u", word,
			       LIM_GUEST_FDS - 1);
	r->c->req.obj[0].fd = n;
	r->fd = true;
	return 0;
}

static int read_access(struct reading *r, const char *word)
{
	int i = index_of(word, access_names, ARRAY_LEN(access_names));
	const char *near = policy_nearest(word, access_names, ARRAY_LEN(access_names));

	if (strcmp(word, "dir") == 0 && r->objects != 0) {
		r->c->dir = true;
		return 0;
	}
	if (r->c->req.op == GATE_OP_path_open && i >= 0) {
		r->c->req.obj[0].sets |= access_sets[i];
		r->access = true;
		return 0;
	}
	err_set(r->e, ERR_USAGE, "\"%.80s\" is no argument of %s%s%s%s", word, r->c->name,
		r->c->req.op == GATE_OP_path_open && near != NULL ? "; did you mean \"" : "",
		r->c->req.op == GATE_OP_path_open && near != NULL ? near : "",
		r->c->req.op == GATE_OP_path_open && near != NULL ? "\"?" : "");
	return err_hint(r->e, r->c->req.op == GATE_OP_path_open
				      ? "path_open takes an absolute path and what it is opened "
					"for: read, write, create, truncate, list"
				      : "arguments are absolute guest paths and descriptors (a "
					"number, stdin, stdout, stderr)");
}

static int read_word(struct reading *r, const char *word)
{
	if (word[0] == '/')
		return read_path(r, word);
	if ((isdigit((unsigned char)word[0]) && word[strspn(word, "0123456789")] == '\0') ||
	    index_of(word, stream_names, ARRAY_LEN(stream_names)) >= 0)
		return read_fd(r, word);
	return read_access(r, word);
}

/* What vm/wasi says of the objects of each operation. */
static void fill_sets(struct reading *r)
{
	struct gate_obj *o = r->c->req.obj;
	uint32_t op = r->c->req.op, sets = gate_static_sets((enum gate_op)op);

	if (op == GATE_OP_path_open) {
		o[0].sets |= r->access ? 0 : GATE_FS_READ;
	} else if (op == GATE_OP_path_link) {
		o[0].sets = GATE_FS_READ;
		o[1].sets = GATE_FS_CREATE;
	} else if (op == GATE_OP_path_rename) {
		o[0].sets = GATE_FS_DELETE;
		o[1].sets = GATE_FS_CREATE | GATE_FS_DELETE;
	} else {
		o[r->objects == 2].sets = sets;
	}
	r->c->dir |= (o[0].sets & GATE_FS_LIST) != 0 || op == GATE_OP_path_create_directory ||
		     op == GATE_OP_path_remove_directory;
	for (size_t i = 0; i < 2 && r->c->dir; i++)
		if (o[i].path != NULL)
			o[i].class = GATE_CLASS_DIR;
	if (o[0].path == NULL && o[0].fd < ARRAY_LEN(stream_names))
		o[0].class = GATE_CLASS_STREAM;
}

static int check_whole(const struct reading *r)
{
	size_t want = !is_path_op(r->c) ? 0 : r->objects == 3 ? 2 : 1;
	bool fd = strncmp(r->c->name, "fd_", 3) == 0 || strncmp(r->c->name, "sock_", 5) == 0;

	if (r->paths < want)
		return err_set(r->e, ERR_USAGE, "%s needs %s", r->c->name,
			       want == 2 ? "two absolute guest paths"
					 : "an absolute guest path, such as /in/file");
	if (fd && !r->fd && r->paths == 0)
		return err_set(
			r->e, ERR_USAGE,
			"%s needs a descriptor, such as stdout or 3, or the path of the file "
			"that it is",
			r->c->name);
	return 0;
}

int policy_call_read(const char *const *words, size_t n, struct policy_call *ret, struct err *e)
{
	struct reading r = { .c = ret, .e = e };

	*ret = (struct policy_call){ .req.obj = { { .fd = GATE_NO_FD }, { .fd = GATE_NO_FD } } };
	if (n == 0)
		return err_set(e, ERR_USAGE, "no call");
	if (read_op(&r, words[0]) < 0)
		return e->code;
	for (size_t i = 1; i < n; i++)
		if (read_word(&r, words[i]) < 0)
			return e->code;
	if (check_whole(&r) < 0)
		return e->code;
	fill_sets(&r);
	return 0;
}

int policy_check_error(const char *name, struct err *e)
{
	/* Those that rules can name, and the one that only a lacking right gives. */
	static const char *const names[] = {
#define ERRNO(name, number) name,
		POLICY_ERRNOS(ERRNO)
#undef ERRNO
			"notcapable",
	};
	const char *near = policy_nearest(name, names, ARRAY_LEN(names));

	if (index_of(name, names, ARRAY_LEN(names)) >= 0)
		return 0;
	return err_set(e, ERR_USAGE, "there is no error \"%.40s\"%s%s%s", name,
		       near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
		       near != NULL ? "\"?" : "");
}

/* ---- what is granted -------------------------------------------------------- */

static const char *errno_name(int number)
{
	static const struct {
		const char *name;
		int number;
	} rows[] = {
#define ERRNO(name, number) { name, number },
		POLICY_ERRNOS(ERRNO)
#undef ERRNO
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].number == number)
			return rows[i].name;
	return "acces";
}

/* Denied, though no rule does it, for a reason that is put into the answer;
 * what stood there keeps what it says of changes. */
static void not_granted(struct policy_answer *a, const char *error)
{
	a->verdict = POLICY_DENY;
	a->error = error;
	a->by = POLICY_BY_GRANT;
	a->recorded = a->complained = false;
}

/* One change more. */
__attribute__((format(printf, 2, 3))) static void change(struct policy_answer *a, const char *fmt,
							 ...)
{
	size_t n = strlen(a->change), sep = n > 0 ? 6 : 0;
	va_list ap;

	if (n + sep >= sizeof(a->change))
		return;
	memcpy(a->change + n, ", and ", sep);
	va_start(ap, fmt);
	(void)vsnprintf(a->change + n + sep, sizeof(a->change) - n - sep, fmt, ap);
	va_end(ap);
}

#define SAY(to, ...) (void)snprintf(to, sizeof(to), __VA_ARGS__)

/* The mount that @path lies in, or p->n_mounts; *rel is what lies below it. */
static size_t mount_of(const struct policy *p, const char *path, const char **rel)
{
	for (size_t i = 0; i < p->n_mounts; i++) {
		const char *guest = p->mounts[i].guest;
		size_t n = strcmp(guest, "/") == 0 ? 0 : strlen(guest);

		if (strncmp(path, guest, n) != 0 || (path[n] != '/' && path[n] != '\0'))
			continue;
		*rel = path + n + strspn(path + n, "/");
		return i;
	}
	*rel = "";
	return p->n_mounts;
}

/* Does it need a right that nothing opened through a read-only grant has? */
static bool changes(const struct policy_call *c, const struct gate_obj *o)
{
	switch (c->req.op) {
	case GATE_OP_fd_sync:
	case GATE_OP_fd_datasync:
	case GATE_OP_fd_fdstat_set_flags:
		return false;
	case GATE_OP_path_link: /* a name of what is read-only would be given away */
		return true;
	default:
		return (o->sets & (GATE_FS_WRITE | GATE_FS_CREATE | GATE_FS_DELETE)) != 0;
	}
}

/* Could @guest, of @n bytes, be a mount: is it above none that there is? */
static bool is_free(const struct policy *p, const char *guest, size_t n)
{
	for (size_t i = 0; i < p->n_mounts; i++)
		if (strncmp(p->mounts[i].guest, guest, n) == 0)
			return false;
	return true;
}

static bool no_mount(const struct policy *p, const char *path, struct policy_answer *a)
{
	size_t n = (size_t)(strrchr(path, '/') - path);

	not_granted(a, "notcapable"); /* libc finds no directory to ask below */
	SAY(a->why, "no mount has %.160s", path);
	n = n > 0 ? n : 1;
	if (!is_free(p, path, n))
		n = strlen(path);
	if (is_free(p, path, n))
		change(a, "add a mount, such as {\"host\": DIRECTORY, \"guest\": \"%.*s\"}", (int)n,
		       path);
	else
		change(a, "grant a directory that has %.200s", path);
	return true;
}

/* Before the gate is asked: there is no descriptor to ask of, or it lacks the right. */
static bool lacks_mount(const struct policy *p, const struct policy_call *c,
			struct policy_answer *a)
{
	for (size_t i = 0; i < 2; i++) {
		const struct gate_obj *o = &c->req.obj[i];
		const struct policy_mount *m;
		const char *rel;
		size_t at;

		if (o->path == NULL)
			continue;
		at = mount_of(p, o->path, &rel);
		if (at == p->n_mounts)
			return no_mount(p, o->path, a);
		m = &p->mounts[at];
		if (m->write || !changes(c, o))
			continue;
		not_granted(a, "notcapable");
		SAY(a->why, "the mount %.120s (line %u) is read-only", m->guest, m->line);
		change(a, "set \"access\" of the mount in line %u to \"rw\"", m->line);
		return true;
	}
	return false;
}

/* What "only" hides of mount @at, and that its directories are not renamed. */
static bool hidden(const struct policy *p, const struct policy_judge *j,
		   const struct policy_call *c, const char *path, struct policy_answer *a)
{
	const char *rel;
	size_t at = mount_of(p, path, &rel);
	const struct policy_mount *m = &p->mounts[at];

	if (!policy_judge_visible(j, at, rel, strlen(rel), c->dir || *rel == '\0')) {
		not_granted(a, "noent");
		SAY(a->why, "\"only\" of the mount %.80s (line %u) does not show %.160s", m->guest,
		    m->line, path);
		change(a, "let \"only\" of the mount in line %u match %.200s", m->line, rel);
		return true;
	}
	if (c->req.op != GATE_OP_path_rename || !c->dir || m->n_only == 0)
		return false;
	not_granted(a, "acces");
	SAY(a->why, "directories of a mount with \"only\" (line %u) are not renamed", m->line);
	change(a, "take \"only\" out of the mount in line %u", m->line);
	return true;
}

static bool two_mounts(const struct policy *p, const struct policy_call *c, struct policy_answer *a)
{
	const char *from = c->req.obj[0].path, *to = c->req.obj[1].path, *rel;
	size_t x, y;

	if (from == NULL || to == NULL)
		return false;
	x = mount_of(p, from, &rel);
	y = mount_of(p, to, &rel);
	if (x == y)
		return false;
	not_granted(a, "xdev");
	SAY(a->why, "%.120s and %.120s are two mounts", p->mounts[x].guest, p->mounts[y].guest);
	change(a, "grant one mount that has both");
	return true;
}

/* After the gate: what the mounts show, and what the kernel does between two. */
static bool lacks_file(const struct policy *p, const struct policy_judge *j,
		       const struct policy_call *c, struct policy_answer *a)
{
	for (size_t i = 0; i < 2; i++)
		if (c->req.obj[i].path != NULL && hidden(p, j, c, c->req.obj[i].path, a))
			return true;
	if (c->req.op != GATE_OP_random_get || policy_judge_random(j))
		return two_mounts(p, c, a);
	not_granted(a, "nosys");
	SAY(a->why, "\"random\" is not true");
	change(a, "set \"random\" to true");
	return true;
}

/* ---- the answer --------------------------------------------------------------- */

static struct policy_answer answer_of(const struct policy *p, struct policy_verdict v)
{
	return (struct policy_answer){
		.verdict = v.value == 0		  ? POLICY_ALLOW
			   : v.value == GATE_KILL ? POLICY_KILL
						  : POLICY_DENY,
		.error = v.value < 0 && v.value != GATE_KILL ? errno_name(-v.value) : NULL,
		.by = v.rule < p->n_rules ? POLICY_BY_RULE : POLICY_BY_DEFAULT,
		.rule = v.rule,
		.ruled_out = v.value != 0,
		.recorded = v.record,
		.complained = v.complained,
	};
}

static bool mounted(const struct policy *p, const struct policy_call *c)
{
	const char *rel;

	for (size_t i = 0; i < 2; i++)
		if (c->req.obj[i].path != NULL &&
		    mount_of(p, c->req.obj[i].path, &rel) == p->n_mounts)
			return false;
	return true;
}

/* The first reason is told, in the order in which a guest would meet them; what
 * would have to change is told of all. */
void policy_answer(const struct policy *p, const struct policy_judge *j,
		   const struct policy_call *c, struct policy_answer *ret)
{
	struct policy_answer later;

	*ret = answer_of(p, policy_judge(j, &c->req));
	(void)lacks_mount(p, c, ret);
	later = *ret;
	if (!mounted(p, c) || !lacks_file(p, j, c, &later))
		return;
	if (ret->verdict == POLICY_ALLOW)
		*ret = later;
	else
		memcpy(ret->change, later.change, sizeof(ret->change));
}
