/*
 * See calls.h.
 */
#include "calls.h"

const struct named_call table[N_CALLS] = {
#define CALL(name, sig, r0, r1, prep) { #name, sig },
	WASI_CALLS(CALL)
#undef CALL
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

void put_str(struct ctx *t, uint32_t at, const char *s)
{
	memcpy(t->c->mem + at, s, strlen(s));
}

uint32_t get32(struct ctx *t, uint32_t at)
{
	uint32_t v;

	memcpy(&v, t->c->mem + at, 4);
	return v;
}

uint64_t get64(struct ctx *t, uint32_t at)
{
	uint64_t v;

	memcpy(&v, t->c->mem + at, 8);
	return v;
}

void put_iov(struct ctx *t, uint32_t base, uint32_t len)
{
	uint32_t v[2] = { base, len };

	memcpy(t->c->mem + A_IOV, v, 8);
}

uint32_t open_at(struct ctx *t, uint32_t dir, const char *path, unsigned oflags, uint64_t rights)
{
	put_str(t, A_PATH, path);
	return W(t, "path_open", dir, 1, A_PATH, strlen(path), oflags, rights, rights, 0, A_RET);
}

void host_file(struct ctx *t, const char *name, const char *text)
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

void reconfigure(struct ctx *t)
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

int setup(void **state)
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

int teardown(void **state)
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

void put_clock(struct ctx *t, uint64_t ns)
{
	uint8_t s[48] = { 0 };
	uint32_t id = 1;

	memcpy(s + 16, &id, 4);
	memcpy(s + 24, &ns, 8);
	memcpy(t->c->mem + A_BUF, s, sizeof(s));
}
