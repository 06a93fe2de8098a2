/*
 * Host calls one by one, without an engine: what the gate is asked, what is
 * done and not done, what the guest is told.
 */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>
#include <errno.h>

#include "fake-vm.h"
#include "vm/wasi/abi.h"
#include "vm/wasi/wasi.def"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

#define P1  "wasi_snapshot_preview1"
#define OLD "wasi_unstable"

/* Guest addresses that the tests use. */
enum { A_PATH = 1000, A_PATH2 = 6000, A_IOV = 11000, A_RET = 12000, A_RET2 = 12100, A_BUF = 20000 };

struct seen {
	struct gate_req req;
	char path[2][8300];
	unsigned asked;
	int verdict;
	const char *deny; /* this path is refused with EACCES */
	const char *by;	  /* this name takes the place of a.txt while a call is judged */
	int dir;
};

struct ctx {
	char root[64];
	int dir, pipe[2];
	struct wasi *w;
	struct vm_caller *c;
	enum vm_trap trap;
	struct gate gate;
	struct seen seen;
	struct wasi_preopen pre[2];
	struct wasi_config cfg;
	_Atomic uint32_t stop;
};

static int judge(void *arg, const struct gate_req *req)
{
	struct seen *s = arg;

	s->asked++;
	s->req = *req;
	for (int i = 0; i < 2; i++)
		(void)snprintf(s->path[i], sizeof(s->path[i]), "%.*s", (int)req->obj[i].path_len,
			       req->obj[i].path != NULL ? req->obj[i].path : "");
	if (s->by != NULL && renameat(s->dir, s->by, s->dir, "a.txt") == 0)
		s->by = NULL;
	if (s->deny != NULL && strcmp(s->path[0], s->deny) == 0)
		return -EACCES;
	return s->verdict;
}

#define CALL_(t, mod, name, ...) \
	fake_call((t)->w, (t)->c, mod, name, (const uint64_t[]){ __VA_ARGS__, 0 }, &(t)->trap)
#define W(t, name, ...) CALL_(t, P1, name, __VA_ARGS__)

static void put_str(struct ctx *t, uint32_t at, const char *s)
{
	memcpy(t->c->mem + at, s, strlen(s));
}

static uint32_t get32(struct ctx *t, uint32_t at)
{
	uint32_t v;

	memcpy(&v, t->c->mem + at, 4);
	return v;
}

static uint64_t get64(struct ctx *t, uint32_t at)
{
	uint64_t v;

	memcpy(&v, t->c->mem + at, 8);
	return v;
}

static void put_iov(struct ctx *t, uint32_t base, uint32_t len)
{
	uint32_t v[2] = { base, len };

	memcpy(t->c->mem + A_IOV, v, 8);
}

static uint32_t open_at(struct ctx *t, uint32_t dir, const char *path, unsigned oflags,
			uint64_t rights)
{
	put_str(t, A_PATH, path);
	return W(t, "path_open", dir, 1, A_PATH, strlen(path), oflags, rights, rights, 0, A_RET);
}

