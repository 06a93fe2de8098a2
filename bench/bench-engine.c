/*
 * How fast the engine is: each program in it, natively, in node's Liftoff and
 * in other interpreters whose paths are given: --wasm3, --wasmi, --wamr. All must
 * give the same answer. CPU seconds, medians of rounds in turn, on one CPU; those
 * of the other interpreters include their start, of about a millisecond. A peer
 * that is not there is named as missing. --once PROGRAM N runs the engine alone.
 */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wasmd/cleanup.h"
#include "wasmd/vm.h"

#define MAX_ROUNDS 15

/* Who runs a program, in the order of a round and of the table. */
enum who { ENGINE, METERED, NATIVE, LIFTOFF, WASM3, WASMI, WAMR, WHO };

static const char *const names[WHO] = { "wasmd s", "metered", "native", "liftoff",
					"wasm3",   "wasmi",   "wamr" };

/* How another interpreter is asked for a call of kernel; its answer is the last
 * number it prints, behind @before. */
static const struct peer {
	const char *option, *args[4], *before;
} peers[WHO] = {
	[WASM3] = { "--wasm3", { "--func", "kernel" }, "Result: " },
	[WASMI] = { "--wasmi", { "run", "--invoke", "kernel" }, "" },
	[WAMR] = { "--wamr", { "-f", "kernel" }, "" },
};

struct score {
	double seconds[MAX_ROUNDS];
	unsigned long long answer;
	unsigned n;
	bool differs; /* from its own answer before */
};

static const struct kernel {
	const char *name;
	unsigned n;
} kernels[] = {
	{ "mixed", 2500 },     { "script", 3000 },  { "sha256", 800 },	 { "matmul", 280 },
	{ "mandelbrot", 500 }, { "nbody", 150000 }, { "fannkuch", 9 },	 { "vcall", 60 },
	{ "sieve", 4 },	       { "copies", 1000 },  { "fib", 32 },	 { "jacobi", 200 },
	{ "floyd", 200 },      { "lu", 400 },	    { "nussinov", 450 },
};

/* What the command line asks for. */
struct options {
	const char *dir, *only, *once, *n;
	const char *peers[WHO];
	unsigned rounds;
};

static void add(struct score *s, double seconds, unsigned long long answer)
{
	s->differs = s->differs || (s->n != 0 && s->answer != answer);
	s->answer = answer;
	if (s->n < MAX_ROUNDS)
		s->seconds[s->n++] = seconds;
}

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
	add(ret, t, v.i64);
	(void)vm_store_free(s);
	(void)vm_code_unref(c);
	return e->code;
}

/* ---- peers --------------------------------------------------------------- */

/* The end of @argv's output, and the CPU seconds it took; false: not there. */
static bool run_child(const char *const *argv, char *buf, size_t size, double *ret_seconds)
{
	struct rusage u;
	int status, fds[2];
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (pipe(fds) != 0 || (pid = fork()) < 0)
		return false;
	if (pid == 0) {
		(void)dup2(fds[1], 1);
		(void)dup2(fds[1], 2);
		(void)close(fds[0]);
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)close(fds[1]);
	while ((got = read(fds[0], buf + n, size - 1 - n)) > 0)
		n += (size_t)got;
	buf[n] = '\0';
	(void)close(fds[0]);
	if (wait4(pid, &status, 0, &u) != pid || status != 0)
		return false;
	*ret_seconds = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
	return true;
}

/* A program that prints seconds and its answer. */
static void run_timed(const char *const *argv, struct score *ret)
{
	char out[4096];
	unsigned long long answer;
	double t, whole;

	if (run_child(argv, out, sizeof(out), &whole) && sscanf(out, "%lf %llu", &t, &answer) == 2)
		add(ret, t, answer);
}

/* The last number in @out; hexadecimal with its 0x. */
static bool last_number(const char *out, unsigned long long *ret)
{
	bool found = false;
	char *end;

	for (const char *at = out; *at != '\0'; at = end) {
		end = (char *)(uintptr_t)at + 1;
		if ((*at < '0' || *at > '9') && *at != '-')
			continue;
		*ret = *at == '-' ? (unsigned long long)strtoll(at, &end, 0)
				  : strtoull(at, &end, 0);
		found = found || end > at;
		while (*end >= 'a' && *end <= 'z') /* of "0x1f:i64", not the 64 */
			end++;
		end += strspn(end, ":i0123456789");
		if (end == at)
			end++;
	}
	return found;
}

static void run_peer(const struct peer *p, const char *path, const char *module, const char *n,
		     struct score *ret)
{
	const char *argv[8] = { path };
	unsigned long long answer;
	char out[4096];
	const char *at;
	size_t i = 1;
	double t;

	for (size_t k = 0; k < ARRAY_LEN(p->args) && p->args[k] != NULL; k++)
		argv[i++] = p->args[k];
	argv[i++] = module;
	argv[i] = n;
	if (run_child(argv, out, sizeof(out), &t) && (at = strstr(out, p->before)) != NULL &&
	    last_number(at + strlen(p->before), &answer))
		add(ret, t, answer);
}

static int round_of(const struct kernel *k, const struct options *o, struct score *r, struct err *e)
{
	char path[256], native[256], script[256], n[16];
	const char *const native_argv[] = { native, n, NULL };
	const char *const node[] = {
		"node", "--liftoff", "--no-wasm-tier-up", script, path, n, NULL
	};

	(void)snprintf(path, sizeof(path), "%s/%s.wasm", o->dir, k->name);
	(void)snprintf(native, sizeof(native), "%s/native-%s", o->dir, k->name);
	(void)snprintf(script, sizeof(script), "%s/liftoff.js", o->dir);
	(void)snprintf(n, sizeof(n), "%u", k->n);
	if (run_engine(path, k->n, UINT64_MAX, &r[ENGINE], e) != 0 ||
	    run_engine(path, k->n, UINT64_MAX - 1, &r[METERED], e) != 0)
		return e->code;
	run_timed(native_argv, &r[NATIVE]);
	run_timed(node, &r[LIFTOFF]);
	for (unsigned i = WASM3; i < WHO; i++)
		if (o->peers[i] != NULL)
			run_peer(&peers[i], o->peers[i], path, n, &r[i]);
	return 0;
}

