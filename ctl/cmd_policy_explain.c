/*
 * policy explain: what becomes of one call, why, and what would turn it round;
 * with --fences what keeps each part of a policy.
 */
#include "ctl/judged.h"
#include "daemon/syscalls.def"

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

/* ---- fences ---------------------------------------------------------------- */

/* The system calls that each worker may make whatever its policy. */
#define COL_W(name) name,
#define COL__(name)
#define ALLOW(name, priv, front, zygote, worker, opener, why) COL_##worker(#name)
static const char *const worker_calls[] = { WASMD_SYSCALLS(ALLOW) NULL };
#undef ALLOW

static void put_held(void *arg, const struct policy_held *h)
{
	static const char *const names[] = {
#define H(id, text, bit) text,
		POLICY_HOLDERS(H)
#undef H
	};
	struct table *t = arg;
	char by[64] = "", line[16] = "";

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (h->by >> i & 1) {
			size_t n = strlen(by);

			(void)snprintf(by + n, sizeof(by) - n, "%s%s", n > 0 ? ", " : "", names[i]);
		}
	(void)snprintf(line, sizeof(line), "%u", h->line);
	table_add(t, h->what);
	table_add(t, h->line != 0 ? line : NULL);
	table_add(t, h->by != 0 ? by : "nothing");
	table_add(t, h->by == 0 ? "without it nothing would change" : h->why);
}

static int fences(const char *file, struct err *e)
{
	static const char *const heads[] = { "PART", "LINE", "HELD BY", "WHY" };
	struct table *t = NULL;
	struct judged j;

	if (judged_open(file, &j, e) == 0 && table_new(heads, ARRAY_LEN(heads), &t, e) == 0 &&
	    policy_fences(j.policy, worker_calls, put_held, t, e) == 0)
		(void)table_print(t, stdout, e);
	(void)table_free(t);
	judged_done(&j);
	return e->code;
}

/* ---- the verb --------------------------------------------------------------- */

struct explain {
	bool fences;
};

const struct opt opts_explain[] = {
	{ 0, OPT_FLAG, "fences", NULL, "say which fences hold each grant, limit and rule",
	  offsetof(struct explain, fences) },
	OPT_END,
};

static int explain(const char *file, const char *const *words, size_t n, struct err *e)
{
	struct policy_call call;
	struct judged j;

	if (policy_call_read(words, n, &call, e) != 0)
		return e->code;
	if (judged_open(file, &j, e) == 0)
		(void)tell(&j, &call, e);
	judged_done(&j);
	return e->code;
}

int cmd_policy_explain(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct explain o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (o.fences && n > 1)
		return err_set(e, ERR_USAGE,
			       "--fences is about the whole policy: \"%s\" is left over", argv[1]);
	if (o.fences)
		return fences(argv[0], e);
	if (n < 2) {
		err_set(e, ERR_USAGE, "which call?");
		return err_hint(e, "such as `path_open /in/file read`; --fences is about no call");
	}
	return explain(argv[0], (const char *const *)argv + 1, (size_t)n - 1, e);
}
