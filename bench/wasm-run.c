/*
 * wasm-run: the engine and WASI without any sandbox, for measuring and for
 * tests. What a guest does here it does as whoever runs this program, inside
 * the directories given; use the daemon for code that is not trusted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "wasmd/limits.h"
#include "wasmd/wasi.h"

#define STATUS_TRAP   134
#define STATUS_FAILED 125
#define MAX_ENV	      256

/* What the command line asks for. */
struct options {
	const char *module;
	const char *env[MAX_ENV + 1];
	struct wasi_preopen dirs[LIM_PREOPENS];
	size_t n_env, n_dirs;
	uint64_t fuel, memory, host_calls, output;
	bool deny_all, usage, dump;
	const char *const *args;
};

static void usage(FILE *to)
{
	(void)fputs("usage: wasm-run [options] MODULE [ARGUMENT...]\n"
		    "Runs a WASI command. This is no sandbox: the guest acts as the user who\n"
		    "runs it. Options:\n"
		    "  --dir HOST::GUEST[:ro]  grant a directory\n"
		    "  --env NAME=VALUE        set a variable\n"
		    "  --fuel N                trap after N units of fuel\n"
		    "  --memory N              bytes of linear memory\n"
		    "  --max-host-calls N      trap after N host calls\n"
		    "  --max-output N          trap after N bytes of output\n"
		    "  --deny-all              refuse every host call\n"
		    "  --usage                 print what the run cost to standard error\n"
		    "  --dump-code             print every function, compiled; run nothing\n"
		    "Exits with the guest's status; 134 after a trap, 125 when it can't run.\n",
		    to);
}

static int fail(const struct err *e)
{
	(void)fprintf(stderr, "wasm-run: %s\n", e->msg);
	if (e->hint[0] != '\0')
		(void)fprintf(stderr, "wasm-run: %s\n", e->hint);
	return STATUS_FAILED;
}

/* ---- the command line --------------------------------------------------- */

/* HOST::GUEST or HOST::GUEST:ro; @text is cut up and kept. */
static int add_dir(struct options *o, char *text, struct err *e)
{
	char *guest = strstr(text, "::");
	struct wasi_preopen *p = &o->dirs[o->n_dirs];
	size_t n;

	if (guest == NULL || o->n_dirs == LIM_PREOPENS)
		return err_set(e, ERR_USAGE, "--dir %s: not HOST::GUEST, or too many", text);
	*guest = '\0';
	guest += 2;
	n = strlen(guest);
	p->write = n < 3 || strcmp(guest + n - 3, ":ro") != 0;
	if (!p->write)
		guest[n - 3] = '\0';
	p->guest = guest;
	p->fd = open(text, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->fd < 0)
		return err_set(e, ERR_IO, "--dir %s: %s", text, strerror(errno));
	o->n_dirs++;
	return 0;
}

static int add_env(struct options *o, char *text, struct err *e)
{
	if (strchr(text, '=') == NULL || o->n_env == MAX_ENV)
		return err_set(e, ERR_USAGE, "--env %s: not NAME=VALUE, or too many", text);
	o->env[o->n_env++] = text;
	return 0;
}

static int set_number(uint64_t *to, const char *text, struct err *e)
{
	char *end;

	errno = 0;
	*to = strtoull(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || text[0] == '-')
		return err_set(e, ERR_USAGE, "%s is not a number", text);
	return 0;
}

static int set_option(struct options *o, const char *name, char *value, struct err *e)
{
	const struct {
		const char *name;
		uint64_t *to;
	} numbers[] = {
		{ "--fuel", &o->fuel },
		{ "--memory", &o->memory },
		{ "--max-host-calls", &o->host_calls },
		{ "--max-output", &o->output },
	};

	if (value == NULL)
		return err_set(e, ERR_USAGE, "%s: unknown, or its value is missing", name);
	if (strcmp(name, "--dir") == 0)
		return add_dir(o, value, e);
	if (strcmp(name, "--env") == 0)
		return add_env(o, value, e);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (strcmp(name, numbers[i].name) == 0)
			return set_number(numbers[i].to, value, e);
	return err_set(e, ERR_USAGE, "%s: unknown option", name);
}

static int parse(struct options *o, int argc, char **argv, struct err *e)
{
	int i = 1, rc = 0;

	for (; rc == 0 && i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--deny-all") == 0)
			o->deny_all = true;
		else if (strcmp(argv[i], "--usage") == 0)
			o->usage = true;
		else if (strcmp(argv[i], "--dump-code") == 0)
			o->dump = true;
		else {
			rc = set_option(o, argv[i], argv[i + 1], e);
			i++;
		}
	}
	if (rc == 0 && i >= argc)
		return err_set(e, ERR_USAGE, "no module is named");
	o->module = argv[i];
	o->args = (const char *const *)argv + i;
	return rc;
}

/* ---- the run ------------------------------------------------------------ */

static int judge(void *arg, const struct gate_req *req)
{
	const struct options *o = arg;

	return o->deny_all ? -EACCES : 0;
}

