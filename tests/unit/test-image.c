/*
 * A memory moved to an image is the same memory, has no page of its own, and is
 * private to each child of a fork.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "wasmd/fault.h"
#include "wasmd/vm.h"

#define DATA (32u << 20)
#define ROOM (DATA + 4096u)

static uint8_t *module;
static size_t len;
static struct vm_store *store;
static struct vm_instance *in;

static void put(const void *p, size_t n)
{
	memcpy(module + len, p, n);
	len += n;
}

static void put_leb(uint32_t n)
{
	for (; n > 127; n >>= 7)
		module[len++] = (uint8_t)(n | 128);
	module[len++] = (uint8_t)n;
}

/* 1,024 pages; DATA bytes of 'w' at 4096, then "over" over the first of them;
 * grow(n), which grows the memory. */
static void write_module(void)
{
	static const char head[] = "\0asm\1\0\0\0"
				   "\1\6\1\x60\1\x7f\1\x7f"
				   "\3\2\1\0"
				   "\5\4\1\0\x80\x08"
				   "\7\x0e\2\6memory\2\0\1g\0\0"
				   "\x0a\x08\1\6\0\x20\0\x40\0\x0b";
	static const char first[] = "\0\x41\x80\x20\x0b", second[] = "\0\x41\x80\x20\x0b\4over";

	/* shared: a fork copies no page tables of it either */
	module = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(module != MAP_FAILED);
	put(head, sizeof(head) - 1);
	put("\x0b", 1);
	put_leb(1 + 5 + 4 + DATA + sizeof(second) - 1);
	put("\2", 1);
	put(first, sizeof(first) - 1);
	put_leb(DATA);
	memset(module + len, 'w', DATA);
	len += DATA;
	put(second, sizeof(second) - 1);
}

static int resolve(void *arg, const struct vm_import *imp, struct vm_extern *ret, struct err *e)
{
	(void)arg;
	return err_set(e, ERR_UNLINKABLE, "nothing is imported");
}

static int setup(void **state)
{
	struct vm_trap_info trap;
	struct vm_valid_module *v;
	struct vm_module *m;
	struct vm_code *code;
	struct err e = { 0 };

	(void)state;
	write_module();
	if (vm_module_decode(module, len, &m, &e) < 0 || vm_module_validate(m, &v, &e) < 0 ||
	    vm_module_compile(v, &code, &e) < 0 || vm_store_new(NULL, &store, &e) < 0 ||
	    vm_instance_new(store, code, resolve, NULL, &in, &trap, &e) < 0) {
		print_error("%s\n", e.msg);
		return -1;
	}
	(void)vm_code_unref(code);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store = vm_store_free(store);
	(void)munmap(module, ROOM);
	return 0;
}

static uint8_t *bytes(uint64_t *size)
{
	struct vm_extern x;

	assert_true(vm_instance_export(in, "memory", 6, &x));
	return vm_memory_data(x.memory, size);
}

/* KiB of the memory's pages that are this process's alone: what a fork has to
 * share page by page, and what each child copies. */
static unsigned long own_kib(void)
{
	uint64_t size;
	uintptr_t from, to, at = (uintptr_t)bytes(&size);
	unsigned long kib, sum = 0;
	char line[512];
	bool inside = false;
	FILE *f = fopen("/proc/self/smaps", "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
			inside = from < at + size && to > at;
		else if (inside && sscanf(line, "Anonymous: %lu kB", &kib) == 1)
			sum += kib;
	}
	(void)fclose(f);
	return sum;
}

static void check(void)
{
	uint64_t size;
	const uint8_t *p = bytes(&size);

	assert_int_equal(size, 1024u * 65536u);
	assert_true(p[0] == 0 && p[4095] == 0);
	assert_memory_equal(p + 4096, "overw", 5);
	assert_true(p[4096 + DATA - 1] == 'w' && p[4096 + DATA] == 0 && p[size - 1] == 0);
}

static void test_least(void **state)
{
	struct err e = { 0 };

	(void)state;
	check();
	assert_int_equal(vm_instance_image(in, DATA + 100, &e), 0); /* too little data: as it was */
	check();
}

static void test_image(void **state)
{
	unsigned long before = own_kib();
	struct err e = { 0 };

	(void)state;
	assert_in_range(before, DATA >> 10, (DATA >> 10) + 1024);
	assert_int_equal(vm_instance_image(in, DATA, &e), 0);
	assert_int_equal(own_kib(), 0);
	check(); /* reading copies nothing */
	assert_int_equal(own_kib(), 0);
}

static void test_private(void **state)
{
	uint64_t size;
	uint8_t *p = bytes(&size);
	int status = -1;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		memset(p + 4096, 'x', 65536);
		_exit(p[4096] != 'x');
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	check();
}

static void test_grow(void **state)
{
	struct vm_trap_info trap;
	union vm_value v = { .i32 = 3 };
	struct vm_extern x;
	uint64_t size;
	uint8_t *p;

	(void)state;
	assert_true(vm_instance_export(in, "g", 1, &x));
	assert_int_equal(vm_call(store, x.func, &v, &trap), VM_TRAP_NONE);
	assert_int_equal(v.i32, 1024);
	p = bytes(&size);
	assert_int_equal(size, 1027u * 65536u);
	assert_memory_equal(p + 4096, "overw", 5);
	assert_int_equal(p[size - 1], 0);
	p[size - 1] = 1;
	p[1024u * 65536u - 1] = 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_grow),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
