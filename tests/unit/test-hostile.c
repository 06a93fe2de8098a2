/*
 * A front that lies, to a real zygote behind its fences: every type, lengths
 * around the right one, descriptors that are too many, too few or of another
 * kind. Each either ends the zygote in order or leaves it able to work.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/rig.h"

#define FDS_MOST 60u

static struct rig rig;
static const char *zygote_path, *guest_path;
static void *module;
static size_t module_len;
static int channel = -1, null = -1;
static pid_t zygote;
static uint64_t seq = 1000000;
static unsigned ended, served;

static const char policy[] =
	"{\"name\": \"h\", \"args\": true, \"limits\": {\"memory\": \"64MiB\"}, \"rules\": [],"
	" \"default\": \"granted\"}";

/* ---- the zygote ----------------------------------------------------------- */

static bool load_guest(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	bool ok = fd >= 0 && fstat(fd, &st) == 0;

	module_len = ok ? (size_t)st.st_size : 0;
	module = ok ? malloc(module_len) : NULL;
	ok = module != NULL && read(fd, module, module_len) == (ssize_t)module_len;
	close_p(&fd);
	return ok;
}

static void be_born(void)
{
	struct err e = { 0 };
	struct ipc_msg m;

	if (channel >= 0)
		return;
	channel = rig_zygote(&rig, rig.tenant_a, module, module_len, &zygote, &e);
	assert_true(channel >= 0);
	assert_int_equal(ipc_recv(channel, IPC_FRONT, IPC_ZYGOTE, &m), 1);
	assert_int_equal(m.type, IPC_zyg_ready);
}

static const char *home(void)
{
	for (size_t i = 0; i < PRIV_ZYGOTES; i++)
		if (rig.p.zygotes[i].pid == zygote)
			return rig.p.zygotes[i].home;
	fail_msg("priv does not know it");
	return "";
}

static bool comes(int fd)
{
	struct pollfd at = { .fd = fd, .events = POLLIN };

	return poll(&at, 1, 1000) > 0;
}

/* What a lie said is on record, its end is kept for a later front: this one. */
static void take_ends(void)
{
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	uint32_t left = 1;
	struct ipc_msg m;

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/zygotes/%s", rig.state, home());
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return; /* it kept nothing and is gone */
	while (left > 0 && comes(fd) && ipc_recv(fd, IPC_FRONT, IPC_ZYGOTE, &m) > 0) {
		const struct msg_zyg_forget f = { .seq = m.body.zyg_exited.seq };

		if (m.type == IPC_zyg_ready)
			left = m.body.zyg_ready.n_kept;
		if (m.type == IPC_zyg_exited && ipc_send(fd, IPC_zyg_forget, &f, NULL, 0) == 0)
			left--;
		ipc_msg_done(&m);
	}
}

/* It left by itself: no signal, no fence that it ran into. */
static void has_left(void)
{
	int status = 0;

	fd_clear(&channel);
	do /* a front that leaves at once may not have been heard: it comes again */
		take_ends();
	while (waitpid(zygote, &status, WNOHANG) == 0);
	priv_reaped(&rig.p, zygote);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the zygote ended with wait status %#x", (unsigned)status);
	ended++;
}

/* One more instance, from beginning to end; false when nobody is there. */
static bool works(void)
{
	const char *args[] = { "guest", "hello", NULL };
	struct rig_start s = { .policy = policy, .args = args, .seq = ++seq };
	struct rig_instance i;
	bool ok = rig_start(channel, &s, &i);

	do
		ok = ok && rig_wait(channel, &i, NULL, 0);
	while (ok && i.end.seq != seq);
	if (ok)
		assert_int_equal(i.end.wait_status, 0);
	rig_forget(&i);
	return ok;
}

/* ---- lies ----------------------------------------------------------------- */

