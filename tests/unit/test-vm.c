/*
 * The engine at run time: traps with their place, fuel, stop requests, limits,
 * fork, failing allocations. What instructions compute is the specification's
 * suite's to say (tests/spec).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wasmd/fault.h"
#include "wasmd/limits.h"
#include "wasmd/vm.h"

#include "wasm-build.h"

#define MS 1000000LL

static struct {
	uint8_t p[1 << 16];
	size_t len;
} guest;

/* A store with an instance of tests/unit/vm.wat. */
struct rig {
	struct vm_code *code;
	struct vm_store *s;
	struct vm_instance *in;
	enum vm_trap host_trap;
	uint64_t host_fuel;
};

static enum vm_trap host_double(void *arg, struct vm_caller *c, union vm_value *v)
{
	const struct rig *r = arg;

	if (r->host_trap != VM_TRAP_NONE)
		return r->host_trap;
	/* a narrow result leaves rubbish in the upper half */
	v[0].bits = 0xdeadbeef00000000u | (uint32_t)(v[0].i32 * 2);
	return vm_caller_charge(c, r->host_fuel);
}

static int resolve(void *arg, const struct vm_import *imp, struct vm_extern *ret, struct err *e)
{
	static const uint8_t i32 = VM_I32;
	struct vm_func_type t = { &i32, &i32, 1, 1 };
	struct rig *r = arg;

	ret->kind = VM_FUNC;
	return vm_func_new(r->s, &t, host_double, r, &ret->func, e);
}

static int code_make(struct vm_code **ret, struct err *e)
{
	struct vm_valid_module *valid;
	struct vm_module *m;

	if (vm_module_decode(guest.p, guest.len, &m, e) != 0 ||
	    vm_module_validate(m, &valid, e) != 0)
		return e->code;
	return vm_module_compile(valid, ret, e);
}

static int rig_make(struct rig *r, const struct vm_store_limits *lim, struct err *e)
{
	struct vm_trap_info trap;

	*r = (struct rig){ 0 };
	if (code_make(&r->code, e) != 0 || vm_store_new(lim, &r->s, e) != 0)
		return e->code;
	return vm_instance_new(r->s, r->code, resolve, r, &r->in, &trap, e);
}

static void rig_done(struct rig *r)
{
	r->s = vm_store_free(r->s);
	r->code = vm_code_unref(r->code);
}

static void rig_new(struct rig *r, const struct vm_store_limits *lim)
{
	struct err e = { 0 };

	if (rig_make(r, lim, &e) != 0)
		fail_msg("%s", e.msg);
}

static enum vm_trap call(struct rig *r, const char *name, union vm_value *v,
			 struct vm_trap_info *info)
{
	struct vm_extern x;

	assert_true(vm_instance_export(r->in, name, strlen(name), &x));
	assert_int_equal(x.kind, VM_FUNC);
	return vm_call(r->s, x.func, v, info);
}

static uint32_t call_i32(struct rig *r, const char *name, uint32_t a, uint32_t b)
{
	union vm_value v[2] = { { .i32 = a }, { .i32 = b } };
	struct vm_trap_info info;

	assert_int_equal(call(r, name, v, &info), VM_TRAP_NONE);
	return v[0].i32;
}

static enum vm_trap trap_of(struct rig *r, const char *name, uint32_t a, struct vm_trap_info *info)
{
	union vm_value v[2] = { { .i32 = a } };

	return call(r, name, v, info);
}

/* ---- values -------------------------------------------------------------- */

static void locals_on_the_stack_keep_their_value(void **state)
{
	struct rig r;

	rig_new(&r, NULL);
	assert_int_equal(call_i32(&r, "kept", 0, 0), 105);
	assert_int_equal(call_i32(&r, "kept", 7, 0), 114);
	rig_done(&r);
}

static void several_results_come_in_order(void **state)
{
	union vm_value v[2] = { { .i32 = 1 }, { .i32 = 2 } };
	struct rig r;
	struct vm_trap_info info;

	rig_new(&r, NULL);
	assert_int_equal(call(&r, "swap", v, &info), VM_TRAP_NONE);
	assert_int_equal(v[0].i32, 2);
	assert_int_equal(v[1].i32, 1);
	rig_done(&r);
}

