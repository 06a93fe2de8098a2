/*
 * Priv's receivers: what the front asks and what an opener answers, up to
 * where a process would be made. Every request is answered once, by number.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/priv/priv.h"
#include "daemon/task.h"
#include "tests/fuzz/messages.h"

enum { KIND_AS_DUE, KIND_NULL, KIND_SOCKET, KIND_DIRECTORY };

#define NOBODY 0x7ffffff0 /* no process has this number */

struct world {
	struct priv p;
	struct config *config;
	int front, client, peer, huge;
};

/* A listener that needs no file, and somebody connected to it. */
static void connect_client(struct world *w)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(a);

	w->p.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	w->peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(w->p.listener, (struct sockaddr *)&a, sizeof(sa_family_t)) < 0 ||
	    listen(w->p.listener, 1) < 0 ||
	    getsockname(w->p.listener, (struct sockaddr *)&a, &len) < 0 ||
	    connect(w->peer, (struct sockaddr *)&a, len) < 0)
		abort();
	w->client = accept4(w->p.listener, NULL, NULL, SOCK_CLOEXEC);
}

static void read_config(struct world *w)
{
	struct err e = { 0 };
	char text[512];
	int fd;

	(void)snprintf(text, sizeof(text),
		       "{\"tenants\": [{\"name\": \"a\", \"uid\": 65531, \"clients\": [%u]},"
		       "{\"name\": \"b\", \"uid\": 65532, \"clients\": [%u]}]}",
		       getuid(), getuid() + 1);
	fd = memfd_with(text, strlen(text), true);
	if (config_read(fd, &w->config, &e) < 0)
		abort();
	(void)close(fd);
	w->p.config = w->config;
}

/* Sealed as a module is, and larger than one may be: priv goes as far as to
 * its size. */
static int huge_module(void)
{
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)LIM_MODULE_BYTES + 1) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		abort();
	return fd;
}

/* Made once: priv keeps nothing of a front that has gone. */
static struct world *world(void)
{
	static struct world w;
	static int idmaps[] = { -1, -1 };

	if (w.config != NULL)
		return &w;
	w.p.uid = getuid();
	w.p.gid = getgid();
	w.p.null = null_fd();
	w.p.zygote_exe = w.p.zygote_filter = -1;
	w.p.idmaps = idmaps;
	connect_client(&w);
	read_config(&w);
	w.huge = huge_module();
	return &w;
}

/* A new front for each input. */
static void begin(struct world *w)
{
	int pair[2];

	if (ipc_pair(pair, true) < 0)
		abort();
	w->p.channel = pair[0];
	w->front = pair[1];
}

static void end(struct world *w)
{
	fd_clear(&w->p.channel);
	fd_clear(&w->front);
}

/* Due are the client's connection and a module. */
static int fd_of(const struct world *w, const struct bent *b, unsigned i)
{
	if (b->kind == KIND_NULL)
		return null_fd();
	if (b->kind == KIND_SOCKET)
		return i % 2 == 0 ? w->p.listener : w->front;
	if (b->kind == KIND_DIRECTORY)
		return AT_FDCWD;
	return i % 2 == 0 ? w->client : w->huge;
}

static void say(const struct world *w, int fd, const struct bent *b)
{
	int fds[64], own[64];

	for (unsigned i = 0; i < b->n_fds; i++) {
		int of = fd_of(w, b, i);

		own[i] = of == AT_FDCWD ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		fds[i] = own[i] >= 0 ? own[i] : of;
	}
	bent_send(fd, b, fds);
	for (unsigned i = 0; i < b->n_fds; i++)
		close_p(&own[i]);
}

