/*
 * Pipes, polls and sockets, and how waiting ends.
 */
#include "calls.h"

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

/* One descriptor a thousand times, events written over the subscriptions. */
static void polls_may_overlap(void **state)
{
	struct ctx *t = *state;

	for (unsigned i = 0; i < LIM_SUBSCRIPTIONS; i++)
		put_sub_fd(t, i, i % 2 ? EVENT_READ : EVENT_WRITE, i % 2 ? 0 : 1);
	for (unsigned shift = 0; shift < 100; shift += 7) {
		uint64_t e = W(t, "poll_oneoff", A_BUF, A_BUF + shift, LIM_SUBSCRIPTIONS, A_RET);

		assert_true(e < WE_COUNT);
		if (e == WE_OK)
			assert_in_range(get32(t, A_RET), 1, LIM_SUBSCRIPTIONS);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pipes_carry_bytes), T(blocked_calls_stop),  T(polls_tell_what_is_ready),
		T(polls_may_overlap), T(sockets_carry_bytes), T(listeners_accept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