static void branches_of_a_table_carry_values(void **state)
{
	struct rig r;

	rig_new(&r, NULL);
	assert_int_equal(call_i32(&r, "table", 0, 0), 1000);
	assert_int_equal(call_i32(&r, "table", 1, 0), 10);
	assert_int_equal(call_i32(&r, "table", 2, 0), 1020);
	assert_int_equal(call_i32(&r, "table", 99, 0), 1990);
	rig_done(&r);
}

static void float_constants_are_kept_in_the_frame(void **state)
{
	union vm_value v = { .f64 = 2.0 };
	struct rig r;
	struct vm_trap_info info;

	rig_new(&r, NULL);
	assert_int_equal(call(&r, "consts", &v, &info), VM_TRAP_NONE);
	assert_true(v.f64 == 3.25);
	rig_done(&r);
}

/* ---- traps --------------------------------------------------------------- */

static void trap_tells_place_and_callers(void **state)
{
	struct rig r;
	struct vm_trap_info info;
	char text[160];

	rig_new(&r, NULL);
	assert_int_equal(trap_of(&r, "outer", 0, &info), VM_TRAP_DIV_ZERO);
	assert_int_equal(info.n_frames, 3);
	assert_int_equal(info.depth, 3);
	assert_int_equal(info.frames[0].func, 1);
	assert_int_equal(info.frames[1].func, 2);
	assert_int_equal(info.frames[2].func, 3);
	assert_memory_equal(info.frames[0].name, "leaf", 4);
	assert_memory_equal(info.frames[1].name, "middle", 6);
	assert_int_equal(guest.p[info.frames[0].offset], 0x6d);
	assert_int_equal(guest.p[info.frames[1].offset], 0x10);
	assert_int_equal(guest.p[info.frames[2].offset], 0x10);
	vm_trap_format(&info, text, sizeof(text));
	assert_non_null(strstr(text, "integer divide by zero at offset 0x"));
	assert_non_null(strstr(text, " in func 1 <leaf>"));
	rig_done(&r);
}

static void every_trap_tells_its_instruction(void **state)
{
	static const struct {
		const char *name;
		uint32_t arg;
		enum vm_trap trap;
		uint8_t opcode;
	} cases[] = {
		{ "leaf", 1, VM_TRAP_DIV_ZERO, 0x6d },
		{ "peek", 65533, VM_TRAP_MEMORY_BOUNDS, 0x28 },
		{ "poke", UINT32_MAX, VM_TRAP_MEMORY_BOUNDS, 0x36 },
		{ "far", UINT32_MAX, VM_TRAP_MEMORY_BOUNDS, 0x29 },
		{ "indirect", 1, VM_TRAP_NULL_ELEM, 0x11 },
		{ "indirect", 4, VM_TRAP_UNDEFINED_ELEM, 0x11 },
		{ "wrong_type", 0, VM_TRAP_INDIRECT_TYPE, 0x11 },
		{ "unreachable", 0, VM_TRAP_UNREACHABLE, 0x00 },
	};
	struct rig r;
	struct vm_trap_info info;

	rig_new(&r, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(trap_of(&r, cases[i].name, cases[i].arg, &info), cases[i].trap);
		assert_int_equal(info.trap, cases[i].trap);
		assert_int_equal(guest.p[info.frames[0].offset], cases[i].opcode);
	}
	assert_int_equal(call_i32(&r, "indirect", 0, 0), 3);
	rig_done(&r);
}

static void host_may_end_the_guest(void **state)
{
	struct rig r;
	struct vm_trap_info info;

	rig_new(&r, NULL);
	assert_int_equal(call_i32(&r, "host", 20, 0), 41);
	r.host_trap = VM_TRAP_EXIT;
	assert_int_equal(trap_of(&r, "host", 1, &info), VM_TRAP_EXIT);
	assert_int_equal(info.n_frames, 1);
	assert_int_equal(guest.p[info.frames[0].offset], 0x10);
	rig_done(&r);
}

