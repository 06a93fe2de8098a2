/* policy explain: what becomes of one call, why, and what would turn it round. */
#include "ctl/judged.h"

#define FLIP_BYTES 32768u /* two paths, each byte of which may be escaped */

static void put_line(const char *before, const char *text)
{
	(void)fputs(before, stdout);
	(void)text_put(stdout, text, strlen(text), TEXT_LINE);
	(void)fputc('\n', stdout);
}

static int tell(const struct judged *j, const struct policy_call *c, struct err *e)
{
	CLEANUP(free_p) char *flip = malloc(FLIP_BYTES);
	CLEANUP(free_p) char *text = NULL;
	struct policy_answer a;

	policy_answer(j->policy, j->judge, c, &a);
	text = judged_text(j, &a);
	if (flip == NULL || text == NULL)
		return err_nomem(e);
	policy_flip(j->policy, c, &a, flip, FLIP_BYTES);
	put_line("", text);
	put_line(a.verdict == POLICY_ALLOW ? "to deny it: " : "to allow it: ", flip);
	return 0;
}

int cmd_policy_explain(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);
	struct policy_call call;
	struct judged j;

	if (r != 0)
		return r < 0 ? r : 0;
	if (policy_call_read((const char *const *)argv + 1, (size_t)n - 1, &call, e) != 0)
		return e->code;
	if (judged_open(argv[0], &j, e) == 0)
		(void)tell(&j, &call, e);
	judged_done(&j);
	return e->code;
}
