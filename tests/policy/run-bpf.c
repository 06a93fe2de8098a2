/*
 * Runs files of raw eBPF: `run-bpf FILE...`. Sections as the conformance
 * vectors have them: `-- raw` (64-bit words with 0x, or bytes), `-- mem`
 * (bytes; r1 points to them, r2 is their length), and `-- result` (r0) or
 * `-- error` (the verifier refuses it; with text, with that sentence).
 * `-- strict` asks for the verifier that policies meet.
 */
#include "policy/prog.h"
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

static enum outcome refused(const char *want, const struct err *e)
{
	size_t n = strcspn(want, "\n");

	if (strncmp(e->msg, want, n) == 0)
		return PASSED;
	printf("    found:    %s\n    expected: %.*s\n", e->msg, (int)n, want);
	return FAILED;
}

static enum outcome run(const struct verified_prog *p, const char *mem, const char *want)
{
	_Alignas(8) uint8_t bytes[4096];
	struct run_env env = { .ctx = bytes, .ctx_write = true };
	uint64_t r0 = 0, expected = strtoull(want, NULL, 0);
	enum run_end end;

	env.ctx_len = mem != NULL ? read_bytes(mem, bytes, sizeof(bytes)) : 0;
	end = prog_run(p, &env, &r0);
	if (end == RUN_OK && r0 == expected)
		return PASSED;
	printf("    ended %d with %#llx, expected %#llx\n", end, (unsigned long long)r0,
	       (unsigned long long)expected);
	return FAILED;
}

static enum outcome run_file(const char *path)
{
	struct sections s = sections_read(path, "-- ");
	const char *raw = section(&s, "raw"), *error = section(&s, "error");
	unsigned flags = section(&s, "strict") != NULL ? 0 : VERIFY_LAX;
	static struct insn code[MOST_INSNS];
	struct verified_prog *p = NULL;
	struct err e = { 0 };
	enum outcome o = SKIPPED;
	size_t n;

	if (raw != NULL) {
		n = read_raw(raw, (uint8_t *)code, sizeof(code)) / sizeof(code[0]);
		if (prog_verify(code, n, flags, &p, &e) < 0)
			o = error != NULL ? refused(error, &e) : refused("accepted", &e);
		else if (error != NULL)
			o = FAILED;
		else
			o = run(p, section(&s, "mem"), section(&s, "result"));
	}
	(void)prog_free(p);
	sections_done(&s);
	return o;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "ok", "FAILED", "skipped: no raw section" };
	int count[3] = { 0 };

	for (int i = 1; i < argc; i++) {
		enum outcome o = run_file(argv[i]);

		count[o]++;
		if (o != PASSED)
			printf("%s: %s\n", argv[i], words[o]);
	}
	printf("%d passed, %d failed, %d skipped\n", count[PASSED], count[FAILED], count[SKIPPED]);
	return count[FAILED] != 0 || count[PASSED] == 0;
}
