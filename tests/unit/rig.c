/*
 * See rig.h. Runs in the test's own process.
 */
#include "tests/unit/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "daemon/locked/confine.h"
#include "daemon/locked/filter.h"
#include "daemon/task.h"
#include "wasmd/fault.h"
#include "wasmd/policy.h"

static int memfd_of(const char *text)
{
	int fd = -1;

	return sealed_memfd("config", text, strlen(text), &fd) == 0 ? fd : -1;
}

static bool make_config(struct rig *r, struct err *e)
{
	char text[1024];
	CLEANUP(close_p) int fd = -1;

	if (!r->p.privileged) {
		if (config_default(r->p.uid, r->p.gid, &r->config, e) < 0)
			return false;
		r->tenant_a = r->tenant_b = r->config->tenants[0].name;
		return true;
	}
	(void)snprintf(text, sizeof(text),
		       "{\"tenants\": ["
		       "{\"name\": \"a\", \"uid\": %u, \"gid\": %u, \"clients\": [0],"
		       " \"ceiling\": {\"mounts\": [{\"host\": \"/tmp\", \"access\": \"rw\"}]}},"
		       "{\"name\": \"b\", \"uid\": %u, \"gid\": %u, \"clients\": [0],"
		       " \"ceiling\": {\"mounts\": [{\"host\": \"/tmp\", \"access\": \"rw\"}]}},"
		       "{\"name\": \"c\", \"uid\": %u, \"clients\": [1]}]}",
		       RIG_UID_A, RIG_UID_A, RIG_UID_B, RIG_UID_B, RIG_UID_B);
	fd = memfd_of(text);
	r->tenant_a = "a";
	r->tenant_b = "b";
	return config_read(fd, &r->config, e) == 0;
}