static void recursion_ends_at_the_limit(void **state)
{
	struct vm_store_limits lim = { .call_depth = 1000 };
	struct rig r;
	struct vm_trap_info info;

	rig_new(&r, &lim);
	assert_int_equal(trap_of(&r, "recurse", 0, &info), VM_TRAP_STACK_OVERFLOW);
	assert_int_equal(info.n_frames, LIM_BACKTRACE);
	assert_in_range(info.depth, 999, 1001);
	rig_done(&r);
	lim = (struct vm_store_limits){ .stack = 4096 };
	rig_new(&r, &lim);
	assert_int_equal(trap_of(&r, "recurse", 0, &info), VM_TRAP_STACK_OVERFLOW);
	assert_in_range(info.depth, 50, 512);
	assert_int_equal(call_i32(&r, "leaf", 6, 3), 2);
	rig_done(&r);
}

/* ---- limits -------------------------------------------------------------- */

static void memory_grows_to_the_limit(void **state)
{
	struct vm_store_limits lim = { .memory = 10 * 65536 };
	struct rig r;
	struct vm_trap_info info;
	struct err e = { 0 };

	rig_new(&r, &lim);
	assert_int_equal(call_i32(&r, "grow", 8, 0), 1);
	assert_int_equal(call_i32(&r, "grow", 2, 0), UINT32_MAX);
	assert_int_equal(call_i32(&r, "grow", 1, 0), 9);
	assert_int_equal(call_i32(&r, "grow", 1, 0), UINT32_MAX);
	assert_int_equal(call_i32(&r, "size", 0, 0), 10);
	(void)call_i32(&r, "poke", 10 * 65536 - 4, 77);
	assert_int_equal(call_i32(&r, "peek", 10 * 65536 - 4, 0), 77);
	assert_int_equal(trap_of(&r, "peek", 10 * 65536 - 3, &info), VM_TRAP_MEMORY_BOUNDS);
	assert_int_equal(vm_store_memory_peak(r.s), 10 * 65536);

	lim.memory = 9 * 65536;
	assert_int_equal(vm_store_set_limits(r.s, &lim, &e), ERR_LIMIT);
	lim.memory = 11 * 65536;
	e = (struct err){ 0 };
	assert_int_equal(vm_store_set_limits(r.s, &lim, &e), 0);
	assert_int_equal(call_i32(&r, "grow", 1, 0), 10);
	assert_int_equal(call_i32(&r, "grow", 1, 0), UINT32_MAX);
	rig_done(&r);
}

static void too_large_for_the_store_is_refused(void **state)
{
	struct vm_store_limits lim = { .memory = 100 };
	struct err e = { 0 };
	struct rig r;

	assert_int_equal(rig_make(&r, &lim, &e), ERR_LIMIT);
	assert_non_null(strstr(e.msg, "memory of 1 pages"));
	rig_done(&r);
}

/* A function "f" with one @body, valid; type 1 is a thousand i32 -> as many. */
static void guest_of_body(struct wb *w, struct wb *body)
{
	struct wb types = { 0 }, code = { 0 };

	wb_bytes(w, "\0asm\1\0\0\0", 8);
	wb_bytes(&types, "\2\x60\0\0\x60", 5);
	for (int i = 0; i < 2; i++) {
		wb_u32(&types, 1000);
		for (int k = 0; k < 1000; k++)
			wb_u8(&types, VM_I32);
	}
	wb_section(w, 1, &types);
	wb_bytes(w, "\3\2\1\0\7\5\1\1f\0\0", 11);
	wb_u8(&code, 1);
	wb_part(&code, body);
	wb_section(w, 10, &code);
}

static void repeat(struct wb *w, const char *p, size_t n, uint32_t times)
{
	for (; times > 0; times--)
		wb_bytes(w, p, n);
}

/* It is not the stack, nor a limit of the host, that such a call runs into. */
static void is_too_large(struct wb *body)
{
	struct vm_valid_module *valid = NULL;
	struct vm_module *m = NULL;
	struct vm_trap_info info;
	struct wb w = { 0 };
	struct err e = { 0 };
	struct rig r = { 0 };

	guest_of_body(&w, body);
	assert_int_equal(vm_module_decode(w.p, w.len, &m, &e), 0);
	assert_int_equal(vm_module_validate(m, &valid, &e), 0);
	assert_int_equal(vm_module_compile(valid, &r.code, &e), 0);
	assert_int_equal(vm_store_new(NULL, &r.s, &e), 0);
	assert_int_equal(vm_instance_new(r.s, r.code, resolve, &r, &r.in, &info, &e), 0);
	assert_int_equal(trap_of(&r, "f", 0, &info), VM_TRAP_TOO_LARGE);
	assert_int_equal(vm_code_compile_all(r.code, &e), ERR_LIMIT);
	rig_done(&r);
	wb_done(&w);
}

