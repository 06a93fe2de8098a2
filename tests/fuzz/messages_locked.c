/*
 * The locked receivers: the start message that the front sends to a zygote and
 * its spare, with all that its descriptors carry, and the calls that reach a
 * reactor's worker. Everything but the fences of the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "daemon/locked/call.h"
#include "daemon/locked/cell.h"
#include "daemon/roles.h"
#include "tests/fuzz/messages.h"

#define FUEL	 20000
#define LOW_FDS	 48 /* what a start may arrange */
#define PATCH_AT 3  /* where a patch begins: what it is of, and where it goes */

enum { KIND_AS_DUE, KIND_NULL, KIND_OPEN_MEMFD, KIND_PATCHED };

/* ---- starts -------------------------------------------------------------- */

static const char policy_text[] =
	"{\"name\": \"f\", \"args\": true, \"mounts\": [{\"host\": \"/srv\", \"guest\": \"/a\"}],\n"
	" \"rules\": [{\"id\": \"one\", \"on\": \"path_open\", \"path\": \"/a/**\", \"then\": "
	"\"deny\"}]}";

struct carried {
	void *bytes;
	size_t len;
};

static struct carried image_made(void)
{
	struct policy *p = NULL;
	struct carried c = { 0 };
	struct err e = { 0 };

	if (policy_parse(policy_text, strlen(policy_text), &p, &e) < 0 ||
	    policy_compile(p, roles_syscalls(ROLE_WORKER), &c.bytes, &c.len, &e) < 0)
		abort();
	(void)policy_free(p);
	return c;
}

static struct carried task_made(void)
{
	static const char *const args[] = { "guest", "x", NULL }, *const env[] = { "A=b", NULL };
	struct carried c = { .bytes = malloc(4096) };
	struct err e = { 0 };
	ssize_t n;
	int fd;

	if (c.bytes == NULL || task_write(args, env, &fd, &e) < 0)
		abort();
	n = pread(fd, c.bytes, 4096, 0);
	c.len = n > 0 ? (size_t)n : 0;
	(void)close(fd);
	return c;
}

/* As it is, or with the message's last bytes written over it. */
static int sealed(const struct carried *c, const struct bent *b, unsigned i)
{
	uint8_t *copy = malloc(c->len);
	size_t at = 0, n = b->n_more > PATCH_AT ? b->n_more - PATCH_AT : 0;
	int fd;

	if (copy == NULL)
		abort();
	memcpy(copy, c->bytes, c->len);
	if (b->kind == KIND_PATCHED && n > 0 && b->more[0] % 2 == i) {
		at = (b->more[1] | (size_t)b->more[2] << 8) % c->len;
		memcpy(copy + at, b->more + PATCH_AT, n < c->len - at ? n : c->len - at);
	}
	fd = memfd_with(copy, c->len, true);
	free(copy);
	return fd;
}

static int slot_made(void)
{
	int fd = memfd_create("slot", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, SLOT_BYTES) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		abort();
	return fd;
}

static int fd_of(const struct bent *b, unsigned i)
{
	static struct carried of[2];

	if (of[0].bytes == NULL) {
		of[FD_POLICY] = image_made();
		of[FD_TASK] = task_made();
	}
	if (b->kind == KIND_NULL)
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	if (b->kind == KIND_OPEN_MEMFD)
		return memfd_with("x", 1, false);
	if (i <= FD_TASK)
		return sealed(&of[i], b, i);
	return i == FD_SLOT ? slot_made() : eventfd(0, EFD_CLOEXEC);
}

/* As the zygote and then its spare do with it. */
static void take(struct ipc_msg *m)
{
	struct known known = { 0 };
	struct cell c = { .known = &known };
	struct err e = { 0 };

	if (m->n_fds > FD_POLICY)
		known_learn(&known, m->fds[FD_POLICY]);
	if (cell_furnish(&c, m, &e) < 0) {
		if (e.code >= 0 || e.msg[0] == '\0')
			abort();
		cell_report_failure(&c, &e);
		cell_refuse(m, &e);
	} else if (policy_judge_n_mounts(c.judge) != c.ask.n_mounts) {
		abort();
	}
	if (c.slot != NULL)
		(void)munmap(c.slot, SLOT_BYTES);
	task_done(&c.task);
	for (size_t i = 0; i < KNOWN_POLICIES; i++) {
		(void)policy_judge_free(known.at[i].judge);
		free(known.at[i].image);
	}
}

/* The numbers that a start arranges are put back. */
static void restore(const int std[3])
{
	for (int i = 0; i < LOW_FDS; i++) {
		if (i < 3)
			(void)dup2(std[i], i);
		else
			(void)dup3(null_fd(), i, O_CLOEXEC);
	}
}

