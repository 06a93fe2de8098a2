/*
 * What becomes of a module before it runs: bytes of code validated and compiled
 * per second of CPU time, and how large compiled code is beside them. Prints
 * three numbers: MB/s of validation, MB/s of validation and compilation of
 * everything, compiled bytes per byte of code. Best of the rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "vm/code.h"

#define ROUNDS 7

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *read_all(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	long n = f != NULL && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
	void *p = n > 0 ? malloc((size_t)n) : NULL;

	if (p != NULL) {
		rewind(f);
		*ret_len = fread(p, 1, (size_t)n, f);
	}
	if (f != NULL)
		(void)fclose(f);
	return p;
}

struct figures {
	double validate, compile; /* seconds */
	uint64_t code, compiled;  /* bytes */
};

static void sizes(const struct vm_code *c, struct figures *f)
{
	f->code = f->compiled = 0;
	for (uint32_t i = 0; i < c->n_own; i++) {
		f->code += c->m->funcs.at[i + c->m->n_imported[VM_FUNC]].body.len;
		f->compiled += sizeof(union cell) * c->bodies[i]->n_cells +
			       sizeof(struct code_place) * c->bodies[i]->n_places;
	}
}

static int run_once(const void *bytes, size_t len, struct figures *f, struct err *e)
{
	struct vm_valid_module *valid;
	struct vm_module *m;
	struct vm_code *c;
	double a = now(), b;

	if (vm_module_decode(bytes, len, &m, e) != 0 || vm_module_validate(m, &valid, e) != 0)
		return e->code;
	b = now();
	if (vm_module_compile(valid, &c, e) != 0)
		return e->code;
	if (vm_code_compile_all(c, e) == 0) {
		f->validate = b - a < f->validate ? b - a : f->validate;
		f->compile = now() - a < f->compile ? now() - a : f->compile;
		sizes(c, f);
	}
	(void)vm_code_unref(c);
	return e->code;
}

int main(int argc, char **argv)
{
	struct figures f = { .validate = 1e9, .compile = 1e9 };
	struct err e = { 0 };
	size_t len = 0;
	void *bytes = argc == 2 ? read_all(argv[1], &len) : NULL;

	for (int i = 0; bytes != NULL && i < ROUNDS && e.code == 0; i++)
		(void)run_once(bytes, len, &f, &e);
	if (bytes == NULL || e.code != 0) {
		(void)fprintf(stderr, "bench-compile: %s\n",
			      bytes == NULL ? "usage: bench-compile MODULE" : e.msg);
		return 1;
	}
	(void)printf("%.1f %.1f %.2f\n", (double)f.code / 1e6 / f.validate,
		     (double)f.code / 1e6 / f.compile, (double)f.compiled / (double)f.code);
	free(bytes);
	return 0;
}
