/* policy compile: the gate's program, as text or as it runs. */
#include <unistd.h>

#include "ctl/judged.h"

struct compile {
	const char *emit;
};

const struct opt opts_compile[] = {
	{ 0, OPT_TEXT, "emit", "FORM", "asm (text, as without it) or bin (the bytes)",
	  offsetof(struct compile, emit) },
	OPT_END,
};

static int put(const void *at, size_t len, struct err *e)
{
	if (fwrite(at, 1, len, stdout) == len && fflush(stdout) == 0)
		return 0;
	return err_set(e, ERR_IO, "standard output cannot be written");
}

static int compile(const char *file, bool bin, struct err *e)
{
	struct policy_program g = { 0 };
	struct judged j;

	if (judged_open(file, &j, e) == 0 && policy_program(j.policy, &g, e) == 0)
		(void)put(bin ? g.code : g.text, bin ? g.len : strlen(g.text), e);
	policy_program_done(&g);
	judged_done(&j);
	return e->code;
}

int cmd_policy_compile(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct compile o = { .emit = "asm" };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);
	bool bin;

	if (r != 0)
		return r < 0 ? r : 0;
	bin = strcmp(o.emit, "bin") == 0;
	if (!bin && strcmp(o.emit, "asm") != 0)
		return err_set(e, ERR_USAGE, "--emit %s: it is asm or bin", o.emit);
	if (bin && isatty(STDOUT_FILENO)) {
		err_set(e, ERR_USAGE, "--emit bin writes bytes, and standard output is a terminal");
		return err_hint(e, "put > FILE behind it");
	}
	return compile(argv[0], bin, e);
}
