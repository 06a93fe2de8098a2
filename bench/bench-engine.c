/*
 * How fast the engine is: each kernel in it, as a native program, and in
 * node's Liftoff when there is a node. All must give the same answer. CPU
 * seconds, the best of a few rounds in turn. A peer that is not there is
 * named as missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wasmd/cleanup.h"
#include "wasmd/vm.h"

#define ROUNDS 3

#ifdef WASMD_FAULTS
unsigned wasmd_fault_after = ~0u;
#endif

struct score {
	double seconds;
	unsigned long long answer;
	bool there;
};

static const struct kernel {
	const char *name;
	unsigned n;
} kernels[] = {
	{ "fib", 32 },
	{ "sieve", 4 },
	{ "matmul", 200 },
};

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *read_all(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	void *p = malloc(1 << 20);

	if (f == NULL || p == NULL) {
		(void)fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	*ret_len = fread(p, 1, 1 << 20, f);
	(void)fclose(f);
	return p;
}

static struct vm_code *load(const void *bytes, size_t len, struct err *e)
{
	struct vm_valid_module *valid;
	struct vm_module *m;
	struct vm_code *c;

	if (vm_module_decode(bytes, len, &m, e) != 0 || vm_module_validate(m, &valid, e) != 0 ||
	    vm_module_compile(valid, &c, e) != 0)
		return NULL;
	return c;
}

/* One run in a fresh store; @fuel as vm_store_set_fuel has it. */
static int run_engine(const char *path, unsigned n, uint64_t fuel, struct score *ret, struct err *e)
{
	size_t len;
	CLEANUP(free_p) void *bytes = read_all(path, &len);
	union vm_value v = { .i32 = n };
	struct vm_instance *in;
	struct vm_trap_info trap;
	struct vm_store *s = NULL;
	struct vm_extern x;
	struct vm_code *c = load(bytes, len, e);
	double t;

	if (c == NULL || vm_store_new(NULL, &s, e) != 0 ||
	    vm_instance_new(s, c, NULL, NULL, &in, &trap, e) != 0)
		return e->code;
	if (!vm_instance_export(in, "kernel", 6, &x))
		return err_set(e, ERR_INVALID, "%s: exports no kernel", path);
	vm_store_set_fuel(s, fuel);
	t = now();
	if (vm_call(s, x.func, &v, &trap) != VM_TRAP_NONE)
		(void)err_set(e, ERR_TRAP, "%s", vm_trap_text(trap.trap));
	t = now() - t;
	if (!ret->there || t < ret->seconds)
		*ret = (struct score){ t, v.i64, true };
	(void)vm_store_free(s);
	(void)vm_code_unref(c);
	return e->code;
}

/* A program that prints seconds and its answer. */
static void run_program(const char *command, struct score *ret)
{
	FILE *f = popen(command, "r");
	unsigned long long answer;
	double t;

	if (f == NULL)
		return;
	if (fscanf(f, "%lf %llu", &t, &answer) == 2 && (!ret->there || t < ret->seconds))
		*ret = (struct score){ t, answer, true };
	(void)pclose(f);
}

struct row {
	struct score engine, metered, native, liftoff;
};

static int round_of(const struct kernel *k, const char *dir, struct row *r, struct err *e)
{
	char path[256], command[512];

	(void)snprintf(path, sizeof(path), "%s/%s.wasm", dir, k->name);
	if (run_engine(path, k->n, UINT64_MAX, &r->engine, e) != 0 ||
	    run_engine(path, k->n, UINT64_MAX - 1, &r->metered, e) != 0)
		return e->code;
	(void)snprintf(command, sizeof(command), "%s/native-%s %u", dir, k->name, k->n);
	run_program(command, &r->native);
	(void)snprintf(command, sizeof(command),
		       "node --liftoff --no-wasm-tier-up %s/liftoff.js %s %u 2>/dev/null", dir,
		       path, k->n);
	run_program(command, &r->liftoff);
	return 0;
}

static void print_score(const struct score *s)
{
	if (s->there)
		(void)printf(" %9.4f", s->seconds);
	else
		(void)printf(" %9s", "missing");
}

static bool same(const struct score *a, const struct score *b)
{
	return !a->there || !b->there || a->answer == b->answer;
}

static bool print_row(const char *name, const struct row *r)
{
	bool ok = same(&r->engine, &r->native) && same(&r->engine, &r->liftoff) &&
		  same(&r->engine, &r->metered);

	(void)printf("%-8s", name);
	print_score(&r->engine);
	print_score(&r->metered);
	print_score(&r->native);
	print_score(&r->liftoff);
	if (r->liftoff.there)
		(void)printf(" %9.2f", r->engine.seconds / r->liftoff.seconds);
	else
		(void)printf(" %9s", "missing");
	(void)printf("%s\n", ok ? "" : "  ANSWERS DIFFER");
	return ok;
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : ".";
	struct err e = { 0 };
	bool ok = true;

	(void)printf("%-8s %9s %9s %9s %9s %9s\n", "kernel", "wasmd s", "metered", "native",
		     "liftoff", "/liftoff");
	for (size_t i = 0; i < ARRAY_LEN(kernels); i++) {
		struct row r = { 0 };

		for (int j = 0; j < ROUNDS; j++)
			if (round_of(&kernels[i], dir, &r, &e) != 0) {
				(void)fprintf(stderr, "%s: %s\n", kernels[i].name, e.msg);
				return 1;
			}
		ok = print_row(kernels[i].name, &r) && ok;
	}
	return ok ? 0 : 1;
}
