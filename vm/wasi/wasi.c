/*
 * The table of calls, and what all calls have in common: arguments are decoded
 * by the row's signature, descriptors checked, the gate asked, the handler
 * run. What a single call does stands with its handler.
 */
#include <errno.h>

#include "vm/wasi/fdtable.h"
#include "vm/wasi/guest.h"
#include "vm/wasi/resolve.h"
#include "vm/wasi/sys.h"
#include "wasmd/fault.h"

/* Static sets of an operation, from gate.def. */
enum {
#define GATE(name, sets, syscalls) SETS_##name = (sets),
	WASMD_GATE_OPS(GATE)
#undef GATE
};

const struct call_row call_rows[CALL_COUNT] = {
#define CALL(name, sig, r0, r1, prep)                                                   \
	[CALL_##name] = { #name,       sig,	    { R_##r0, R_##r1 }, GATE_OP_##name, \
			  SETS_##name, prep_##prep, call_##name },
	WASI_CALLS(CALL)
#undef CALL
};

static const struct {
	const char *name;
	int linux_errno;
} errnos[WE_COUNT] = { [WE_OK] = { "ESUCCESS", 0 },
#define WERR(id, text, linux_errno) [WE_##id] = { text, linux_errno },
		       WASI_ERRNOS(WERR)
#undef WERR
};

uint16_t wasi_errno(int linux_errno)
{
	for (unsigned i = 0; i < WE_COUNT; i++)
		if (errnos[i].linux_errno == linux_errno && i != WE_NOTCAPABLE)
			return (uint16_t)i;
	return WE_IO;
}

const char *wasi_errno_name(uint16_t wasi_errno)
{
	return wasi_errno < WE_COUNT ? errnos[wasi_errno].name : "unknown errno";
}

enum werr werr_of(int64_t rc)
{
	return rc >= 0 ? WE_OK : (enum werr)wasi_errno((int)-rc);
}

bool wasi_stopped(const struct wasi *w)
{
	return w->cfg.stop != NULL && atomic_load_explicit(w->cfg.stop, memory_order_relaxed) != 0;
}

enum werr call_moved(struct call *c, uint64_t bytes)
{
	if (c->trap == VM_TRAP_NONE)
		c->trap = vm_caller_charge(c->vm, bytes / FUEL_BYTES);
	return WE_OK;
}

/* ---- decoding ----------------------------------------------------------- */

static struct shape shape_of(const char *sig)
{
	struct shape t = { .flags_at = UINT8_MAX };

	for (; *sig != '\0'; sig++) {
		if (*sig == '!')
			continue;
		if (*sig == 'd')
			t.fd_at[t.n_fds++] = t.n;
		if (*sig == 'f')
			t.flags_at = t.n;
		if (*sig == 'p')
			t.path_at[t.n_paths++] = t.n;
		t.mask[t.n++] = *sig == 'l' ? UINT64_MAX : UINT32_MAX;
		if (*sig == 'p' || *sig == 's')
			t.mask[t.n++] = UINT32_MAX;
	}
	return t;
}

static void decode(struct call *c, const struct shape *t, const union vm_value *v)
{
	for (uint32_t i = 0; i < t->n; i++)
		c->a[i] = v[i].i64 & t->mask[i];
	c->n_fds = t->n_fds;
	for (uint32_t i = 0; i < t->n_fds; i++)
		c->fdnum[i] = v[t->fd_at[i]].i32;
	c->n_paths = t->n_paths;
	for (uint32_t i = 0; i < t->n_paths; i++)
		c->path_arg[i] = t->path_at[i];
	c->follow = t->flags_at < t->n && (v[t->flags_at].i32 & LOOKUP_FOLLOW) != 0;
	c->bad_lookup = t->flags_at < t->n && v[t->flags_at].i32 > LOOKUP_FOLLOW;
}

/* @f lacks right @need: of what kind of thing can it not be asked? */
static enum werr lacks(const struct call *c, const struct fd *f, uint64_t need)
{
	if (f->kind == FD_NONE)
		return WE_BADF;
	if ((c->n_paths != 0 || (need & R_FD_READDIR) != 0) && f->kind != FD_DIR)
		return WE_NOTDIR;
	if ((c->row->sets & GATE_NET) != 0 && f->kind != FD_SOCK)
		return WE_NOTSOCK;
	if ((need & (R_FD_SEEK | R_FD_TELL)) != 0 && f->kind != FD_FILE && f->kind != FD_DIR)
		return WE_SPIPE;
	return WE_NOTCAPABLE;
}

/* Who may go anywhere in a file may ask where they are. */
static uint64_t rights_of(const struct fd *f)
{
	return f->rights | ((f->rights & R_FD_SEEK) != 0 ? R_FD_TELL : 0);
}

static enum werr check_fds(struct call *c)
{
	for (uint32_t i = 0; i < c->n_fds; i++) {
		uint64_t need = c->row->right[i];
		struct fd *f = fds_get(&c->w->fds, c->fdnum[i]);

		if (f == NULL)
			return WE_BADF;
		if ((rights_of(f) & need) != need)
			return lacks(c, f, need);
		c->fd[i] = f;
	}
	return WE_OK;
}

/* ---- judging ------------------------------------------------------------ */

/* Object @i of the request is descriptor @i, or what the path of the same
 * rank leads to. symlink has its only place second. */
static void fill_obj(struct call *c, uint32_t i)
{
	struct gate_obj *o = &c->req.obj[i + (c->row->op == GATE_OP_path_symlink)];
	const struct fd *f = c->fd[i];

	o->fd = c->fdnum[i];
	o->rights = f->rights;
	o->sets = c->row->sets;
	if (i < c->n_paths) {
		o->class = c->at[i].class;
		o->path = c->at[i].path;
		o->path_len = c->at[i].path_len;
	} else {
		o->class = fd_class(f);
		o->path = f->path;
		o->path_len = f->path_len;
	}
}

static enum werr ask(struct call *c)
{
	enum werr e;

	c->req = (struct gate_req){ .op = c->row->op,
				    .generation = c->w->cfg.gate->generation,
				    .tenant = c->w->cfg.tenant,
				    .instance = c->w->cfg.instance,
				    .obj = { { .fd = GATE_NO_FD, .sets = c->row->sets },
					     { .fd = GATE_NO_FD } } };
	for (uint32_t i = 0; i < c->n_fds; i++)
		fill_obj(c, i);
	e = c->row->prep(c);
	return e != WE_OK ? e : gate_ask(c);
}

/* Path @i to @dst of LIM_PATH_BYTES + 1. Fails by its form alone, whatever
 * exists. */
static enum werr path_text(struct call *c, uint32_t i, char *dst)
{
	uint32_t a = c->path_arg[i];
	enum werr e = guest_string(c, c->a[a], c->a[a + 1], dst, LIM_PATH_BYTES + 1);

	for (const char *p = dst; e == WE_OK && *p != '\0'; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");

		if (n > NAME_MAX)
			e = WE_NAMETOOLONG;
		p += n;
	}
	return e;
}

/* Judges by the paths' letters, before any system call. */
static enum werr ask_unseen(struct call *c)
{
	char text[LIM_PATH_BYTES + 1];

	for (uint32_t i = 0; i < c->n_paths; i++) {
		enum werr e = path_text(c, i, text);

		if (e != WE_OK)
			return e;
		place_lexical(&c->at[i], c->fd[i], text);
	}
	return ask(c);
}

/* Resolves path @i; a long walk costs more than a short one. */
static enum werr walk(struct call *c, uint32_t i, char *text)
{
	uint64_t before = c->w->use.syscalls;
	enum werr e = place_resolve(c->w, &c->at[i], c->fd[i], text, i == 0 && c->follow);

	if (c->trap == VM_TRAP_NONE)
		c->trap = vm_caller_charge(c->vm, (c->w->use.syscalls - before) * FUEL_PER_STEP);
	return e;
}

/* Judges what the paths lead to. A path that leads nowhere is judged too, so
 * that a refusal does not tell what exists; one that leaves its directory is
 * ENOTCAPABLE whatever the gate says. */
static enum werr ask_resolved(struct call *c)
{
	enum werr e = WE_OK, verdict;
	char *text = c->w->scratch.text[0];

	for (uint32_t i = 0; i < c->n_paths; i++) {
		enum werr r = path_text(c, i, text);

		if (r != WE_OK)
			return r;
		r = walk(c, i, text);
		if (e == WE_OK)
			e = r;
	}
	verdict = ask(c);
	if (c->trap != VM_TRAP_NONE || e == WE_OK)
		return verdict;
	return verdict != WE_OK && e != WE_NOTCAPABLE ? verdict : e;
}

/* ---- running ------------------------------------------------------------ */

/* Is what was opened as a file one? Asked once, and only of what is used: an
 * open and a close alone save the system call. */
static bool is_file(struct call *c, struct fd *f)
{
	struct stat st;

	if (sys_stat(c->w, f->host, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	f->unseen = false;
	return true;
}

static enum werr carry_out(struct call *c)
{
	for (uint32_t i = 0; i < c->n_fds; i++)
		if (c->fd[i]->unseen && c->row->right[i] != 0 && !is_file(c, c->fd[i]))
			return WE_NOTCAPABLE;
	return c->row->run(c);
}

static enum werr judge_and_run(struct call *c)
{
	bool early = c->n_paths == 0 || gate_refused(c);
	enum werr e = WE_OK;

	if (early)
		e = ask_unseen(c);
	if (e == WE_OK && c->n_paths != 0)
		e = ask_resolved(c);
	return e == WE_OK && c->trap == VM_TRAP_NONE ? carry_out(c) : e;
}

static enum werr run(struct call *c)
{
	enum werr e = check_fds(c);

	if (e == WE_OK && c->bad_lookup)
		e = WE_INVAL;
	if (e != WE_OK)
		return e;
	for (uint32_t i = 0; i < c->n_paths; i++)
		c->at[i].owned = false;
	e = judge_and_run(c);
	for (uint32_t i = 0; i < c->n_paths; i++)
		place_done(c->w, &c->at[i]);
	return e;
}

/* What every call costs before it is looked at. */
static enum vm_trap admit(struct call *c)
{
	struct wasi *w = c->w;

	if (!w->configured)
		return VM_TRAP_HOST;
	if (wasi_stopped(w))
		return VM_TRAP_STOPPED;
	if (w->cfg.max_host_calls != 0 && w->use.host_calls >= w->cfg.max_host_calls) {
		w->limit = WASI_LIMIT_HOST_CALLS;
		return VM_TRAP_LIMIT;
	}
	w->use.host_calls++;
	return vm_caller_charge(c->vm, FUEL_PER_CALL);
}

enum vm_trap wasi_host_call(void *arg, struct vm_caller *vm, union vm_value *v)
{
	const struct slot *s = arg;
	struct call c;
	enum vm_trap t;
	enum werr e;

	memset(&c, 0, offsetof(struct call, a));
	c.w = s->w;
	c.vm = vm;
	c.row = &call_rows[s->id];
	c.old = s->old;
	c.at = s->w->scratch.at;
	t = admit(&c);

	if (t != VM_TRAP_NONE)
		return t;
	decode(&c, &s->shape, v);
	e = run(&c);
	if (c.trap == VM_TRAP_NONE && s->id != CALL_proc_exit)
		v[0].i32 = (uint32_t)e;
	return c.trap;
}

/* ---- the instance ------------------------------------------------------- */

int wasi_new(struct wasi **ret, struct err *e)
{
	struct wasi *w = mem_new(1, sizeof(*w));

	if (w == NULL)
		return err_nomem(e);
	for (uint32_t m = 0; m < 2; m++)
		for (uint32_t i = 0; i < CALL_COUNT; i++)
			w->slots[m][i] = (struct slot){ w, (enum call_id)i, m == 1,
							shape_of(call_rows[i].sig), NULL };
	*ret = w;
	return 0;
}

struct wasi *wasi_free(struct wasi *w)
{
	if (w != NULL)
		fds_done(w);
	free(w);
	return NULL;
}

void wasi_attach(struct wasi *w, struct vm_store *s)
{
	w->store = s;
	for (uint32_t m = 0; m < 2; m++)
		for (uint32_t i = 0; i < CALL_COUNT; i++)
			w->slots[m][i].func = NULL;
}

static int add_first(struct wasi *w, struct fd *f, int rc, struct err *e)
{
	uint32_t at;

	if (rc == 0 && fds_add(&w->fds, f, &at) == WE_OK)
		return 0;
	free(f->path); /* NULL unless it is a directory's */
	return rc != 0 ? rc : err_set(e, ERR_LIMIT, "more descriptors are granted than allowed");
}

static int first_fds(struct wasi *w, struct err *e)
{
	struct fd f;
	int rc = 0;

	for (int i = 0; rc == 0 && i < 3; i++) {
		rc = fd_of_stdio(w, i, &f, e);
		rc = add_first(w, &f, rc, e);
	}
	for (int i = 0; rc == 0 && i < (int)w->cfg.n_preopens; i++) {
		rc = fd_of_preopen(w, i, &f, e);
		rc = add_first(w, &f, rc, e);
	}
	return rc;
}

int wasi_configure(struct wasi *w, const struct wasi_config *c, struct err *e)
{
	int rc;

	if (w->configured || c->gate == NULL || c->gate->judge == NULL)
		return err_set(e, ERR_STATE, "a wasi instance is configured once, with a gate");
	if (c->n_preopens > LIM_PREOPENS)
		return err_set(e, ERR_LIMIT, "%zu directories are granted; the most is %u",
			       c->n_preopens, LIM_PREOPENS);
	w->cfg = *c;
	w->fds.max = c->max_fds != 0 && c->max_fds < LIM_GUEST_FDS ? c->max_fds : LIM_GUEST_FDS;
	if (sigprocmask(SIG_BLOCK, NULL, &w->wait_mask) < 0)
		return err_set(e, ERR_INTERNAL, "sigprocmask: %s", strerror(errno));
	(void)sigdelset(&w->wait_mask, SIGUSR1);
	rc = first_fds(w, e);
	w->use = (struct wasi_usage){ 0 };
	w->configured = rc == 0;
	return rc;
}

/* The export @name as a function of nothing; *ret NULL when there is none. */
static int find_entry(const struct vm_instance *i, const char *name, struct vm_func **ret,
		      struct err *e)
{
	const struct vm_func_type *t;
	struct vm_extern x;

	*ret = NULL;
	if (!vm_instance_export(i, name, strlen(name), &x) || x.kind != VM_FUNC)
		return 0;
	t = vm_func_type(x.func);
	if (t->n_params != 0 || t->n_results != 0)
		return err_set(e, ERR_UNLINKABLE, "the function %s takes parameters or has results",
			       name);
	*ret = x.func;
	return 0;
}

/* The start function, then @f unless that is NULL. */
static void enter(struct wasi *w, struct vm_store *s, struct vm_instance *i, struct vm_func *f,
		  struct vm_trap_info *trap)
{
	union vm_value none = { 0 };
	enum vm_trap t;

	*trap = (struct vm_trap_info){ 0 };
	w->exit_status = 0;
	t = vm_instance_start(i, trap);
	if (t == VM_TRAP_NONE && f != NULL)
		t = vm_call(s, f, &none, trap);
	trap->trap = t;
}

int wasi_run(struct wasi *w, struct vm_store *s, struct vm_instance *i, struct vm_trap_info *trap,
	     uint32_t *ret_status, struct err *e)
{
	struct vm_func *f;
	int rc = find_entry(i, "_start", &f, e);

	if (rc != 0)
		return rc;
	if (f == NULL) {
		(void)err_set(e, ERR_UNLINKABLE, "the module exports no function _start");
		return err_hint(e, "a command is built with a main function, and not with "
				   "-mexec-model=reactor");
	}
	enter(w, s, i, f, trap);
	*ret_status = w->exit_status;
	return 0;
}

int wasi_initialize(struct wasi *w, struct vm_store *s, struct vm_instance *i,
		    struct vm_trap_info *trap, struct err *e)
{
	struct vm_func *f;
	int rc = find_entry(i, "_initialize", &f, e);

	if (rc == 0)
		enter(w, s, i, f, trap);
	return rc;
}

uint32_t wasi_exit_status(const struct wasi *w)
{
	return w->exit_status;
}

struct wasi_usage wasi_usage(const struct wasi *w)
{
	return w->use;
}

enum wasi_limit wasi_limit_hit(const struct wasi *w)
{
	return w->limit;
}