/* A call with one path. */
#define PATH1(t, name, dir, p, ...) \
	(put_str(t, A_PATH, p), W(t, name, dir, A_PATH, strlen(p), ##__VA_ARGS__))

static void host_file(struct ctx *t, const char *name, const char *text)
{
	int fd = openat(t->dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void configure(struct ctx *t)
{
	struct err e = { 0 };

	assert_int_equal(wasi_new(&t->w, &e), 0);
	wasi_attach(t->w, NULL);
	if (wasi_configure(t->w, &t->cfg, &e) != 0)
		fail_msg("%s", e.msg);
}

static void reconfigure(struct ctx *t)
{
	(void)wasi_free(t->w);
	configure(t);
}

static void make_tree(struct ctx *t)
{
	assert_int_equal(mkdirat(t->dir, "d", 0755), 0);
	assert_int_equal(mkdirat(t->dir, "d/sub", 0755), 0);
	host_file(t, "a.txt", "hello\n");
	host_file(t, "d/b.txt", "below\n");
	assert_int_equal(symlinkat("d", t->dir, "link"), 0);
	assert_int_equal(symlinkat("../a.txt", t->dir, "d/up"), 0);
	assert_int_equal(symlinkat("../../etc/passwd", t->dir, "d/out"), 0);
	assert_int_equal(symlinkat("/etc/passwd", t->dir, "abs"), 0);
	assert_int_equal(symlinkat("loop", t->dir, "loop"), 0);
	assert_int_equal(symlinkat("../made-outside", t->dir, "dangle"), 0);
	assert_int_equal(symlinkat("made-inside", t->dir, "dangle-in"), 0);
	assert_int_equal(mkfifoat(t->dir, "fifo", 0644), 0);
}

static int setup(void **state)
{
	static const char *const args[] = { "prog", "one", NULL };
	static const char *const env[] = { "A=b", NULL };
	struct ctx *t = calloc(1, sizeof(*t));

	(void)strcpy(t->root, "/tmp/wasi-test-XXXXXX");
	t->c = calloc(1, sizeof(*t->c));
	t->c->fuel = UINT64_MAX;
	assert_non_null(mkdtemp(t->root));
	t->dir = open(t->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(t->dir >= 0 && pipe(t->pipe) == 0);
	make_tree(t);
	t->gate = (struct gate){ .judge = judge, .arg = &t->seen, .paths = 1 };
	t->pre[0] = (struct wasi_preopen){ t->dir, "/rw", true };
	t->pre[1] = (struct wasi_preopen){ t->dir, "/ro", false };
	t->cfg = (struct wasi_config){ .args = args,
				       .env = env,
				       .preopens = t->pre,
				       .n_preopens = 2,
				       .gate = &t->gate,
				       .random = true,
				       .stdio = { { t->pipe[0], 0 }, { t->pipe[1], 0 }, { -1, 0 } },
				       .stop = &t->stop,
				       .tenant = 7,
				       .instance = 9 };
	configure(t);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *t = *state;
	char cmd[100];

	(void)wasi_free(t->w);
	(void)close(t->dir);
	(void)close(t->pipe[0]);
	(void)close(t->pipe[1]);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", t->root);
	assert_int_equal(system(cmd), 0);
	free(t->c);
	free(t);
	return 0;
}

/* ---- deny-all ----------------------------------------------------------- */

/* A descriptor that the call would work on: 2 a socket, 3 a directory, 5 a file. */
static uint64_t descriptor_for(const char *name)
{
	if (strncmp(name, "sock_", 5) == 0)
		return 2;
	if (strncmp(name, "path_", 5) == 0 || strstr(name, "dir") != NULL ||
	    strstr(name, "prestat") != NULL)
		return 3;
	return 5;
}

/* Arguments that would make each call do its work, by signature. */
static void plausible(struct ctx *t, const char *name, const char *sig, uint64_t args[16])
{
	bool moves = strncmp(name, "sock_", 5) == 0 || strncmp(name, "fd_p", 4) == 0 ||
		     strcmp(name, "fd_read") == 0 || strcmp(name, "fd_write") == 0;
	unsigned n = 0, p = 0;

	memset(args, 0, 16 * sizeof(*args));
	for (; *sig != '\0'; sig++) {
		if (*sig == '!')
			continue;
		if (*sig == 'd')
			args[n++] = descriptor_for(name);
		else if (*sig == 'p' || *sig == 's') {
			args[n++] = p++ == 0 ? A_PATH : A_PATH2;
			args[n++] = 5;
		} else if (*sig == 'f')
			args[n++] = 1;
		else
			args[n++] = *sig == 'l' ? 0 : A_BUF;
	}
	if (moves && strstr(name, "prestat") == NULL) {
		args[1] = A_IOV;
		args[2] = 1;
	}
	if (strncmp(name, "clock", 5) == 0)
		args[0] = 1;
	if (strcmp(name, "path_open") == 0)
		args[4] = args[7] = 0;
	put_str(t, A_PATH, "a.txt");
	put_str(t, A_PATH2, "b.new");
	put_iov(t, A_BUF, 4);
}

static const struct {
	const char *name, *sig;
} table[] = {
#define CALL(name, sig, r0, r1, prep) { #name, sig },
	WASI_CALLS(CALL)
#undef CALL
};

static void call_each_denied(struct ctx *t, const char *module)
{
	uint64_t args[16], before = wasi_usage(t->w).syscalls, judged = 0;

	for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
		unsigned asked = t->seen.asked;
		uint32_t e;

		if (module[5] == 'u' && strcmp(table[i].name, "sock_accept") == 0)
			continue;
		plausible(t, table[i].name, table[i].sig, args);
		e = fake_call(t->w, t->c, module, table[i].name, args, &t->trap);
		assert_int_equal(t->trap, VM_TRAP_NONE);
		if (t->seen.asked != asked + 1)
			fail_msg("%s: asked %u times", table[i].name, t->seen.asked - asked);
		if (e != WE_PERM && table[i].sig[0] != '!')
			fail_msg("%s: %s", table[i].name, wasi_errno_name((uint16_t)e));
		judged |= 1ull << t->seen.req.op;
		if (wasi_usage(t->w).syscalls != before)
			fail_msg("%s made a system call", table[i].name);
	}
	assert_int_equal(__builtin_popcountll(judged), GATE_OP_COUNT - (module[5] == 'u'));
}

static void deny_all_makes_no_system_call(void **state)
{
	struct ctx *t = *state;
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	t->cfg.stdio[2].fd = s[0];
	reconfigure(t);
	assert_int_equal(open_at(t, 3, "a.txt", 0, R_ALL), WE_OK);
	t->seen.verdict = -EPERM;
	t->gate.refused = ~0ull;
	call_each_denied(t, P1);
	call_each_denied(t, OLD);
	(void)close(s[0]);
	(void)close(s[1]);
}

static void verdicts_reach_the_guest(void **state)
{
	struct ctx *t = *state;

	t->seen.verdict = GATE_KILL;
	(void)W(t, "sched_yield", 0);
	assert_int_equal(t->trap, VM_TRAP_KILLED);
	t->seen.verdict = -EDQUOT;
	assert_int_equal(W(t, "sched_yield", 0), WE_DQUOT);
	assert_int_equal(t->seen.req.tenant, 7);
	assert_int_equal(t->seen.req.instance, 9);
	assert_int_equal(t->seen.req.obj[0].sets, GATE_PROC);
	assert_true(t->seen.req.obj[0].fd == GATE_NO_FD);
}

/* ---- paths -------------------------------------------------------------- */

static void the_resolved_path_is_judged(void **state)
{
	static const struct {
		const char *path, *judged;
		uint32_t class;
		enum werr e;
	} rows[] = {
		{ "a.txt", "/ro/a.txt", GATE_CLASS_FILE, WE_OK },
		{ "d/b.txt", "/ro/d/b.txt", GATE_CLASS_FILE, WE_OK },
		{ "link/b.txt", "/ro/d/b.txt", GATE_CLASS_FILE, WE_OK },
		{ "link/../a.txt", "/ro/a.txt", GATE_CLASS_FILE, WE_OK },
		{ "link/sub/../../a.txt", "/ro/a.txt", GATE_CLASS_FILE, WE_OK },
		{ "d/up", "/ro/a.txt", GATE_CLASS_FILE, WE_OK },
		{ "link/up", "/ro/a.txt", GATE_CLASS_FILE, WE_OK },
		{ "./d//./sub/", "/ro/d/sub", GATE_CLASS_DIR, WE_OK },
		{ ".", "/ro", GATE_CLASS_DIR, WE_OK },
		{ "d/..", "/ro", GATE_CLASS_DIR, WE_OK },
		{ "link/", "/ro/d", GATE_CLASS_DIR, WE_OK },
		{ "d/new", "/ro/d/new", GATE_CLASS_UNKNOWN, WE_NOENT },
		{ "none/../a.txt", "/ro/a.txt", GATE_CLASS_UNKNOWN, WE_NOENT },
		{ "link/none/x", "/ro/d/none/x", GATE_CLASS_UNKNOWN, WE_NOENT },
		{ "a.txt/", "/ro/a.txt", GATE_CLASS_UNKNOWN, WE_NOTDIR },
		{ "a.txt/x", "/ro/a.txt/x", GATE_CLASS_UNKNOWN, WE_NOTDIR },
		{ "loop", "/ro/loop", GATE_CLASS_UNKNOWN, WE_LOOP },
		{ "loop/x", "/ro/loop/x", GATE_CLASS_UNKNOWN, WE_LOOP },
		{ "..", "/ro", GATE_CLASS_UNKNOWN, WE_NOTCAPABLE },
		{ "d/../..", "/ro", GATE_CLASS_UNKNOWN, WE_NOTCAPABLE },
		{ "../x", "/ro/x", GATE_CLASS_UNKNOWN, WE_NOTCAPABLE },
		{ "link/../../x", "/ro/x", GATE_CLASS_UNKNOWN, WE_NOTCAPABLE },
		{ "/a.txt", "/ro/a.txt", GATE_CLASS_UNKNOWN, WE_NOTCAPABLE },
		{ "abs", "/ro/abs", GATE_CLASS_UNKNOWN, WE_NOTCAPABLE },
		{ "d/out", "/ro/d/out", GATE_CLASS_UNKNOWN, WE_NOTCAPABLE },
		{ "dangle", "/ro/dangle", GATE_CLASS_UNKNOWN, WE_NOTCAPABLE },
	};
	struct ctx *t = *state;

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t e = open_at(t, 4, rows[i].path, 0, R_FD_READ | R_FD_READDIR);

		if (e != rows[i].e)
			fail_msg("%s: errno %s", rows[i].path, wasi_errno_name((uint16_t)e));
		if (rows[i].e != WE_NOTCAPABLE || strcmp(rows[i].judged, t->seen.path[0]) == 0)
			assert_string_equal(t->seen.path[0], rows[i].judged);
		if (rows[i].e == WE_OK) {
			assert_int_equal(t->seen.req.obj[0].class, rows[i].class);
			assert_int_equal(W(t, "fd_close", get32(t, A_RET)), WE_OK);
		}
	}
}

static void a_link_does_not_carry_past_a_rule(void **state)
{
	struct ctx *t = *state;

	t->seen.deny = "/ro/d/b.txt";
	assert_int_equal(open_at(t, 4, "link/b.txt", 0, R_FD_READ), WE_ACCES);
	assert_int_equal(open_at(t, 4, "d/b.txt", 0, R_FD_READ), WE_ACCES);
	assert_int_equal(open_at(t, 4, "d/up", 0, R_FD_READ), WE_OK);
	t->seen.deny = "/ro/d/none"; /* what is refused does not tell whether it exists */
	assert_int_equal(open_at(t, 4, "d/none", 0, R_FD_READ), WE_ACCES);
}

static void read_only_holds(void **state)
{
	struct ctx *t = *state;

	assert_int_equal(open_at(t, 4, "a.txt", OF_TRUNC, R_FD_READ), WE_NOTCAPABLE);
	assert_int_equal(open_at(t, 4, "new", OF_CREAT, R_FD_READ), WE_NOTCAPABLE);
	assert_int_equal(open_at(t, 4, "a.txt", 0, R_FD_WRITE), WE_NOTCAPABLE);
	assert_int_equal(open_at(t, 4, "a.txt", 0, R_ALL & ~R_FD_WRITE), WE_OK);
	assert_int_equal(W(t, "fd_filestat_set_size", get32(t, A_RET), 0), WE_NOTCAPABLE);
	assert_int_equal(W(t, "fd_allocate", get32(t, A_RET), 0, 9), WE_NOTCAPABLE);
	assert_int_equal(W(t, "fd_filestat_set_times", get32(t, A_RET), 0, 0, 2), WE_NOTCAPABLE);
	assert_int_equal(PATH1(t, "path_unlink_file", 4, "a.txt"), WE_NOTCAPABLE);
	assert_int_equal(PATH1(t, "path_create_directory", 4, "x"), WE_NOTCAPABLE);
	assert_int_equal(PATH1(t, "path_remove_directory", 4, "d/sub"), WE_NOTCAPABLE);
	put_str(t, A_PATH, "a.txt");
	put_str(t, A_PATH2, "b.new");
	assert_int_equal(W(t, "path_rename", 4, A_PATH, 5, 3, A_PATH2, 5), WE_NOTCAPABLE);
	assert_int_equal(W(t, "path_rename", 3, A_PATH, 5, 4, A_PATH2, 5), WE_NOTCAPABLE);
	assert_int_equal(W(t, "path_link", 4, 0, A_PATH, 5, 3, A_PATH2, 5), WE_NOTCAPABLE);
	assert_int_equal(W(t, "path_symlink", A_PATH, 5, 4, A_PATH2, 5), WE_NOTCAPABLE);
	assert_int_equal(W(t, "path_filestat_set_times", 4, 0, A_PATH, 5, 0, 0, 2), WE_NOTCAPABLE);
	/* nor through a directory opened below it, nor by giving rights back */
	assert_int_equal(open_at(t, 4, "d", OF_DIRECTORY, R_ALL), WE_NOTCAPABLE);
	assert_int_equal(open_at(t, 4, "d", OF_DIRECTORY, R_ALL & ~R_FD_WRITE), WE_OK);
	assert_int_equal(open_at(t, get32(t, A_RET), "b.txt", OF_TRUNC, 0), WE_NOTCAPABLE);
	assert_int_equal(W(t, "fd_fdstat_set_rights", 4, R_ALL, R_ALL), WE_NOTCAPABLE);
}

static void read_write_works(void **state)
{
	struct ctx *t = *state;
	uint32_t fd;

	assert_int_equal(
		open_at(t, 3, "new", OF_CREAT | OF_EXCL,
			R_FD_READ | R_FD_WRITE | R_FD_SEEK | R_FD_TELL | R_FD_FILESTAT_GET),
		WE_OK);
	assert_int_equal(t->seen.req.obj[0].sets, GATE_FS_READ | GATE_FS_WRITE | GATE_FS_CREATE);
	fd = get32(t, A_RET);
	assert_int_equal(fd, 5);
	put_str(t, A_BUF, "0123456789");
	put_iov(t, A_BUF, 10);
	assert_int_equal(W(t, "fd_write", fd, A_IOV, 1, A_RET), WE_OK);
	assert_string_equal(t->seen.path[0], "/rw/new");
	assert_int_equal(get32(t, A_RET), 10);
	assert_int_equal(W(t, "fd_seek", fd, (uint64_t)-3, 2, A_RET), WE_OK);
	assert_int_equal(get64(t, A_RET), 7);
	assert_int_equal(W(t, "fd_read", fd, A_IOV, 1, A_RET), WE_OK);
	assert_int_equal(get32(t, A_RET), 3);
	assert_memory_equal(t->c->mem + A_BUF, "789", 3);
	assert_int_equal(W(t, "fd_pread", fd, A_IOV, 1, 4, A_RET), WE_OK);
	assert_memory_equal(t->c->mem + A_BUF, "456789", 6);
	assert_int_equal(W(t, "fd_filestat_get", fd, A_BUF), WE_OK);
	assert_int_equal(get64(t, A_BUF + 32), 10);
	assert_int_equal(t->c->mem[A_BUF + 16], FT_FILE);
	assert_int_equal(CALL_(t, OLD, "fd_filestat_get", fd, A_BUF), WE_OK);
	assert_int_equal(get64(t, A_BUF + 24), 10);
	assert_int_equal(get32(t, A_BUF + 20), 1);
	assert_int_equal(CALL_(t, OLD, "fd_seek", fd, 2, 2, A_RET), WE_OK);
	assert_int_equal(get64(t, A_RET), 2);
	assert_int_equal(W(t, "fd_renumber", fd, 4), WE_OK);
	assert_int_equal(W(t, "fd_tell", fd, A_RET), WE_BADF);
	assert_int_equal(W(t, "fd_tell", 4, A_RET), WE_OK);
	assert_int_equal(open_at(t, 3, "new", OF_CREAT | OF_EXCL, R_FD_READ), WE_EXIST);
	assert_int_equal(open_at(t, 3, "new", OF_CREAT, R_FD_READ), WE_OK);
	assert_int_equal(t->seen.req.obj[0].sets, GATE_FS_READ);
	assert_int_equal(open_at(t, 3, "dangle-in", OF_CREAT, R_FD_WRITE), WE_OK);
	assert_string_equal(t->seen.path[0], "/rw/made-inside");
}

static void names_can_be_changed(void **state)
{
	struct ctx *t = *state;

	put_str(t, A_PATH, "a.txt");
	put_str(t, A_PATH2, "d/new");
	assert_int_equal(W(t, "path_link", 3, 0, A_PATH, 5, 3, A_PATH2, 5), WE_OK);
	assert_string_equal(t->seen.path[0], "/rw/a.txt");
	assert_string_equal(t->seen.path[1], "/rw/d/new");
	assert_int_equal(t->seen.req.obj[0].sets, GATE_FS_READ);
	assert_int_equal(t->seen.req.obj[1].sets, GATE_FS_CREATE);
	put_str(t, A_PATH, "d/new");
	put_str(t, A_PATH2, "moved");
	assert_int_equal(W(t, "path_rename", 3, A_PATH, 5, 3, A_PATH2, 5), WE_OK);
	assert_int_equal(W(t, "path_rename", 3, A_PATH, 5, 3, A_PATH2, 5), WE_NOENT);
	assert_int_equal(PATH1(t, "path_unlink_file", 3, "moved"), WE_OK);
	assert_int_equal(PATH1(t, "path_unlink_file", 3, "d/sub"), WE_ISDIR);
	assert_int_equal(PATH1(t, "path_remove_directory", 3, "d/sub/"), WE_OK);
	assert_int_equal(PATH1(t, "path_create_directory", 3, "n/"), WE_OK);
	assert_int_equal(PATH1(t, "path_create_directory", 3, "n"), WE_EXIST);
	put_str(t, A_PATH, "../x");
	put_str(t, A_PATH2, "n/l");
	assert_int_equal(W(t, "path_symlink", A_PATH, 4, 3, A_PATH2, 3), WE_OK);
	assert_string_equal(t->seen.path[0], "../x");
	assert_string_equal(t->seen.path[1], "/rw/n/l");
	assert_int_equal(PATH1(t, "path_readlink", 3, "n/l", A_BUF, 100, A_RET), WE_OK);
	assert_int_equal(get32(t, A_RET), 4);
	put_str(t, A_PATH, "/etc");
	assert_int_equal(W(t, "path_symlink", A_PATH, 4, 3, A_PATH2, 3), WE_NOTCAPABLE);
	put_str(t, A_PATH, "n/l");
	assert_int_equal(W(t, "path_filestat_get", 3, 0, A_PATH, 3, A_BUF), WE_OK);
	assert_int_equal(t->c->mem[A_BUF + 16], FT_LINK);
	assert_int_equal(W(t, "path_filestat_set_times", 3, 0, A_PATH, 3, 5000000001, 0, 1), WE_OK);
	assert_int_equal(W(t, "path_filestat_get", 3, 0, A_PATH, 3, A_BUF), WE_OK);
	assert_int_equal(get64(t, A_BUF + 40), 5000000001);
	assert_int_equal(W(t, "path_filestat_set_times", 3, 0, A_PATH, 3, 0, 0, 3), WE_INVAL);
}

static void pipes_are_not_opened(void **state)
{
	struct ctx *t = *state;

	assert_int_equal(open_at(t, 3, "fifo", 0, R_FD_READ), WE_NOTCAPABLE);
	assert_int_equal(open_at(t, 3, "fifo", 0, R_FD_WRITE), WE_NOTCAPABLE);
}

/* What was judged was a file. */
static void what_was_exchanged_is_not_used(void **state)
{
	struct ctx *t = *state;
	uint32_t fd;

	t->seen.dir = t->dir;
	t->seen.by = "fifo";
	assert_int_equal(open_at(t, 3, "a.txt", 0, R_FD_READ | R_FD_FILESTAT_GET), WE_OK);
	assert_null(t->seen.by);
	fd = get32(t, A_RET);
	put_iov(t, A_BUF, 4);
	assert_int_equal(W(t, "fd_read", fd, A_IOV, 1, A_RET2), WE_NOTCAPABLE);
	assert_int_equal(W(t, "fd_filestat_get", fd, A_BUF), WE_NOTCAPABLE);
	assert_int_equal(W(t, "fd_close", fd), WE_OK);
	assert_int_equal(unlinkat(t->dir, "a.txt", 0), 0);
	host_file(t, "a.txt", "x");
	t->seen.by = "abs";
	assert_int_equal(open_at(t, 3, "a.txt", 0, R_FD_READ), WE_LOOP);
	assert_null(t->seen.by);
}

static void long_paths_end(void **state)
{
	struct ctx *t = *state;
	char path[LIM_PATH_BYTES + 10];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(open_at(t, 3, path, 0, R_FD_READ), WE_NAMETOOLONG);
	path[LIM_PATH_BYTES] = '\0';
	assert_int_equal(open_at(t, 3, path, 0, R_FD_READ), WE_NAMETOOLONG);
	path[NAME_MAX] = '\0';
	assert_int_equal(open_at(t, 3, path, 0, R_FD_READ), WE_NOENT);
	for (unsigned i = 0; i + 2 < LIM_PATH_BYTES; i += 2)
		memcpy(path + i, "d/", 3);
	assert_int_not_equal(open_at(t, 3, path, 0, R_FD_READ), WE_OK);
	assert_int_equal(open_at(t, 3, "", 0, R_FD_READ), WE_NOENT);
	assert_int_equal(PATH1(t, "path_unlink_file", 3, "a\0b"), WE_NOENT);
	t->c->mem[A_PATH + 1] = '\0';
	assert_int_equal(W(t, "path_unlink_file", 3, A_PATH, 3), WE_INVAL);
	assert_int_equal(W(t, "path_unlink_file", 3, FAKE_MEM - 1, 3), WE_FAULT);
}

/* Directories opened one below the other make longer paths than one call can. */
static void deep_paths_end(void **state)
{
	struct ctx *t = *state;
	uint32_t e = WE_OK, dir = 3, n = 0;
	char name[NAME_MAX + 1];

	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	while (e == WE_OK && n < 100) {
		e = PATH1(t, "path_create_directory", dir, name);
		if (e == WE_OK)
			e = open_at(t, dir, name, OF_DIRECTORY, R_DIR);
		if (dir != 3)
			assert_int_equal(W(t, "fd_close", dir), WE_OK);
		dir = get32(t, A_RET);
		n++;
	}
	assert_int_equal(e, WE_NAMETOOLONG);
	assert_true(n > 16 && n < 40);
}

static void a_long_walk_costs_more(void **state)
{
	struct ctx *t = *state;
	uint64_t used[2];

	t->c->fuel = 10000;
	assert_int_equal(open_at(t, 3, "a.txt", 0, R_FD_READ), WE_OK);
	used[0] = 10000 - t->c->fuel;
	t->c->fuel = 10000;
	assert_int_equal(open_at(t, 3, "link/sub/../../d/up", 0, R_FD_READ), WE_OK);
	used[1] = 10000 - t->c->fuel;
	assert_true(used[1] > used[0]);
	t->c->fuel = used[1] - 1;
	(void)open_at(t, 3, "link/sub/../../d/up", 0, R_FD_READ);
	assert_int_equal(t->trap, VM_TRAP_FUEL);
}

/* ---- directories -------------------------------------------------------- */

/* Lists descriptor @fd with a buffer of @size; the sum of what was seen. */
static unsigned list(struct ctx *t, uint32_t fd, uint32_t size, uint64_t *ret_sum)
{
	uint64_t cookie = 0;
	unsigned n = 0;

	for (*ret_sum = 0;;) {
		uint32_t used, at = 0;

		assert_int_equal(W(t, "fd_readdir", fd, A_BUF, size, cookie, A_RET), WE_OK);
		used = get32(t, A_RET);
		while (at + 24 <= used && at + 24 + get32(t, A_BUF + at + 16) <= used) {
			uint32_t len = get32(t, A_BUF + at + 16);

			cookie = get64(t, A_BUF + at);
			for (uint32_t i = 0; i < len; i++)
				*ret_sum += t->c->mem[A_BUF + at + 24 + i] * (i + 1);
			at += 24 + len;
			n++;
		}
		if (used < size)
			return n;
	}
}

static void listings_agree_whatever_the_buffer(void **state)
{
	struct ctx *t = *state;
	uint64_t sum[3];
	char name[32];

	for (int i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "d/sub/file-%d", i);
		host_file(t, name, "");
	}
	assert_int_equal(open_at(t, 4, "d/sub", OF_DIRECTORY, R_FD_READDIR), WE_OK);
	assert_int_equal(t->seen.req.obj[0].sets, GATE_FS_LIST);
	assert_int_equal(list(t, 5, 4096, &sum[0]), 302);
	assert_int_equal(list(t, 5, 60000, &sum[1]), 302);
	assert_int_equal(list(t, 5, 290, &sum[2]), 302);
	assert_true(sum[0] == sum[1] && sum[1] == sum[2]);
	assert_int_equal(list(t, 4, 4096, &sum[0]), 10);
	assert_int_equal(W(t, "fd_close", 5), WE_OK);
	assert_int_equal(W(t, "fd_close", 5), WE_BADF);
}

/* ---- streams, limits, stop ---------------------------------------------- */

static void pipes_carry_bytes(void **state)
{
	struct ctx *t = *state;

	put_str(t, A_BUF, "ping");
	put_iov(t, A_BUF, 4);
	assert_int_equal(W(t, "fd_write", 1, A_IOV, 1, A_RET), WE_OK);
	assert_int_equal(t->seen.req.obj[0].class, GATE_CLASS_STREAM);
	assert_int_equal(t->seen.req.obj[0].sets, GATE_FS_WRITE);
	put_iov(t, A_BUF + 100, 50);
	assert_int_equal(W(t, "fd_read", 0, A_IOV, 1, A_RET), WE_OK);
	assert_int_equal(get32(t, A_RET), 4);
	assert_memory_equal(t->c->mem + A_BUF + 100, "ping", 4);
	assert_int_equal(W(t, "fd_fdstat_set_flags", 0, FDF_NONBLOCK), WE_OK);
	assert_int_equal(W(t, "fd_read", 0, A_IOV, 1, A_RET), WE_AGAIN);
	assert_int_equal(fcntl(t->pipe[0], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(W(t, "fd_write", 2, A_IOV, 1, A_RET), WE_BADF);
	assert_int_equal(W(t, "fd_write", 0, A_IOV, 1, A_RET), WE_NOTCAPABLE);
	assert_int_equal(W(t, "fd_seek", 0, 0, 0, A_RET), WE_SPIPE);
	assert_int_equal(W(t, "sock_send", 1, A_IOV, 1, 0, A_RET), WE_NOTSOCK);
}

static int keep(void *arg, int stream, const struct iovec *iov, int n)
{
	uint64_t *bytes = arg;

	for (int i = 0; i < n; i++)
		*bytes += iov[i].iov_len;
	return stream == 1 ? 0 : -EIO;
}

static void output_ends_at_its_limit(void **state)
{
	struct ctx *t = *state;
	uint64_t bytes = 0;

	t->cfg.stdio[1] = (struct wasi_stdio){ -1, true };
	t->cfg.sink = keep;
	t->cfg.sink_arg = &bytes;
	t->cfg.max_output = 100;
	reconfigure(t);
	put_iov(t, A_BUF, 60);
	assert_int_equal(W(t, "fd_write", 1, A_IOV, 1, A_RET), WE_OK);
	put_iov(t, A_BUF, 40);
	assert_int_equal(W(t, "fd_write", 1, A_IOV, 1, A_RET), WE_OK);
	assert_int_equal(t->trap, VM_TRAP_NONE);
	put_iov(t, A_BUF, 1);
	(void)W(t, "fd_write", 1, A_IOV, 1, A_RET);
	assert_int_equal(t->trap, VM_TRAP_LIMIT);
	assert_int_equal(wasi_limit_hit(t->w), WASI_LIMIT_OUTPUT);
	assert_int_equal(bytes, 100);
}

/* tests/e2e/test_disk.py has the cases; here it runs under the sanitizers. */
static void the_disk_ends_at_its_limit(void **state)
{
	struct ctx *t = *state;
	struct stat st;
	uint32_t fd;

	t->cfg.max_disk = 200;
	reconfigure(t);
	assert_int_equal(open_at(t, 3, "n", OF_CREAT, R_FILE), WE_OK);
	fd = get32(t, A_RET);
	put_iov(t, A_BUF, 60);
	assert_int_equal(W(t, "fd_write", fd, A_IOV, 1, A_RET), WE_OK);
	assert_int_equal(W(t, "fd_seek", fd, 20, 1, A_RET), WE_OK);
	put_iov(t, A_BUF, 10);
	assert_int_equal(W(t, "fd_write", fd, A_IOV, 1, A_RET), WE_OK); /* 90: with a gap of 20 */
	assert_int_equal(W(t, "fd_filestat_set_size", fd, 10), WE_OK);
	assert_int_equal(W(t, "fd_filestat_set_size", fd, 50), WE_OK);	/* 130 */
	assert_int_equal(W(t, "fd_write", fd, A_IOV, 1, A_RET), WE_OK); /* 180: it stood at 90 */
	assert_int_equal(W(t, "fd_pwrite", fd, A_IOV, 1, 0, A_RET), WE_OK);
	assert_int_equal(t->trap, VM_TRAP_NONE);
	put_iov(t, A_BUF, 11);
	(void)W(t, "fd_write", fd, A_IOV, 1, A_RET);
	assert_int_equal(get32(t, A_RET), 10);
	assert_int_equal(t->trap, VM_TRAP_LIMIT);
	assert_int_equal(wasi_limit_hit(t->w), WASI_LIMIT_DISK);
	assert_int_equal(fstatat(t->dir, "n", &st, 0), 0);
	assert_int_equal(st.st_size, 110);
}

static void host_calls_end_at_their_limit(void **state)
{
	struct ctx *t = *state;

	t->cfg.max_host_calls = 2;
	reconfigure(t);
	assert_int_equal(W(t, "sched_yield", 0), WE_OK);
	assert_int_equal(W(t, "sched_yield", 0), WE_OK);
	assert_int_equal(t->trap, VM_TRAP_NONE);
	(void)W(t, "sched_yield", 0);
	assert_int_equal(t->trap, VM_TRAP_LIMIT);
	assert_int_equal(wasi_limit_hit(t->w), WASI_LIMIT_HOST_CALLS);
	assert_int_equal(wasi_usage(t->w).host_calls, 2);
}

static void work_of_the_host_costs_fuel(void **state)
{
	struct ctx *t = *state;

	t->c->fuel = 1000;
	assert_int_equal(W(t, "random_get", A_BUF, 800), WE_OK);
	assert_int_equal(t->c->fuel, 1000 - 50 - 100);
	(void)W(t, "random_get", A_BUF, 80000);
	assert_int_equal(t->trap, VM_TRAP_FUEL);
	t->c->fuel = 49;
	(void)W(t, "sched_yield", 0);
	assert_int_equal(t->trap, VM_TRAP_FUEL);
	t->c->fuel = UINT64_MAX;
	assert_int_equal(W(t, "random_get", A_BUF, LIM_RANDOM_BYTES + 1), WE_INVAL);
}

static void descriptors_end_at_their_limit(void **state)
{
	struct ctx *t = *state;

	t->cfg.max_fds = 6;
	reconfigure(t);
	assert_int_equal(open_at(t, 3, "a.txt", 0, R_FD_READ), WE_OK);
	assert_int_equal(open_at(t, 3, "a.txt", 0, R_FD_READ), WE_NFILE);
	assert_int_equal(W(t, "fd_close", 5), WE_OK);
	assert_int_equal(open_at(t, 3, "a.txt", 0, R_FD_READ), WE_OK);
}

static _Atomic uint32_t *stop_flag;

static void on_signal(int sig)
{
	atomic_store(stop_flag, 1);
}

/* SIGUSR1 after 50 ms, blocked as an embedder has it; @t starts over. */
static void stop_soon(struct ctx *t)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec when = { .it_value = { 0, 50000000 } };
	struct sigaction sa = { .sa_handler = on_signal };
	static timer_t timer;
	static bool made;
	sigset_t mask;

	stop_flag = &t->stop;
	t->stop = 0;
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
	if (!made)
		assert_int_equal(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	made = true;
	reconfigure(t);
	assert_int_equal(timer_settime(timer, 0, &when, NULL), 0);
}

static void put_clock(struct ctx *t, uint64_t ns)
{
	uint8_t s[48] = { 0 };
	uint32_t id = 1;

	memcpy(s + 16, &id, 4);
	memcpy(s + 24, &ns, 8);
	memcpy(t->c->mem + A_BUF, s, sizeof(s));
}

static void blocked_calls_stop(void **state)
{
	struct ctx *t = *state;

	stop_soon(t);
	put_iov(t, A_BUF, 10);
	(void)W(t, "fd_read", 0, A_IOV, 1, A_RET);
	assert_int_equal(t->trap, VM_TRAP_STOPPED);
	stop_soon(t);
	put_clock(t, 3600000000000);
	(void)W(t, "poll_oneoff", A_BUF, A_BUF + 100, 1, A_RET);
	assert_int_equal(t->trap, VM_TRAP_STOPPED);
	stop_soon(t);
	put_iov(t, A_BUF, 65536);
	assert_int_equal(W(t, "fd_write", 1, A_IOV, 1, A_RET), WE_OK);
	assert_int_equal(get32(t, A_RET), 65536);
	(void)W(t, "fd_write", 1, A_IOV, 1, A_RET);
	assert_int_equal(t->trap, VM_TRAP_STOPPED);
}

static void put_sub_fd(struct ctx *t, unsigned i, uint8_t type, uint32_t fd)
{
	uint8_t s[48] = { 0 };
	uint64_t user = 100 + i;

	memcpy(s, &user, 8);
	s[8] = type;
	memcpy(s + 16, &fd, 4);
	memcpy(t->c->mem + A_BUF + i * 48, s, sizeof(s));
}

static void polls_tell_what_is_ready(void **state)
{
	struct ctx *t = *state;
	uint32_t out = A_BUF + 1000;

	put_clock(t, 1000000);
	assert_int_equal(W(t, "poll_oneoff", A_BUF, out, 1, A_RET), WE_OK);
	assert_int_equal(get32(t, A_RET), 1);
	put_sub_fd(t, 0, EVENT_READ, 0);
	put_sub_fd(t, 1, EVENT_WRITE, 1);
	put_sub_fd(t, 2, EVENT_READ, 77);
	assert_int_equal(W(t, "poll_oneoff", A_BUF, out, 3, A_RET), WE_OK);
	assert_int_equal(get32(t, A_RET), 2);
	assert_int_equal(get64(t, out), 101);
	assert_int_equal(t->c->mem[out + 10], EVENT_WRITE);
	assert_int_equal(get64(t, out + 32), 102);
	assert_int_equal(t->c->mem[out + 32 + 8], WE_BADF);
	assert_int_equal(W(t, "poll_oneoff", A_BUF, out, 0, A_RET), WE_INVAL);
	assert_int_equal(W(t, "poll_oneoff", A_BUF, out, 1025, A_RET), WE_INVAL);
}

static void sockets_carry_bytes(void **state)
{
	struct ctx *t = *state;
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	t->cfg.stdio[0].fd = s[0];
	t->cfg.stdio[2].fd = s[1];
	reconfigure(t);
	put_str(t, A_BUF, "ping");
	put_iov(t, A_BUF, 4);
	assert_int_equal(W(t, "sock_send", 0, A_IOV, 1, 0, A_RET), WE_OK);
	assert_int_equal(t->seen.req.obj[0].class, GATE_CLASS_SOCK);
	assert_int_equal(W(t, "sock_recv", 2, A_IOV, 1, RI_PEEK, A_RET, A_RET2), WE_OK);
	assert_int_equal(get32(t, A_RET), 4);
	assert_int_equal(W(t, "fd_read", 2, A_IOV, 1, A_RET), WE_OK);
	assert_int_equal(W(t, "sock_shutdown", 0, SD_WR), WE_OK);
	assert_int_equal(W(t, "fd_read", 2, A_IOV, 1, A_RET), WE_OK);
	assert_int_equal(get32(t, A_RET), 0);
	(void)close(s[0]);
	(void)close(s[1]);
}

static void listeners_accept(void **state)
{
	struct ctx *t = *state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(a);
	int l = socket(AF_UNIX, SOCK_STREAM, 0), s = socket(AF_UNIX, SOCK_STREAM, 0);

	/* a name of the kernel's choice */
	assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof(a.sun_family)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(connect(s, (struct sockaddr *)&a, len), 0);
	t->cfg.stdio[0].fd = l;
	reconfigure(t);
	assert_int_equal(W(t, "sock_accept", 0, 0, A_RET), WE_OK);
	assert_int_equal(get32(t, A_RET), 5);
	assert_int_equal(write(s, "hi", 2), 2);
	put_iov(t, A_BUF, 4);
	assert_int_equal(W(t, "fd_read", 5, A_IOV, 1, A_RET), WE_OK);
	assert_int_equal(get32(t, A_RET), 2);
	(void)close(l);
	(void)close(s);
}

/* ---- the rest ----------------------------------------------------------- */

static void arguments_and_clocks(void **state)
{
	struct ctx *t = *state;

	assert_int_equal(W(t, "args_sizes_get", A_RET, A_RET2), WE_OK);
	assert_int_equal(get32(t, A_RET), 2);
	assert_int_equal(get32(t, A_RET2), 9);
	assert_int_equal(W(t, "args_get", A_RET, A_BUF), WE_OK);
	assert_string_equal((char *)t->c->mem + get32(t, A_RET + 4), "one");
	assert_int_equal(W(t, "environ_get", A_RET, A_BUF), WE_OK);
	assert_string_equal((char *)t->c->mem + get32(t, A_RET), "A=b");
	assert_int_equal(W(t, "args_get", FAKE_MEM, A_BUF), WE_FAULT);
	t->cfg.clock_resolution = 1000000;
	reconfigure(t);
	assert_int_equal(W(t, "clock_res_get", 1, A_RET), WE_OK);
	assert_int_equal(get64(t, A_RET), 1000000);
	assert_int_equal(W(t, "clock_time_get", 0, 0, A_RET), WE_OK);
	assert_int_equal(get64(t, A_RET) % 1000000, 0);
	assert_true(get64(t, A_RET) > 1000000000000000000);
	assert_int_equal(W(t, "clock_time_get", 4, 0, A_RET), WE_INVAL);
	assert_int_equal(W(t, "proc_raise", 6), WE_NOSYS);
	(void)W(t, "proc_exit", 42);
	assert_int_equal(t->trap, VM_TRAP_EXIT);
}

static void grants_are_named(void **state)
{
	struct ctx *t = *state;

	assert_int_equal(W(t, "fd_prestat_get", 3, A_RET), WE_OK);
	assert_int_equal(get32(t, A_RET), 0);
	assert_int_equal(get32(t, A_RET + 4), 3);
	assert_int_equal(W(t, "fd_prestat_dir_name", 3, A_BUF, 3), WE_OK);
	assert_memory_equal(t->c->mem + A_BUF, "/rw", 3);
	assert_int_equal(W(t, "fd_prestat_dir_name", 3, A_BUF, 2), WE_NAMETOOLONG);
	assert_int_equal(W(t, "fd_prestat_get", 5, A_RET), WE_BADF);
	assert_int_equal(W(t, "fd_prestat_get", 1, A_RET), WE_BADF);
}

static void bad_memory_is_a_fault(void **state)
{
	struct ctx *t = *state;
	uint32_t v[2] = { FAKE_MEM - 4, 8 };

	put_iov(t, A_BUF, 4);
	assert_int_equal(W(t, "fd_write", 1, FAKE_MEM - 4, 1, A_RET), WE_FAULT);
	assert_int_equal(W(t, "fd_write", 1, A_IOV, LIM_IOVECS + 1, A_RET), WE_INVAL);
	memcpy(t->c->mem + A_IOV, v, 8);
	assert_int_equal(W(t, "fd_write", 1, A_IOV, 1, A_RET), WE_FAULT);
	assert_int_equal(W(t, "fd_readdir", 3, FAKE_MEM - 4, 8, 0, A_RET), WE_FAULT);
	assert_int_equal(W(t, "clock_time_get", 1, 0, FAKE_MEM - 7), WE_FAULT);
	assert_int_equal(W(t, "poll_oneoff", A_BUF, FAKE_MEM - 31, 1, A_RET), WE_FAULT);
	assert_int_equal(W(t, "fd_pread", 99, A_IOV, 1, 0, A_RET), WE_BADF);
}

static void imports_have_names(void **state)
{
	struct ctx *t = *state;
	struct vm_import imp = { .module = P1,
				 .name = "fd_raed",
				 .module_len = sizeof(P1) - 1,
				 .name_len = 7,
				 .type.kind = VM_FUNC };
	struct err e = { 0 };
	struct vm_extern x;

	assert_int_equal(wasi_resolve(t->w, &imp, &x, &e), ERR_UNLINKABLE);
	assert_non_null(strstr(e.msg, "fd_raed"));
	assert_non_null(strstr(e.hint, "fd_read"));
	imp.module = "env";
	imp.module_len = 3;
	e = (struct err){ 0 };
	assert_int_equal(wasi_resolve(t->w, &imp, &x, &e), ERR_UNLINKABLE);
	assert_non_null(strstr(e.msg, "env.fd_raed"));
	assert_int_equal(ARRAY_LEN(table), GATE_OP_COUNT);
}

/* Numbers that are likely to matter: small, addresses, ends, anything. */
static uint64_t any(unsigned *seed)
{
	static const uint64_t some[] = { 0,
					 1,
					 2,
					 3,
					 4,
					 5,
					 6,
					 7,
					 8,
					 16,
					 100,
					 A_PATH,
					 A_PATH2,
					 A_IOV,
					 A_RET,
					 A_BUF,
					 FAKE_MEM - 8,
					 FAKE_MEM,
					 UINT32_MAX,
					 INT64_MAX,
					 UINT64_MAX,
					 R_ALL,
					 R_ALL & ~R_FD_WRITE };
	uint64_t r = (uint64_t)rand_r(seed);

	if (r % 8 != 0)
		return some[r / 8 % ARRAY_LEN(some)];
	return r << 33 ^ (uint64_t)rand_r(seed);
}

/* Whatever is passed, in whatever order: an errno, and what is outside stays. */
static void any_arguments_will_do(void **state)
{
	static const char *const paths[] = { "a.txt", "d",	"link", "d/up", "..",
					     "d/out", "dangle", "loop", "new",	"d/sub/" };
	struct ctx *t = *state;
	unsigned seed = 1;
	uint64_t args[16];

	t->cfg.stdio[0].fd = t->cfg.stdio[1].fd = -1;
	reconfigure(t);
	for (unsigned n = 0; n < 30000; n++) {
		const char *name = table[(unsigned)rand_r(&seed) % ARRAY_LEN(table)].name;
		const char *path = paths[(unsigned)rand_r(&seed) % ARRAY_LEN(paths)];

		for (unsigned i = 0; i < 16; i++)
			args[i] = any(&seed);
		memset(t->c->mem + A_PATH, 0, 16);
		put_str(t, A_PATH, path);
		put_str(t, A_PATH2, paths[n % ARRAY_LEN(paths)]);
		put_iov(t, (uint32_t)any(&seed), (uint32_t)any(&seed) % 70000);
		if (strncmp(name, "path_", 5) == 0 && n % 2 == 0) {
			bool late = args[1] < 2;

			args[0] = 3;
			args[late ? 2 : 1] = A_PATH;
			args[late ? 3 : 2] = strlen(path);
		}
		if (strcmp(name, "poll_oneoff") == 0 || strcmp(name, "fd_allocate") == 0)
			continue; /* would sleep, or fill the disk */
		assert_true(fake_call(t->w, t->c,
				      n % 3 == 0 && strcmp(name, "sock_accept") != 0 ? OLD : P1,
				      name, args, &t->trap) < WE_COUNT);
		if (n % 500 == 0)
			reconfigure(t);
	}
	assert_int_not_equal(access("/tmp/made-outside", F_OK), 0);
}

#ifdef WASMD_FAULTS
static void memory_may_be_short(void **state)
{
	struct ctx *t = *state;
	uint32_t r = WE_NOMEM;

	for (unsigned n = 0; r != WE_OK; n++) {
		assert_true(r == WE_NOMEM && n < 50);
		wasmd_fault_after = n;
		r = open_at(t, 3, "a.txt", 0, R_FD_READ);
		put_clock(t, 1);
		if (r == WE_OK)
			r = W(t, "poll_oneoff", A_BUF, A_BUF + 100, 1, A_RET);
		wasmd_fault_after = ~0u;
	}
}
#endif

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(deny_all_makes_no_system_call),
		T(verdicts_reach_the_guest),
		T(the_resolved_path_is_judged),
		T(a_link_does_not_carry_past_a_rule),
		T(read_only_holds),
		T(read_write_works),
		T(names_can_be_changed),
		T(pipes_are_not_opened),
		T(what_was_exchanged_is_not_used),
		T(long_paths_end),
		T(deep_paths_end),
		T(a_long_walk_costs_more),
		T(listings_agree_whatever_the_buffer),
		T(pipes_carry_bytes),
		T(output_ends_at_its_limit),
		T(the_disk_ends_at_its_limit),
		T(host_calls_end_at_their_limit),
		T(work_of_the_host_costs_fuel),
		T(descriptors_end_at_their_limit),
		T(blocked_calls_stop),
		T(polls_tell_what_is_ready),
		T(sockets_carry_bytes),
		T(listeners_accept),
		T(arguments_and_clocks),
		T(grants_are_named),
		T(bad_memory_is_a_fault),
		T(imports_have_names),
		T(any_arguments_will_do),
#ifdef WASMD_FAULTS
		T(memory_may_be_short),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