static int map_file(const char *path, const void **ret, size_t *ret_len, struct err *e)
{
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	if (st.st_size == 0)
		return err_set(e, ERR_MALFORMED, "%s is empty", path);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	*ret = p;
	*ret_len = (size_t)st.st_size;
	return 0;
}

static int load(const char *path, struct vm_code **ret, struct err *e)
{
	struct vm_valid_module *v = NULL;
	struct vm_module *m = NULL;
	const void *bytes = NULL;
	size_t len = 0;
	int rc = map_file(path, &bytes, &len, e);

	if (rc == 0)
		rc = vm_module_decode(bytes, len, &m, e);
	if (rc == 0)
		rc = vm_module_validate(m, &v, e);
	if (rc == 0)
		rc = vm_module_compile(v, ret, e);
	return rc;
}

static int configure(struct wasi *w, const struct options *o, const struct gate *g, struct err *e)
{
	struct wasi_config c = {
		.args = o->args,
		.env = o->env,
		.stdio = { { 0, false }, { 1, false }, { 2, false } },
		.preopens = o->dirs,
		.n_preopens = o->n_dirs,
		.gate = g,
		.max_host_calls = o->host_calls,
		.max_output = o->output,
		.random = true,
	};

	return wasi_configure(w, &c, e);
}

static int status_of(const struct vm_trap_info *trap, uint32_t status)
{
	char text[400];

	if (trap->trap == VM_TRAP_NONE || trap->trap == VM_TRAP_EXIT)
		return (int)(status & 0xff);
	vm_trap_format(trap, text, sizeof(text));
	(void)fprintf(stderr, "wasm-run: trap: %s\n", text);
	return STATUS_TRAP;
}

static void print_usage(const struct wasi *w, const struct vm_store *s, uint64_t fuel)
{
	struct wasi_usage u = wasi_usage(w);

	(void)fprintf(stderr,
		      "wasm-run: host_calls %llu denied %llu read %llu written %llu "
		      "syscalls %llu fuel %llu memory %llu\n",
		      (unsigned long long)u.host_calls, (unsigned long long)u.denied,
		      (unsigned long long)u.bytes_read, (unsigned long long)u.bytes_written,
		      (unsigned long long)u.syscalls, (unsigned long long)(fuel - vm_store_fuel(s)),
		      (unsigned long long)vm_store_memory_peak(s));
}

/* What a run holds; freed in one place whatever failed. */
struct held {
	struct vm_code *code;
	struct vm_store *store;
	struct wasi *wasi;
};

static void print_line(void *arg, const char *line)
{
	(void)puts(line);
}

static int dump(struct vm_code *code, struct err *e)
{
	uint32_t first = 0;
	int rc = 0;

	for (uint32_t i = 0; i < vm_code_n_imports(code); i++)
		first += vm_code_import(code, i).type.kind == VM_FUNC;
	for (uint64_t i = first; rc == 0 && i < vm_code_n_funcs(code); i++)
		rc = vm_code_dump(code, (uint32_t)i, print_line, NULL, e);
	return rc;
}

static int start(struct held *h, struct options *o, int *ret_status, struct err *e)
{
	const struct vm_store_limits lim = { .memory = o->memory };
	struct gate gate = { .judge = judge, .arg = o, .refused = o->deny_all ? ~0ull : 0 };
	struct vm_instance *inst = NULL;
	struct vm_trap_info trap = { 0 };
	uint32_t status = 0;
	int rc = load(o->module, &h->code, e);

	if (rc == 0 && o->dump) {
		*ret_status = 0;
		return dump(h->code, e);
	}
	if (rc == 0)
		rc = vm_store_new(&lim, &h->store, e);
	if (rc == 0)
		rc = wasi_new(&h->wasi, e);
	if (rc != 0)
		return rc;
	vm_store_set_fuel(h->store, o->fuel);
	wasi_attach(h->wasi, h->store);
	rc = vm_instance_new(h->store, h->code, wasi_resolve, h->wasi, &inst, &trap, e);
	if (rc == 0)
		rc = configure(h->wasi, o, &gate, e);
	if (rc == 0)
		rc = wasi_run(h->wasi, h->store, inst, &trap, &status, e);
	if (rc != 0)
		return rc;
	if (o->usage)
		print_usage(h->wasi, h->store, o->fuel);
	*ret_status = status_of(&trap, status);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .fuel = UINT64_MAX };
	struct held h = { 0 };
	struct err e = { 0 };
	int status = STATUS_FAILED;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return 0;
	}
	if (parse(&o, argc, argv, &e) != 0) {
		(void)fail(&e);
		usage(stderr);
		return STATUS_FAILED;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a closed reader is the guest's EPIPE */
	if (start(&h, &o, &status, &e) != 0)
		status = fail(&e);
	(void)wasi_free(h.wasi);
	(void)vm_store_free(h.store);
	(void)vm_code_unref(h.code);
	return status;
}