static bool make_homes(struct rig *r, struct err *e)
{
	CLEANUP(close_p) int dir = -1;

	(void)snprintf(r->state, sizeof(r->state), "/tmp/wasmd-rig-%d", getpid());
	if (mkdir(r->state, 0700) == 0)
		dir = open(r->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir >= 0 && survive_open(&r->p, dir, e) == 0;
}

static bool make_priv(struct rig *r, int zygote, struct err *e)
{
	CLEANUP(close_p) int opener = -1;
	int pair[2];

	r->p.config = r->config;
	r->p.zygote_exe = zygote;
	r->p.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	r->p.idmaps = malloc(r->config->n_tenants * sizeof(int));
	if (r->p.idmaps == NULL || ipc_pair(pair, false) < 0)
		return false;
	for (size_t i = 0; i < r->config->n_tenants; i++)
		r->p.idmaps[i] = -1;
	r->p.channel = pair[0];
	r->front = pair[1];
	if (spawn_settle(&r->p, e) < 0 || filter_memfd(ROLE_ZYGOTE, &r->p.zygote_filter, e) < 0 ||
	    filter_memfd(ROLE_OPENER, &opener, e) < 0 ||
	    confine_filter(opener, &r->p.opener_filter, e) < 0)
		return false;
	fences_probe(&r->p, "/tmp");
	return make_homes(r, e);
}

static bool connect_client(struct rig *r)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(r->socket, sizeof(r->socket), "/tmp/wasmd-rig-%d.sock", getpid());
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", r->socket);
	r->p.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r->peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(r->p.listener, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(r->p.listener, 8) < 0 ||
	    connect(r->peer, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return false;
	r->client = accept4(r->p.listener, NULL, NULL, SOCK_CLOEXEC);
	return r->client >= 0;
}

bool rig_open(struct rig *r, int zygote)
{
	struct err e = { 0 };

	*r = (struct rig){ .p = { .uid = getuid(), .gid = getgid() } };
	r->p.privileged = geteuid() == 0;
	if (connect_client(r) && make_config(r, &e) && make_priv(r, zygote, &e))
		return true;
	(void)fprintf(stderr, "rig: %s\n", e.msg);
	return false;
}

void rig_close(struct rig *r)
{
	char homes[80];
	pid_t pid;

	priv_kill_all(&r->p);
	while ((pid = waitpid(-1, NULL, 0)) > 0)
		priv_reaped(&r->p, pid);
	(void)snprintf(homes, sizeof(homes), "%s/zygotes", r->state);
	if (rmdir(homes) < 0 || rmdir(r->state) < 0)
		(void)fprintf(stderr, "rig: %s: %s\n", homes, strerror(errno));
	(void)unlink(r->socket);
	free(r->p.idmaps);
	r->config = config_free(r->config);
}

/* Priv's turn, then what it answered. */
static int answer(struct rig *r, struct ipc_msg *m, struct err *e)
{
	struct priv_job *job = &r->p.jobs[0];

	if (priv_serve(&r->p) < 0)
		return err_set(e, ERR_INTERNAL, "priv refused the message");
	if (job->pid != 0)
		priv_opener_answer(&r->p, job);
	if (ipc_recv(r->front, IPC_FRONT, IPC_PRIV, m) != 1)
		return err_set(e, ERR_INTERNAL, "priv did not answer");
	if (m->type != IPC_priv_failed)
		return 0;
	return err_set(e, m->body.priv_failed.code, "%s", m->body.priv_failed.msg);
}

int rig_mount(struct rig *r, const char *tenant, const char *host, bool write, struct err *e)
{
	struct msg_priv_mount ask = { .req = 7, .write = write, .tmpfs_kib = 1024 };
	struct ipc_msg m;

	(void)snprintf(ask.tenant, sizeof(ask.tenant), "%s", tenant);
	(void)snprintf(ask.host, sizeof(ask.host), "%s", host);
	if (ipc_send(r->front, IPC_priv_mount, &ask, &r->client, 1) < 0 || answer(r, &m, e) < 0)
		return -1;
	return m.fds[0];
}

int rig_zygote(struct rig *r, const char *tenant, const void *module, size_t len, pid_t *ret_pid,
	       struct err *e)
{
	struct msg_priv_zygote ask = { .req = 8 };
	int fds[2] = { r->client, -1 };
	struct ipc_msg m;
	int sent;

	(void)snprintf(ask.tenant, sizeof(ask.tenant), "%s", tenant);
	if (sealed_memfd("module", module, len, &fds[1]) < 0)
		return -1;
	sent = ipc_send(r->front, IPC_priv_zygote, &ask, fds, 2);
	(void)close(fds[1]);
	if (sent < 0 || answer(r, &m, e) < 0)
		return -1;
	*ret_pid = (pid_t)m.body.priv_ok.pid;
	return m.fds[0];
}

static int make_slot(void **ret_map)
{
	int fd = memfd_create("slot", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, SLOT_BYTES) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -1;
	*ret_map = mmap(NULL, SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return *ret_map == MAP_FAILED ? -1 : fd;
}

static int make_image(const char *text, struct err *e)
{
	struct policy *p = NULL;
	void *image = NULL;
	size_t len;
	int fd = -1;

	if (policy_parse(text, strlen(text), &p, e) == 0 &&
	    policy_compile(p, roles_syscalls(ROLE_WORKER), &image, &len, e) == 0)
		(void)!sealed_memfd("policy", image, len, &fd);
	free(image);
	(void)policy_free(p);
	return fd;
}

bool rig_start(int channel, const struct rig_start *s, struct rig_instance *i)
{
	static const char *const no_args[] = { "guest", NULL };
	struct msg_zyg_start ask = { .seq = s->seq,
				     .generation = s->generation,
				     .wall_ns = s->wall_ns,
				     .cpu_ns = s->cpu_ns,
				     .flags = s->reactor ? START_CALL : 0,
				     .stream = { STREAM_NULL, STREAM_RING, STREAM_RING },
				     .n_mounts = (uint8_t)s->n_mounts };
	struct err e = { 0 };
	int fds[5 + LIM_PREOPENS], sent = -1;
	size_t n_fds = 4 + s->n_mounts + s->reactor;

	*i = (struct rig_instance){ .doorbell = eventfd(0, EFD_CLOEXEC) };
	fds[0] = make_image(s->policy, &e);
	fds[2] = make_slot(&i->slot);
	fds[3] = i->doorbell;
	for (size_t n = 0; n < s->n_mounts; n++)
		fds[4 + n] = s->mounts[n];
	fds[4 + s->n_mounts] = s->calls;
	if (task_write(s->args != NULL ? s->args : no_args, NULL, &fds[1], &e) == 0 &&
	    fds[0] >= 0) {
		i->sent_ns = priv_now();
		sent = ipc_send(channel, IPC_zyg_start, &ask, fds, n_fds);
	}
	for (int n = 0; n < 3; n++)
		(void)close(fds[n]);
	if (sent < 0)
		(void)fprintf(stderr, "rig: %s %s\n", e.msg, strerror(-sent));
	return sent == 0;
}

static size_t drain(struct ring *ring, char *out, size_t size, size_t n)
{
	char buf[SLOT_OUTPUT_RECORD + 1];
	uint32_t type;
	uint64_t len;

	while (ring_get(ring, buf, sizeof(buf), &type, &len) == 1) {
		for (uint64_t i = 0; i < len && out != NULL && n + 1 < size; i++)
			out[n++] = buf[i];
	}
	if (atomic_exchange(&ring->h->full, 0) != 0)
		(void)syscall(SYS_futex, &ring->h->full, FUTEX_WAKE, 1, NULL, NULL, 0);
	if (out != NULL && size > 0)
		out[n] = '\0';
	return n;
}

bool rig_wait(int channel, struct rig_instance *i, char *out, size_t size)
{
	struct ring ring = slot_output(i->slot);
	struct ipc_msg m;
	size_t n = 0;

	for (;;) {
		struct pollfd at = { .fd = channel, .events = POLLIN };

		n = drain(&ring, out, size, n);
		if (poll(&at, 1, 10) == 0)
			continue;
		if (ipc_recv(channel, IPC_FRONT, IPC_ZYGOTE, &m) != 1)
			return false;
		if (m.type != IPC_zyg_exited)
			continue;
		i->end = m.body.zyg_exited;
		(void)drain(&ring, out, size, n);
		return true;
	}
}

void rig_forget(struct rig_instance *i)
{
	(void)munmap(i->slot, SLOT_BYTES);
	(void)close(i->doorbell);
}
