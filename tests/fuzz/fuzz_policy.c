/*
 * Any bytes as a document: refused with a sentence, or compiled, loaded and
 * asked; printed as a program that assembles to the same, and in a canonical
 * form that stays as it is.
 */
#include "policy/asm.h"
#include "wasmd/limits.h"
#include "wasmd/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void ask_words(const struct policy *p, const struct policy_judge *j)
{
	static const char *const words[] = { "path_rename", "/a/b", "/c" };
	char flip[4096];
	struct policy_answer a;
	struct policy_call c;
	struct err e = { 0 };

	if (policy_call_read(words, ARRAY_LEN(words), &c, &e) < 0)
		__builtin_trap();
	policy_answer(p, j, &c, &a);
	policy_flip(p, &c, &a, flip, sizeof(flip));
}

static void ask(const struct policy *p, const void *image, size_t len)
{
	struct gate_req q = { .obj[0] = {
				      .class = GATE_CLASS_FILE, .path = "/a/b", .path_len = 4 } };
	struct policy_judge *j = NULL;
	struct err e = { 0 };

	if (policy_load(image, len, &j, &e) < 0)
		__builtin_trap(); /* what we compile, we load */
	for (q.op = 0; q.op < GATE_OP_COUNT; q.op++)
		(void)policy_judge(j, &q);
	ask_words(p, j);
	(void)policy_judge_free(j);
}

static void print(const struct policy *p)
{
	struct policy_program g;
	struct insn_list back = { 0 };
	struct err e = { 0 };

	if (policy_program(p, &g, &e) == 0 &&
	    (prog_asm(g.text, &back, &e) < 0 || back.len * sizeof(back.at[0]) != g.len ||
	     memcmp(back.at, g.code, g.len) != 0))
		__builtin_trap();
	VEC_DONE(&back);
	policy_program_done(&g);
}

static void format(const char *text, size_t len)
{
	char *once = NULL, *twice = NULL;
	struct err e = { 0 };

	if (policy_format(text, len, &once, &e) < 0 || strlen(once) > LIM_POLICY_BYTES) {
		free(once);
		return; /* grown beyond what a document may be */
	}
	if (policy_format(once, strlen(once), &twice, &e) < 0 || strcmp(once, twice) != 0)
		__builtin_trap();
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const base[] = { "exit_group", NULL };
	struct policy *p = NULL;
	struct err e = { 0 };
	void *image = NULL;
	size_t image_len;

	if (policy_parse((const char *)data, len, &p, &e) < 0)
		return 0;
	if (policy_compile(p, base, &image, &image_len, &e) == 0)
		ask(p, image, image_len);
	free(image);
	print(p);
	format((const char *)data, len);
	(void)policy_free(p);
	return 0;
}
