/*
 * The message table refuses everything that is not on it: type, length,
 * direction, number of descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/ipc.h"
#include "daemon/task.h"

static size_t body_len(uint32_t type)
{
	switch (type) {
#define MSG(name, num, from, to, fds, why) \
	case num:                          \
		return sizeof(struct msg_##name);
		WASMD_MSGS(MSG)
#undef MSG
	default:
		return 0;
	}
}

/* Sends @len bytes of type @type and zeros, with @n_fds copies of standard input. */
static void send_raw(int fd, uint32_t type, size_t len, size_t n_fds)
{
	static char zeros[sizeof(union ipc_body) + 64];
	struct iovec iov[2] = { { &type, len < 4 ? len : 4 }, { zeros, len < 4 ? 0 : len - 4 } };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 64)];
	} ctl = { 0 };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };

	if (n_fds > 0) {
		mh.msg_control = ctl.room;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memset(CMSG_DATA(c), 0, sizeof(int) * n_fds);
	}
	assert_true(sendmsg(fd, &mh, 0) >= 0);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 512; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* What the receiver says to this; nothing may be left open. */
static int verdict(uint32_t type, size_t len, size_t n_fds, enum ipc_end me, enum ipc_end peer)
{
	int pair[2], before, r;
	struct ipc_msg m;

	assert_int_equal(ipc_pair(pair, true), 0);
	before = open_fds();
	send_raw(pair[0], type, len, n_fds);
	r = ipc_recv(pair[1], me, peer, &m);
	ipc_msg_done(&m);
	assert_int_equal(open_fds(), before);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return r;
}

static void test_table(void **state)
{
	(void)state;
#define MSG(name, num, from, to, fds, why)                                                     \
	do {                                                                                   \
		size_t len = 4 + sizeof(struct msg_##name);                                    \
		assert_int_equal(verdict(num, len, fds, IPC_##to, IPC_##from), 1);             \
		assert_int_equal(verdict(num, len - 1, 0, IPC_##to, IPC_##from), -EPROTO);     \
		assert_int_equal(verdict(num, len + 1, 0, IPC_##to, IPC_##from), -EPROTO);     \
		assert_int_equal(verdict(num, 4, 0, IPC_##to, IPC_##from), -EPROTO);           \
		assert_int_equal(verdict(num, len, 0, IPC_##from, IPC_##to), -EPROTO);         \
		assert_int_equal(verdict(num, len, (fds) + 1, IPC_##to, IPC_##from), -EPROTO); \
	} while (0);
	WASMD_MSGS(MSG)
#undef MSG
}

static void test_unknown_types(void **state)
{
	(void)state;
	for (uint32_t t = 0; t < 64; t++)
		if (body_len(t) == 0)
			assert_int_equal(verdict(t, 12, 0, IPC_FRONT, IPC_PRIV), -EPROTO);
	assert_int_equal(verdict(0xffffffffu, 12, 1, IPC_FRONT, IPC_PRIV), -EPROTO);
	for (size_t len = 1; len < 4; len++)
		assert_int_equal(verdict(IPC_priv_ok, len, 1, IPC_FRONT, IPC_PRIV), -EPROTO);
}

static void test_too_long(void **state)
{
	(void)state;
	assert_int_equal(
		verdict(IPC_priv_mount, 4 + sizeof(union ipc_body) + 32, 1, IPC_PRIV, IPC_FRONT),
		-EPROTO);
	assert_int_equal(
		verdict(IPC_zyg_start, 4 + sizeof(struct msg_zyg_start), 60, IPC_ZYGOTE, IPC_FRONT),
		-EPROTO);
}

static void test_end_and_nothing(void **state)
{
	int pair[2];
	struct ipc_msg m;

	(void)state;
	assert_int_equal(ipc_pair(pair, true), 0);
	assert_int_equal(ipc_recv(pair[1], IPC_FRONT, IPC_PRIV, &m), 0);
	(void)close(pair[0]);
	assert_int_equal(ipc_recv(pair[1], IPC_FRONT, IPC_PRIV, &m), -EPIPE);
	(void)close(pair[1]);
}

static void test_send_refuses(void **state)
{
	struct msg_zyg_kill kill = { 0 };
	int pair[2], fd = 0;

	(void)state;
	assert_int_equal(ipc_pair(pair, true), 0);
	assert_int_equal(ipc_send(pair[0], (enum ipc_type)99, &kill, NULL, 0), -EINVAL);
	assert_int_equal(ipc_send(pair[0], IPC_zyg_kill, &kill, &fd, 1), -EINVAL);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void test_strings(void **state)
{
	(void)state;
	assert_true(ipc_str_ok("abc", 4));
	assert_false(ipc_str_ok("abcd", 4));
}

/* ---- tasks -------------------------------------------------------------- */

static void test_task(void **state)
{
	const char *args[] = { "prog", "", "two words", NULL }, *env[] = { "A=1", NULL };
	struct err e = { 0 };
	struct task t;
	int fd;

	(void)state;
	assert_int_equal(task_write(args, env, &fd, &e), 0);
	assert_int_equal(task_read(fd, &t, &e), 0);
	assert_string_equal(t.args[0], "prog");
	assert_string_equal(t.args[1], "");
	assert_string_equal(t.args[2], "two words");
	assert_null(t.args[3]);
	assert_string_equal(t.env[0], "A=1");
	assert_null(t.env[1]);
	assert_true(write(fd, "x", 1) < 0);
	task_done(&t);
	(void)close(fd);
}

static void test_task_hostile(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "", 0 },
		{ "\1\0\0\0\1\0\0\0\0\0\0", 11 },
		{ "\2\0\0\0\0\0\0\0\0\0\0\0", 12 },
		{ "\1\0\0\0\1\0\0\0\0\0\0\0", 12 },
		{ "\1\0\0\0\1\0\0\0\0\0\0\0abc", 15 },
		{ "\1\0\0\0\377\377\377\377\0\0\0\0", 12 },
		{ "\1\0\0\0\0\0\0\0\1\0\0\0ab\0more", 19 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };
		struct task t;
		int fd;

		assert_int_equal(sealed_memfd("t", bad[i].bytes, bad[i].len, &fd), 0);
		assert_int_equal(task_read(fd, &t, &e), ERR_PEER);
		(void)close(fd);
	}
}

static void test_task_limits(void **state)
{
	static const char *many[LIM_TASK_STRINGS + 2];
	struct err e = { 0 };
	int fd;

	(void)state;
	for (size_t i = 0; i <= LIM_TASK_STRINGS; i++)
		many[i] = "a";
	assert_int_equal(task_write(many, NULL, &fd, &e), ERR_LIMIT);
	many[LIM_TASK_STRINGS] = NULL;
	memset(&e, 0, sizeof(e));
	assert_int_equal(task_write(many, NULL, &fd, &e), 0);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	     cmocka_unit_test(test_unknown_types),
		cmocka_unit_test(test_too_long),     cmocka_unit_test(test_end_and_nothing),
		cmocka_unit_test(test_send_refuses), cmocka_unit_test(test_strings),
		cmocka_unit_test(test_task),	     cmocka_unit_test(test_task_hostile),
		cmocka_unit_test(test_task_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
