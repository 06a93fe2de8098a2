/*
 * Paths: what they lead to is judged and used, and nothing else.
 */
#include "calls.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_resolved_path_is_judged),
		T(a_link_does_not_carry_past_a_rule),
		T(read_only_holds),
		T(names_can_be_changed),
		T(pipes_are_not_opened),
		T(what_was_exchanged_is_not_used),
		T(long_paths_end),
		T(deep_paths_end),
		T(a_long_walk_costs_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