/* Past ipc_send and its table. */
static void send_raw(uint32_t type, const void *body, size_t len, unsigned n_fds, int fd)
{
	char room[CMSG_SPACE(sizeof(int) * FDS_MOST)] __attribute__((aligned(8))) = { 0 };
	struct iovec iov[2] = { { &type, sizeof(type) }, { (void *)(uintptr_t)body, len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	struct cmsghdr *c = (void *)room;

	if (n_fds > 0) {
		mh.msg_control = room;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (unsigned i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(channel, &mh, MSG_NOSIGNAL), (ssize_t)(sizeof(type) + len));
}

static void lie(uint32_t type, const void *body, size_t len, unsigned n_fds, int fd)
{
	be_born();
	send_raw(type, body, len, n_fds, fd);
	if (works())
		served++;
	else
		has_left();
}

static size_t len_of(uint32_t type)
{
	switch (type) {
#define MSG(name, num, from, to, fds, why) \
	case num:                          \
		return sizeof(struct msg_##name);
		WASMD_MSGS(MSG)
#undef MSG
	default:
		return 64;
	}
}

/* Zeros and ones, one byte less, as long as is right, one more, none. */
static void test_types_and_lengths(void **state)
{
	static uint8_t body[2][sizeof(union ipc_body) + 64];

	(void)state;
	memset(body[1], 0xff, sizeof(body[1]));
	for (uint32_t type = 0; type < 34; type++) {
		size_t lens[] = { len_of(type), len_of(type) - 1, len_of(type) + 1, 0 };

		for (size_t i = 0; i < ARRAY_LEN(lens); i++)
			lie(type, body[i % 2], lens[i], 0, -1);
		lie(type, body[1], len_of(type), 0, -1);
	}
	lie(UINT32_MAX, body[0], sizeof(body[0]), 0, -1);
	print_message("%u left the zygote at work, %u ended it\n", served, ended);
	assert_true(served > 0 && ended > 100);
}

static void test_descriptors(void **state)
{
	static const unsigned counts[] = {
		0, 1, 3, 4, 5, IPC_MAX_FDS - 1, IPC_MAX_FDS, IPC_MAX_FDS + 1, FDS_MOST
	};
	int pair[2], fds[4];

	(void)state;
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	fds[0] = null;
	fds[1] = pair[0];
	fds[2] = rig.peer;
	fds[3] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		for (size_t k = 0; k < ARRAY_LEN(fds); k++) {
			struct msg_zyg_start m = { .seq = ++seq };
			struct msg_zyg_kill kill = { .seq = seq, .how = (uint32_t)k };

			m.n_mounts = (uint8_t)(counts[i] > 4 ? counts[i] - 4 : 0);
			lie(IPC_zyg_start, &m, sizeof(m), counts[i], fds[k]);
			m.stream[0] = STREAM_FD;
			m.flags = i;
			lie(IPC_zyg_start, &m, sizeof(m), counts[i], fds[k]);
			lie(IPC_zyg_kill, &kill, sizeof(kill), counts[i], fds[k]);
		}
	}
	(void)close(fds[3]);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* Orders about instances that there are not, or no more. */
static void test_orders(void **state)
{
	(void)state;
	for (uint32_t how = 0; how < 8; how++) {
		struct msg_zyg_kill kill = { .seq = seq - how, .how = how, .cause = UINT32_MAX };

		lie(IPC_zyg_kill, &kill, sizeof(kill), 0, -1);
		kill = (struct msg_zyg_kill){ .seq = UINT64_MAX, .how = UINT32_MAX - how };
		lie(IPC_zyg_kill, &kill, sizeof(kill), 0, -1);
	}
}

static int setup(void **state)
{
	int exe = open(zygote_path, O_PATH | O_CLOEXEC);

	(void)state;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return exe >= 0 && load_guest(guest_path) && rig_open(&rig, exe) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fd_clear(&channel);
	rig_close(&rig);
	free(module);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types_and_lengths),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_orders),
	};

	if (argc < 3)
		return 2;
	zygote_path = argv[1];
	guest_path = argv[2];
	return cmocka_run_group_tests(tests, setup, teardown);
}