/* The answers there are; each is on the table and to a request of this number. */
static unsigned answers(const struct world *w, uint64_t req)
{
	struct ipc_msg m;
	unsigned n = 0;

	for (; ipc_recv(w->front, IPC_FRONT, IPC_PRIV, &m) > 0; n++) {
		bool ok = m.type == IPC_priv_ok && m.n_fds == 1 && m.body.priv_ok.req == req;
		bool failed = m.type == IPC_priv_failed && m.body.priv_failed.req == req &&
			      m.body.priv_failed.code < 0 && m.body.priv_failed.msg[0] != '\0' &&
			      ipc_str_ok(m.body.priv_failed.msg, sizeof(m.body.priv_failed.msg)) &&
			      ipc_str_ok(m.body.priv_failed.hint, sizeof(m.body.priv_failed.hint));

		if (!ok && !failed)
			abort();
		ipc_msg_done(&m);
	}
	return n;
}

static uint64_t req_of(const struct bent *b)
{
	size_t skip = (b->bend & BEND_BARE) != 0 ? sizeof(uint32_t) : 0;
	uint64_t req = 0;

	if (b->len > skip) /* it is the first of every body */
		memcpy(&req, b->bytes + skip,
		       b->len - skip < sizeof(req) ? b->len - skip : sizeof(req));
	return req;
}

/* A path, judged by its text as if there were a ceiling. */
static void judge_path(const struct bent *b)
{
	static struct config_mount mounts[] = { { (char *)(uintptr_t)"/srv/a", true },
						{ (char *)(uintptr_t)"/", false } };
	const struct config_tenant t = { .name = (char *)(uintptr_t)"a",
					 .mounts = mounts,
					 .n_mounts = 1u + (b->kind & 1u) };
	char path[LIM_PATH_BYTES] = "";
	struct err e = { 0 };

	if (b->len > 0 && b->len < sizeof(path))
		memcpy(path, b->bytes, b->len);
	if (ceiling_names(&t, path, (b->bend & 1) != 0, &e) == 0 &&
	    (path[0] != '/' || strstr(path, "/../") != NULL || strstr(path, "//") != NULL))
		abort();
}

static bool serve(struct world *w, const struct bent *b, bool full)
{
	int r;

	for (size_t i = 0; i < PRIV_ZYGOTES; i++)
		w->p.zygotes[i].pid = i > 0 || full ? NOBODY : 0;
	for (size_t i = 0; i < PRIV_JOBS; i++)
		w->p.jobs[i] = (struct priv_job){ .pid = full ? NOBODY : 0, .reaped = true };
	say(w, w->front, b);
	r = priv_serve(&w->p);
	if (answers(w, req_of(b)) != (r == 0))
		abort();
	return r == 0;
}

void fuzz_priv(struct script *s)
{
	struct world *w = world();
	struct bent b;
	bool alive = true;

	begin(w);
	while (alive && script_next(s, &b)) {
		if ((b.to & 3) == 3)
			judge_path(&b);
		else
			alive = serve(w, &b, (b.bend & BEND_FLAG) != 0);
	}
	end(w);
}

/* ---- openers ------------------------------------------------------------- */

/* One job whose opener says whatever it likes, or hangs up. */
static void answer(struct world *w, const struct bent *b)
{
	static struct config_mount root = { (char *)(uintptr_t)"/", true };
	struct config_tenant t = { .name = (char *)(uintptr_t)"a",
				   .mounts = &root,
				   .n_mounts = b->to & 1u };
	struct priv_job *j = &w->p.jobs[0];
	int pair[2];

	if (ipc_pair(pair, true) < 0)
		abort();
	*j = (struct priv_job){ .pid = NOBODY,
				.reaped = true,
				.sock = pair[0],
				.deadline = UINT64_MAX,
				.tenant = &t,
				.ask = { .req = 9, .host = "/srv", .write = b->to >> 1 & 1 } };
	if ((b->bend & BEND_FLAG) == 0)
		say(w, pair[1], b);
	(void)close(pair[1]);
	priv_opener_answer(&w->p, j);
	if (j->pid != 0 || answers(w, 9) != 1)
		abort();
}

void fuzz_opener_answer(struct script *s)
{
	struct world *w = world();
	struct bent b;

	begin(w);
	while (script_next(s, &b))
		answer(w, &b);
	end(w);
}