/* ---- the table ----------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct score *s)
{
	double v[MAX_ROUNDS];

	memcpy(v, s->seconds, sizeof(v));
	qsort(v, s->n, sizeof(*v), by_value);
	return v[s->n / 2];
}

#define MEANS 5

/* Products of ratios, for geometric means. */
struct mean {
	double log;
	unsigned n;
};

static void print_ratio(const struct score *a, const struct score *b, struct mean *m)
{
	double r;

	if (a->n == 0 || b->n == 0) {
		(void)printf(" %9s", "missing");
		return;
	}
	r = median(a) / median(b);
	m->log += log(r);
	m->n++;
	(void)printf(" %9.2f", r);
}

static bool print_row(const char *name, const struct score *r, struct mean *m)
{
	bool ok = true;

	(void)printf("%-10s", name);
	for (unsigned i = 0; i < WHO; i++) {
		if (r[i].n != 0)
			(void)printf(" %9.4f", median(&r[i]));
		else
			(void)printf(" %9s", "missing");
		ok = ok && !r[i].differs && (r[i].n == 0 || r[i].answer == r[ENGINE].answer);
	}
	print_ratio(&r[ENGINE], &r[WASM3], &m[0]);
	print_ratio(&r[ENGINE], &r[LIFTOFF], &m[1]);
	print_ratio(&r[METERED], &r[ENGINE], &m[2]);
	print_ratio(&r[ENGINE], &r[WASMI], &m[3]);
	print_ratio(&r[ENGINE], &r[WAMR], &m[4]);
	(void)printf("%s\n", ok ? "" : "  ANSWERS DIFFER");
	(void)fflush(stdout);
	return ok;
}

static void print_means(const struct mean *m)
{
	static const char *const what[MEANS] = { "wasm3", "liftoff", "unmetered", "wasmi", "wamr" };

	for (unsigned i = 0; i < MEANS; i++)
		if (m[i].n != 0)
			(void)printf("geometric mean over %u: %.3f of %s\n", m[i].n,
				     exp(m[i].log / m[i].n), what[i]);
		else
			(void)printf("%s: missing\n", what[i]);
}

static int table(const struct options *o)
{
	struct mean means[MEANS] = { 0 };
	struct err e = { 0 };
	bool ok = true;

	(void)printf("%-10s", "program");
	for (unsigned i = 0; i < WHO; i++)
		(void)printf(" %9s", names[i]);
	(void)printf(" %9s %9s %9s %9s %9s\n", "/wasm3", "/liftoff", "fuel", "/wasmi", "/wamr");
	for (size_t i = 0; i < ARRAY_LEN(kernels); i++) {
		struct score r[WHO] = { 0 };

		if (o->only != NULL && strcmp(o->only, kernels[i].name) != 0)
			continue;
		for (unsigned j = 0; j < o->rounds; j++)
			if (round_of(&kernels[i], o, r, &e) != 0) {
				(void)fprintf(stderr, "%s: %s\n", kernels[i].name, e.msg);
				return 1;
			}
		ok = print_row(kernels[i].name, r, means) && ok;
	}
	print_means(means);
	return ok ? 0 : 1;
}

static void pin(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
}

/* The engine alone, for counting its instructions: the answer is all it prints. */
static int once(const struct options *o)
{
	struct score r = { 0 };
	struct err e = { 0 };
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s.wasm", o->dir, o->once);
	if (run_engine(path, (unsigned)strtoul(o->n, NULL, 10), UINT64_MAX, &r, &e) != 0) {
		(void)fprintf(stderr, "%s: %s\n", o->once, e.msg);
		return 1;
	}
	(void)printf("%llu\n", r.answer);
	return 0;
}

static bool set_peer(struct options *o, const char *name, const char *path)
{
	for (unsigned i = 0; i < WHO; i++)
		if (peers[i].option != NULL && strcmp(peers[i].option, name) == 0) {
			o->peers[i] = path;
			return true;
		}
	return false;
}

static bool set_option(struct options *o, const char *name, const char *value)
{
	if (set_peer(o, name, value))
		return true;
	if (strcmp(name, "--only") == 0)
		o->only = value;
	else if (strcmp(name, "--rounds") == 0)
		o->rounds = (unsigned)strtoul(value, NULL, 10);
	else
		return false;
	return o->rounds > 0 && o->rounds <= MAX_ROUNDS;
}

static bool parse(struct options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) != 0) {
			o->dir = argv[i];
		} else if (strcmp(argv[i], "--once") == 0 && i + 2 < argc) {
			o->once = argv[++i];
			o->n = argv[++i];
		} else if (i + 1 >= argc || !set_option(o, argv[i], argv[i + 1])) {
			return false;
		} else {
			i++;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options o = { .dir = ".", .rounds = 3 };

	if (!parse(&o, argc, argv)) {
		(void)fprintf(stderr,
			      "usage: bench-engine [DIRECTORY] [--wasm3 PATH] [--wasmi PATH] "
			      "[--wamr PATH] [--only PROGRAM] [--rounds 1..15] "
			      "[--once PROGRAM N]\n");
		return 2;
	}
	if (o.once != NULL)
		return once(&o);
	pin();
	return table(&o);
}
