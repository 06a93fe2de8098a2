/*
 * Files and directories: reading, writing, listing; what grants are called.
 */
#include "calls.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(read_write_works),
		T(listings_agree_whatever_the_buffer),
		T(grants_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
