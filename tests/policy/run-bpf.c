/*
 * Runs eBPF files: `run-bpf FILE|DIR...`. Sections as the public conformance
 * vectors have them: `-- asm` or `-- raw` (64-bit words with 0x, or bytes),
 * `-- mem` (bytes; r1 points to them, r2 is their length), and `-- result`
 * (r0, and on a second line of ours `worst N`) or `-- error` (it is refused:
 * of a FILE with just that sentence).
 * A DIR is a collection of such vectors: any sentence will do, the verifier
 * allows what RFC 9669 defines though no policy needs it, and what lies in a
 * folder `negative` must not come out as its file says.
 */
#include <fts.h>

#include "policy/asm.h"
#include "sections.h"

#define MOST_INSNS 4096u

enum outcome { PASSED, FAILED, SKIPPED };

static size_t read_bytes(const char *text, uint8_t *to, size_t most)
{
	size_t n = 0;
	int used;
	unsigned b;

	for (; n < most && sscanf(text, " %2x%n", &b, &used) == 1; text += used)
		to[n++] = (uint8_t)b;
	return n;
}

/* The size in bytes. */
static size_t read_raw(const char *text, uint8_t *to, size_t most)
{
	size_t n = 0;
	int used;
	unsigned long long w;

	if (strstr(text, "0x") == NULL)
		return read_bytes(text, to, most);
	for (; n + 8 <= most && sscanf(text, " %llx%n", &w, &used) == 1; text += used, n += 8)
		memcpy(to + n, &w, 8);
	return n;
}

/* The memory that a file gives its program. */
struct mem {
	_Alignas(8) uint8_t bytes[4096];
	size_t len;
};

/* A file: its program, made and verified, or why not. */
struct sample {
	struct sections s;
	struct mem mem;
	struct verified_prog *prog;
	struct err e;
};

static int read_code(struct sample *t, struct insn_list *ret)
{
	const char *text = section(&t->s, "asm"), *raw = section(&t->s, "raw");
	static struct insn code[MOST_INSNS];

	if (text != NULL)
		return prog_asm(text, ret, &t->e);
	if (raw == NULL)
		return err_set(&t->e, ERR_POLICY, "no program");
	ret->len = read_raw(raw, (uint8_t *)code, sizeof(code)) / sizeof(code[0]);
	ret->at = code;
	return 0;
}

static void make(struct sample *t, unsigned flags)
{
	const char *mem = section(&t->s, "mem");
	struct ctx_field all = { "mem", 0, 0, true };
	struct prog_world world = { .fields = &all, .n_fields = 1, .n_globs = 4, .tell_len = true };
	struct insn_list code = { 0 };

	t->mem.len = mem != NULL ? read_bytes(mem, t->mem.bytes, sizeof(t->mem.bytes)) : 0;
	all.len = (uint32_t)t->mem.len;
	world.ctx_len = t->mem.len;
	if (read_code(t, &code) == 0)
		(void)!prog_verify(code.at, code.len, &world, flags, &t->prog, &t->e);
	if (code.cap != 0)
		VEC_DONE(&code);
}

static bool comes_out(struct sample *t, const char *want)
{
	struct run_env env = { .ctx = t->mem.bytes, .ctx_len = t->mem.len, .ctx_write = true };
	uint64_t r0 = 0, expected = strtoull(want, NULL, 0);
	enum run_end end = prog_run(t->prog, &env, &r0);

	if (end == RUN_OK && r0 == expected)
		return true;
	printf("    ended %d with %#llx, expected %#llx\n", end, (unsigned long long)r0,
	       (unsigned long long)expected);
	return false;
}

/* ---- a file of ours ---------------------------------------------------------- */

static bool has_worst(const struct sample *t, const char *want)
{
	const char *line = strstr(want, "worst ");

	if (line == NULL || strtoull(line + 6, NULL, 10) == prog_worst(t->prog))
		return true;
	printf("    at worst %llu instructions, expected %s\n",
	       (unsigned long long)prog_worst(t->prog), line + 6);
	return false;
}

static enum outcome judge_ours(struct sample *t)
{
	const char *error = section(&t->s, "error"), *result = section(&t->s, "result");
	size_t n = error != NULL ? strcspn(error, "\n") : 0;

	if (t->prog != NULL && result != NULL)
		return comes_out(t, result) && has_worst(t, result) ? PASSED : FAILED;
	if (t->prog == NULL && error != NULL && strlen(t->e.msg) == n &&
	    strncmp(t->e.msg, error, n) == 0)
		return PASSED;
	printf("    found:    %s\n    expected: %.*s\n", t->prog != NULL ? "accepted" : t->e.msg,
	       (int)n, error != NULL ? error : "");
	return FAILED;
}

/* ---- a vector of the public's --------------------------------------------------- */

/* Why a vector is not for us, or NULL. */
static const char *not_ours(const struct sample *t)
{
	const char *text = section(&t->s, "asm");

	if (text != NULL && strstr(text, "call %r") != NULL)
		return "group callx";
	if (t->prog == NULL && strstr(t->e.msg, "no helper") != NULL)
		return "a helper of the vectors' own host";
	return NULL;
}

static enum outcome judge_vector(struct sample *t, bool negative)
{
	const char *result = section(&t->s, "result");
	bool good;

	if (not_ours(t) != NULL)
		return SKIPPED;
	if (negative)
		return t->prog == NULL || result == NULL || !comes_out(t, result) ? PASSED : FAILED;
	good = t->prog != NULL ? result != NULL && comes_out(t, result) : result == NULL;
	if (!good && t->prog == NULL)
		printf("    refused: %s\n", t->e.msg);
	return good ? PASSED : FAILED;
}

/* ---- all of them -------------------------------------------------------------------- */

struct counts {
	int of[3];
};

static void run_file(const char *path, bool vector, struct counts *c)
{
	static const char *const words[] = { "ok", "FAILED", "skipped: " };
	struct sample t = { .s = sections_read(path, "-- ") };
	const char *why;
	enum outcome o;

	make(&t, vector ? VERIFY_LAX : 0);
	o = vector ? judge_vector(&t, strstr(path, "/negative/") != NULL) : judge_ours(&t);
	why = o == SKIPPED ? not_ours(&t) : "";
	c->of[o]++;
	if (o != PASSED)
		printf("%s: %s%s\n", path, words[o], why);
	(void)prog_free(t.prog);
	sections_done(&t.s);
}

static bool is_vector(const FTSENT *f)
{
	return f->fts_info == FTS_F && f->fts_namelen > 5 &&
	       strcmp(f->fts_name + f->fts_namelen - 5, ".data") == 0;
}

static void run_path(char *path, struct counts *c)
{
	char *const paths[] = { path, NULL };
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *f;

	while (fts != NULL && (f = fts_read(fts)) != NULL)
		if (is_vector(f))
			run_file(f->fts_path, f->fts_level > 0, c);
	if (fts != NULL)
		(void)fts_close(fts);
}

int main(int argc, char **argv)
{
	struct counts c = { 0 };

	for (int i = 1; i < argc; i++)
		run_path(argv[i], &c);
	printf("%d passed, %d failed, %d skipped\n", c.of[PASSED], c.of[FAILED], c.of[SKIPPED]);
	return c.of[FAILED] != 0 || c.of[PASSED] == 0;
}