static void start(int fd, int far, const struct bent *b)
{
	struct ipc_msg m;
	int fds[64], std[3];

	for (unsigned i = 0; i < b->n_fds; i++)
		fds[i] = fd_of(b, i);
	bent_send(far, b, fds);
	for (unsigned i = 0; i < b->n_fds; i++)
		(void)close(fds[i]);
	if (ipc_recv(fd, IPC_ZYGOTE, IPC_FRONT, &m) != 1)
		return;
	for (int i = 0; i < 3; i++)
		std[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
	if (m.type == IPC_zyg_start)
		take(&m);
	ipc_msg_done(&m);
	restore(std);
	for (int i = 0; i < 3; i++)
		(void)close(std[i]);
}

void fuzz_start(struct script *s)
{
	struct bent b;
	int pair[2];

	if (ipc_pair(pair, true) < 0)
		abort();
	while (script_next(s, &b))
		start(pair[0], pair[1], &b);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* ---- calls --------------------------------------------------------------- */

/* (memory (export "m") 1)
 * (func (export "add") (param i32 i32) (result i32)
 *   (i32.add (local.get 0) (local.get 1)))
 * (func (export "half") (param i64 f32 f64) (result f64) (local.get 2))
 * (func (export "two") (result i64 i64) (i64.const 1) (i64.const 2))
 * (func (export "ref") (param externref))
 * (func (export "trap") (unreachable))
 * (func (export "spin") (loop (br 0))) */
static const uint8_t module[] = {
	0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x1a, 0x05, 0x60, 0x02, 0x7f, 0x7f,
	0x01, 0x7f, 0x60, 0x03, 0x7e, 0x7d, 0x7c, 0x01, 0x7c, 0x60, 0x00, 0x02, 0x7e, 0x7e, 0x60,
	0x01, 0x6f, 0x00, 0x60, 0x00, 0x00, 0x03, 0x07, 0x06, 0x00, 0x01, 0x02, 0x03, 0x04, 0x04,
	0x05, 0x03, 0x01, 0x00, 0x01, 0x07, 0x2c, 0x07, 0x01, 0x6d, 0x02, 0x00, 0x03, 0x61, 0x64,
	0x64, 0x00, 0x00, 0x04, 0x68, 0x61, 0x6c, 0x66, 0x00, 0x01, 0x03, 0x74, 0x77, 0x6f, 0x00,
	0x02, 0x03, 0x72, 0x65, 0x66, 0x00, 0x03, 0x04, 0x74, 0x72, 0x61, 0x70, 0x00, 0x04, 0x04,
	0x73, 0x70, 0x69, 0x6e, 0x00, 0x05, 0x0a, 0x24, 0x06, 0x07, 0x00, 0x20, 0x00, 0x20, 0x01,
	0x6a, 0x0b, 0x04, 0x00, 0x20, 0x02, 0x0b, 0x06, 0x00, 0x42, 0x01, 0x42, 0x02, 0x0b, 0x02,
	0x00, 0x0b, 0x03, 0x00, 0x00, 0x0b, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b,
};

static struct guest *guest(void)
{
	static struct guest g;
	struct vm_module *m;
	struct vm_valid_module *v;
	struct vm_code *c;
	struct vm_trap_info trap;
	struct err e = { 0 };

	if (g.store != NULL)
		return &g;
	if (vm_module_decode(module, sizeof(module), &m, &e) < 0 ||
	    vm_module_validate(m, &v, &e) < 0 || vm_module_compile(v, &c, &e) < 0 ||
	    vm_store_new(NULL, &g.store, &e) < 0 ||
	    vm_instance_new(g.store, c, NULL, NULL, &g.instance, &trap, &e) < 0)
		abort();
	(void)vm_code_unref(c);
	return &g;
}

/* What came back is on the table. */
static void hear(int fd)
{
	struct ipc_msg m;
	int r;

	while ((r = ipc_recv(fd, IPC_FRONT, IPC_WORKER, &m)) > 0) {
		if (m.body.call_done.n_results > CALL_VALUES ||
		    !ipc_str_ok(m.body.call_done.message, sizeof(m.body.call_done.message)))
			abort();
		ipc_msg_done(&m);
	}
	if (r == -EPROTO)
		abort();
}

void fuzz_calls(struct script *s)
{
	static const _Atomic uint32_t stop;
	struct vm_trap_info trap = { 0 };
	struct guest *g = guest();
	struct bent b;
	int pair[2];

	if (ipc_pair(pair, true) < 0)
		abort();
	while (script_next(s, &b)) {
		int fds[64];

		for (unsigned i = 0; i < b.n_fds; i++)
			fds[i] = null_fd();
		bent_send(pair[1], &b, fds);
	}
	(void)shutdown(pair[1], SHUT_WR);
	vm_store_set_fuel(g->store, FUEL);
	calls_serve(g, pair[0], &stop, &trap);
	hear(pair[1]);
	(void)close(pair[0]);
	(void)close(pair[1]);
}