static void too_many_operands_are_too_large(void **state)
{
	struct wb body = { 0 };

	wb_u8(&body, 0);
	repeat(&body, "\x41\0", 2, 70000);
	repeat(&body, "\x1a", 1, 70000);
	wb_u8(&body, 0x0b);
	is_too_large(&body);
}

/* Blocks of three bytes that pass a thousand values in and out. */
static void too_wide_blocks_are_too_large(void **state)
{
	struct wb body = { 0 };

	wb_u8(&body, 0);
	repeat(&body, "\x41\0", 2, 1000);
	repeat(&body, "\2\1\x0b", 3, 100000);
	repeat(&body, "\x1a", 1, 1000);
	wb_u8(&body, 0x0b);
	is_too_large(&body);
}

static void wrong_import_is_named(void **state)
{
	struct vm_trap_info trap;
	struct err e = { 0 };
	struct rig r;

	rig_new(&r, NULL);
	assert_int_equal(vm_instance_new(r.s, r.code, NULL, NULL, &r.in, &trap, &e),
			 ERR_UNLINKABLE);
	assert_string_equal(e.msg, "import \"env\" \"host\" (function): unknown import");
	rig_done(&r);
}

/* ---- fuel ---------------------------------------------------------------- */

/* Two instructions before the loop, thirteen in it, four to find its end,
 * four behind: the same under every compiler. */
static uint64_t count_fuel(uint32_t n)
{
	return 2 + 13ull * n + 4 + 4;
}

