/*
 * Any bytes as a document: refused with a sentence, or compiled, loaded and
 * asked.
 */
#include "wasmd/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void ask(const void *image, size_t len)
{
	struct gate_req q = { .obj[0] = {
				      .class = GATE_CLASS_FILE, .path = "/a/b", .path_len = 4 } };
	struct policy_judge *j = NULL;
	struct err e = { 0 };

	if (policy_load(image, len, &j, &e) < 0)
		__builtin_trap(); /* what we compile, we load */
	for (q.op = 0; q.op < GATE_OP_COUNT; q.op++)
		(void)policy_judge(j, &q);
	(void)policy_judge_free(j);
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
		ask(image, image_len);
	free(image);
	(void)policy_free(p);
	return 0;
}
