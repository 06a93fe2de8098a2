/*
 * Limits, and numbers that a guest should not have passed.
 */
#include "calls.h"

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
	assert_int_equal(open_at(t, 3, "a.txt", 0, R_FD_READ), WE_MFILE);
	assert_int_equal(W(t, "fd_close", 5), WE_OK);
	assert_int_equal(open_at(t, 3, "a.txt", 0, R_FD_READ), WE_OK);
}

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
	assert_int_equal(W(t, "proc_raise", 18), WE_NOTSUP);
	assert_int_equal(W(t, "proc_raise", 13), WE_OK);
	assert_int_equal(t->trap, VM_TRAP_NONE);
	(void)W(t, "proc_raise", 6);
	assert_int_equal(t->trap, VM_TRAP_EXIT);
	assert_int_equal(wasi_exit_status(t->w), 134);
	(void)W(t, "proc_exit", 42);
	assert_int_equal(t->trap, VM_TRAP_EXIT);
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
		const char *name = table[(unsigned)rand_r(&seed) % N_CALLS].name;
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
	const struct CMUnitTest tests[] = {
		T(output_ends_at_its_limit),
		T(the_disk_ends_at_its_limit),
		T(host_calls_end_at_their_limit),
		T(work_of_the_host_costs_fuel),
		T(descriptors_end_at_their_limit),
		T(arguments_and_clocks),
		T(bad_memory_is_a_fault),
		T(any_arguments_will_do),
#ifdef WASMD_FAULTS
		T(memory_may_be_short),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