static void fuel_is_exact(void **state)
{
	static const uint32_t turns[] = { 0, 1, 7, 1000, 100000 };
	struct rig r;
	struct vm_trap_info info;
	struct err e = { 0 };

	rig_new(&r, NULL);
	assert_int_equal(vm_code_compile_all(r.code, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
		uint64_t need = count_fuel(turns[i]);

		vm_store_set_fuel(r.s, need + 5);
		(void)call_i32(&r, "count", turns[i], 0);
		assert_int_equal(vm_store_fuel(r.s), 5);
		vm_store_set_fuel(r.s, need);
		(void)call_i32(&r, "count", turns[i], 0);
		assert_int_equal(vm_store_fuel(r.s), 0);
		vm_store_set_fuel(r.s, need - 1);
		assert_int_equal(trap_of(&r, "count", turns[i], &info), VM_TRAP_FUEL);
		assert_int_equal(vm_store_fuel(r.s), 0);
	}
	vm_store_set_fuel(r.s, UINT64_MAX);
	(void)call_i32(&r, "count", 100000, 0);
	assert_true(vm_store_fuel(r.s) == UINT64_MAX);
	rig_done(&r);
}

static void loops_use_up_their_fuel(void **state)
{
	static const char *const endless[] = { "spin", "spin_call", "fill", "recurse" };
	struct rig r;
	struct vm_trap_info info;

	rig_new(&r, NULL);
	for (size_t i = 0; i < ARRAY_LEN(endless); i++) {
		vm_store_set_fuel(r.s, 5000);
		assert_int_equal(trap_of(&r, endless[i], 64, &info), VM_TRAP_FUEL);
		assert_int_not_equal(info.n_frames, 0);
	}
	rig_done(&r);
}

static void work_of_the_host_is_charged(void **state)
{
	struct rig r;
	struct vm_trap_info info;
	struct err e = { 0 };
	uint64_t plain;

	rig_new(&r, NULL);
	assert_int_equal(vm_code_compile_all(r.code, &e), 0);
	vm_store_set_fuel(r.s, 1000);
	(void)call_i32(&r, "host", 1, 0);
	plain = 1000 - vm_store_fuel(r.s);
	r.host_fuel = 500;
	vm_store_set_fuel(r.s, 1000);
	(void)call_i32(&r, "host", 1, 0);
	assert_int_equal(1000 - vm_store_fuel(r.s), plain + 500);
	vm_store_set_fuel(r.s, 400);
	assert_int_equal(trap_of(&r, "host", 1, &info), VM_TRAP_FUEL);
	rig_done(&r);
}

/* ---- compiling at a first call --------------------------------------------- */

static uint64_t cost(struct rig *r, const char *name, uint32_t arg)
{
	vm_store_set_fuel(r->s, 1000000);
	(void)call_i32(r, name, arg, 0);
	return 1000000 - vm_store_fuel(r->s);
}

static void first_calls_are_charged(void **state)
{
	struct rig r, again;
	uint64_t first;

	rig_new(&r, NULL);
	rig_new(&again, NULL);
	first = cost(&r, "count", 7);
	assert_true(first > count_fuel(7));
	assert_int_equal(cost(&again, "count", 7), first);
	assert_int_equal(cost(&r, "count", 7), count_fuel(7));
	rig_done(&again);
	rig_done(&r);
}

static void nothing_is_compiled_on_credit(void **state)
{
	struct vm_trap_info info;
	struct rig r;
	uint64_t first;

	rig_new(&r, NULL);
	first = cost(&r, "count", 7);
	rig_done(&r);
	rig_new(&r, NULL);
	for (uint64_t fuel = 0; fuel < first - count_fuel(7); fuel++) {
		vm_store_set_fuel(r.s, fuel);
		assert_int_equal(trap_of(&r, "count", 7, &info), VM_TRAP_FUEL);
		assert_int_equal(vm_store_fuel(r.s), 0);
	}
	assert_int_equal(cost(&r, "count", 7), first);
	rig_done(&r);
}

/* An instance of guest_of_body(); @r's code is its own. */
static void rig_of_body(struct rig *r, struct wb *w, struct wb *body)
{
	struct vm_valid_module *valid = NULL;
	struct vm_module *m = NULL;
	struct vm_trap_info info;
	struct err e = { 0 };

	*r = (struct rig){ 0 };
	guest_of_body(w, body);
	assert_int_equal(vm_module_decode(w->p, w->len, &m, &e), 0);
	assert_int_equal(vm_module_validate(m, &valid, &e), 0);
	assert_int_equal(vm_module_compile(valid, &r->code, &e), 0);
	assert_int_equal(vm_store_new(NULL, &r->s, &e), 0);
	assert_int_equal(vm_instance_new(r->s, r->code, resolve, r, &r->in, &info, &e), 0);
}

/* Each block passes a thousand values, twice; @nops keep it below the bound. */
static void wide_body(struct wb *body, uint32_t blocks, uint32_t nops)
{
	wb_u8(body, 0);
	repeat(body, "\x41\0", 2, 1000);
	for (; blocks > 0; blocks--) {
		repeat(body, "\x02\1\x0b", 3, 1);
		repeat(body, "\1", 1, nops);
	}
	repeat(body, "\x1a", 1, 1000);
	wb_u8(body, 0x0b);
}

/* What small bytes make of themselves is charged as it is made: fuel for the
 * bytes alone is not enough. */
static void wide_bodies_are_charged_by_their_work(void **state)
{
	struct vm_trap_info info;
	struct wb body = { 0 }, w = { 0 };
	struct rig r;
	uint64_t fuel;

	wide_body(&body, 1000, 0);
	fuel = 100000 + 20 * body.len;
	rig_of_body(&r, &w, &body);
	vm_store_set_fuel(r.s, fuel);
	assert_int_equal(trap_of(&r, "f", 0, &info), VM_TRAP_FUEL);
	vm_store_set_fuel(r.s, fuel * 100);
	assert_int_equal(trap_of(&r, "f", 0, &info), VM_TRAP_NONE);
	assert_true(vm_store_fuel(r.s) < fuel * 99);
	rig_done(&r);
	wb_done(&w);
}

/* ---- stop requests ------------------------------------------------------- */

struct stopper {
	_Atomic uint32_t stop;
	clockid_t clock; /* the guest's thread's own: other load does not count */
	int64_t asked;
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void *stop_soon(void *arg)
{
	struct stopper *st = arg;
	struct timespec t = { 0, 50 * MS };

	(void)nanosleep(&t, NULL);
	atomic_store(&st->stop, 1);
	st->asked = clock_ns(st->clock); /* after: this thread may pause between the two */
	return NULL;
}

/* Nanoseconds of its own cpu time that the guest went on for after it was asked to stop. */
static int64_t stop_took(const char *name, uint32_t arg)
{
	struct stopper st = { 0 };
	struct rig r;
	struct vm_trap_info info;
	pthread_t other;
	int64_t took;

	rig_new(&r, NULL);
	vm_store_set_stop(r.s, &st.stop);
	assert_int_equal(pthread_getcpuclockid(pthread_self(), &st.clock), 0);
	assert_int_equal(pthread_create(&other, NULL, stop_soon, &st), 0);
	assert_int_equal(trap_of(&r, name, arg, &info), VM_TRAP_STOPPED);
	took = clock_ns(st.clock) - st.asked;
	assert_int_equal(pthread_join(other, NULL), 0);
	rig_done(&r);
	return took;
}

/* Whoever asks may lose the processor between the look at the clock and the asking: so the
 * best of some tries counts. */
static void stop_within_ten_ms(const char *name, uint32_t arg)
{
	int64_t took = INT64_MAX;

	for (int i = 0; i < 20 && took > 10 * MS; i++)
		took = stop_took(name, arg);
	if (took > 10 * MS)
		fail_msg("%s: stopped after %lld us", name, (long long)took / 1000);
}

/* Compiles and runs a body of some 50 ms, for nobody but @stop to end. */
static enum vm_trap compile_for(const _Atomic uint32_t *stop)
{
	struct wb body = { 0 }, w = { 0 };
	struct vm_trap_info info;
	struct rig r;
	enum vm_trap t;

	wide_body(&body, 10000, 80);
	rig_of_body(&r, &w, &body);
	vm_store_set_stop(r.s, stop);
	t = trap_of(&r, "f", 0, &info);
	rig_done(&r);
	wb_done(&w);
	return t;
}

/* The flag rises in the middle of one, sooner or later. */
static void stop_ends_a_compilation(void **state)
{
	struct stopper st = { 0 };
	enum vm_trap t = VM_TRAP_NONE;
	pthread_t other;

	assert_int_equal(pthread_getcpuclockid(pthread_self(), &st.clock), 0);
	assert_int_equal(pthread_create(&other, NULL, stop_soon, &st), 0);
	while (t == VM_TRAP_NONE)
		t = compile_for(&st.stop);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(t, VM_TRAP_STOPPED);
}

static void stop_ends_every_loop(void **state)
{
	stop_within_ten_ms("spin", 0);
	stop_within_ten_ms("spin_call", 0);
	stop_within_ten_ms("fill", 16);
	stop_within_ten_ms("fill", 256u << 20);
}

static void raised_flag_stops_at_once(void **state)
{
	_Atomic uint32_t stop = 1;
	struct rig r;
	struct vm_trap_info info;

	rig_new(&r, NULL);
	vm_store_set_stop(r.s, &stop);
	assert_int_equal(trap_of(&r, "count", 1000000, &info), VM_TRAP_STOPPED);
	atomic_store(&stop, 0);
	assert_int_equal(call_i32(&r, "leaf", 6, 3), 2);
	rig_done(&r);
}

/* ---- fork ---------------------------------------------------------------- */

/* The child compiles what the parent never ran, and keeps its own memory. */
static void store_lives_on_in_a_child(void **state)
{
	struct rig r;
	int status = 0;
	pid_t pid;

	rig_new(&r, NULL);
	(void)call_i32(&r, "poke", 100, 11);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		bool ok = call_i32(&r, "peek", 100, 0) == 11;

		(void)call_i32(&r, "poke", 100, 22);
		ok = ok && call_i32(&r, "grow", 3, 0) == 1;
		ok = ok && call_i32(&r, "leaf", 9, 3) == 3;
		ok = ok && call_i32(&r, "peek", 100, 0) == 22;
		_exit(ok ? 7 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	assert_int_equal(call_i32(&r, "peek", 100, 0), 11);
	assert_int_equal(call_i32(&r, "size", 0, 0), 1);
	rig_done(&r);
}

/* Where address space is short a smaller piece is reserved, and growth ends
 * there with -1. */
static void memory_makes_do_with_less_address_space(void **state)
{
#if !defined(WASMD_SANITIZED)
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit rl = { 512u << 20, 512u << 20 };
		struct rig r;

		(void)setrlimit(RLIMIT_AS, &rl);
		rig_new(&r, NULL);
		_exit(call_i32(&r, "grow", 100, 0) == 1 &&
				      call_i32(&r, "grow", 8000, 0) == UINT32_MAX &&
				      call_i32(&r, "size", 0, 0) == 101
			      ? 7
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
#endif
}

/* ---- what can go wrong inside -------------------------------------------- */

#ifdef WASMD_FAULTS
static bool works_from_start_to_end(void)
{
	struct vm_trap_info info = { 0 };
	struct err e = { 0 };
	struct rig r;
	enum vm_trap t = VM_TRAP_OUT_OF_MEMORY;
	int code = rig_make(&r, NULL, &e);

	assert_true(code == 0 || code == ERR_NOMEM);
	if (code == 0)
		t = trap_of(&r, "table", 1, &info);
	assert_true(t == VM_TRAP_NONE || t == VM_TRAP_OUT_OF_MEMORY);
	rig_done(&r);
	return t == VM_TRAP_NONE;
}

static void each_allocation_may_fail(void **state)
{
	unsigned after = 0;

	do
		wasmd_fault_after = after++;
	while (!works_from_start_to_end());
	wasmd_fault_after = ~0u;
	assert_true(after > 20);
}

static void memory_that_cannot_grow_says_so(void **state)
{
	struct rig r;

	rig_new(&r, NULL);
	(void)call_i32(&r, "grow", 0, 0);
	wasmd_fault_after = 0;
	assert_int_equal(call_i32(&r, "grow", 1, 0), UINT32_MAX);
	wasmd_fault_after = ~0u;
	assert_int_equal(call_i32(&r, "grow", 1, 0), 1);
	rig_done(&r);
}
#endif

static int read_guest(void)
{
	const char *path = getenv("VM_WASM");
	FILE *f = path != NULL ? fopen(path, "rb") : NULL;

	if (f == NULL)
		return -1;
	guest.len = fread(guest.p, 1, sizeof(guest.p), f);
	return fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locals_on_the_stack_keep_their_value),
		cmocka_unit_test(several_results_come_in_order),
		cmocka_unit_test(branches_of_a_table_carry_values),
		cmocka_unit_test(float_constants_are_kept_in_the_frame),
		cmocka_unit_test(trap_tells_place_and_callers),
		cmocka_unit_test(every_trap_tells_its_instruction),
		cmocka_unit_test(host_may_end_the_guest),
		cmocka_unit_test(recursion_ends_at_the_limit),
		cmocka_unit_test(memory_grows_to_the_limit),
		cmocka_unit_test(too_large_for_the_store_is_refused),
		cmocka_unit_test(too_many_operands_are_too_large),
		cmocka_unit_test(too_wide_blocks_are_too_large),
		cmocka_unit_test(wrong_import_is_named),
		cmocka_unit_test(fuel_is_exact),
		cmocka_unit_test(loops_use_up_their_fuel),
		cmocka_unit_test(work_of_the_host_is_charged),
		cmocka_unit_test(first_calls_are_charged),
		cmocka_unit_test(nothing_is_compiled_on_credit),
		cmocka_unit_test(wide_bodies_are_charged_by_their_work),
		cmocka_unit_test(stop_ends_every_loop),
		cmocka_unit_test(stop_ends_a_compilation),
		cmocka_unit_test(raised_flag_stops_at_once),
		cmocka_unit_test(store_lives_on_in_a_child),
		cmocka_unit_test(memory_makes_do_with_less_address_space),
#ifdef WASMD_FAULTS
		cmocka_unit_test(each_allocation_may_fail),
		cmocka_unit_test(memory_that_cannot_grow_says_so),
#endif
	};

	if (read_guest() != 0) {
		(void)fprintf(stderr, "VM_WASM must name the module built from vm.wat\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
