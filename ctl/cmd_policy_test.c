/* policy test and diff: what becomes of a table of calls. */
#include "ctl/judged.h"

struct diff {
	const char *over;
};

const struct opt opts_diff[] = {
	{ 0, OPT_TEXT, "over", "TABLE", "the calls that both policies are asked about",
	  offsetof(struct diff, over) },
	OPT_END,
};

struct asking {
	const char *table;
	struct judged a, b; /* b of diff only */
	unsigned asked, differ;
	struct err *e;
};

/* "t.txt:3: path_open /in/x read: " */
static void put_place(const struct asking *k, const struct judged_case *c)
{
	(void)text_put(stdout, k->table, strlen(k->table), TEXT_LINE);
	printf(":%u:", c->line);
	for (size_t i = 0; i < c->n; i++) {
		(void)fputc(' ', stdout);
		(void)text_put(stdout, c->text[i], strlen(c->text[i]), TEXT_LINE);
	}
	(void)fputs(": ", stdout);
}

static int put_answer(const struct asking *k, const struct judged *j, const struct policy_answer *a)
{
	CLEANUP(free_p) char *text = judged_text(j, a);

	if (text == NULL)
		return err_nomem(k->e);
	(void)text_put(stdout, text, strlen(text), TEXT_LINE);
	return 0;
}

/* ---- test ------------------------------------------------------------------------ */

static void put_wanted(const struct judged_case *c)
{
	static const char *const kinds[] = {
		[POLICY_ALLOW] = "allow", [POLICY_DENY] = "deny", [POLICY_KILL] = "kill"
	};

	printf("expected %s%s%s%s, found ", kinds[c->want], c->error != NULL ? " (" : "",
	       c->error != NULL ? c->error : "", c->error != NULL ? ")" : "");
}

static int test_case(void *arg, const struct judged_case *c)
{
	struct asking *k = arg;
	struct policy_answer a;
	int r;

	if (!c->judged)
		return err_set(k->e, ERR_USAGE,
			       "\"%s\": a line begins with allow, deny, deny:ERROR or kill",
			       c->text[0]);
	policy_answer(k->a.policy, k->a.judge, &c->call, &a);
	k->asked++;
	if (a.verdict == c->want && (c->error == NULL || strcmp(c->error, a.error) == 0))
		return 0;
	k->differ++;
	put_place(k, c);
	put_wanted(c);
	r = put_answer(k, &k->a, &a);
	(void)fputc('\n', stdout);
	return r;
}

/* Without a call nothing was tested: that is no success. */
static int finish(const struct asking *k, int r, const char *what, struct err *e)
{
	if (e->code != 0 || r != 0)
		return e->code != 0 ? e->code : r;
	if (k->asked == 0)
		return err_set(e, ERR_USAGE, "the table %s has no calls", k->table);
	printf("%u calls, %u %s\n", k->asked, k->differ, what);
	return k->differ > 0;
}

int cmd_policy_test(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);
	struct asking k = { .e = e };

	if (r != 0)
		return r < 0 ? r : 0;
	k.table = argv[1];
	if (judged_open(argv[0], &k.a, e) == 0)
		r = judged_table(k.table, test_case, &k, e);
	r = finish(&k, r, "not as expected", e);
	judged_done(&k.a);
	return r;
}

/* ---- diff ------------------------------------------------------------------------ */

static bool same(const struct policy_answer *a, const struct policy_answer *b)
{
	return a->verdict == b->verdict &&
	       (a->verdict != POLICY_DENY || strcmp(a->error, b->error) == 0);
}

static int diff_case(void *arg, const struct judged_case *c)
{
	struct asking *k = arg;
	struct policy_answer a, b;
	int r;

	policy_answer(k->a.policy, k->a.judge, &c->call, &a);
	policy_answer(k->b.policy, k->b.judge, &c->call, &b);
	k->asked++;
	if (same(&a, &b))
		return 0;
	k->differ++;
	put_place(k, c);
	r = put_answer(k, &k->a, &a);
	(void)fputs(" -> ", stdout);
	r = r == 0 ? put_answer(k, &k->b, &b) : r;
	(void)fputc('\n', stdout);
	return r;
}

int cmd_policy_diff(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct diff o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);
	struct asking k = { .e = e };

	if (r != 0)
		return r < 0 ? r : 0;
	if (o.over == NULL) {
		err_set(e, ERR_USAGE, "which calls?");
		return err_hint(e, "--over TABLE: a file with a call on each line, such as "
				   "`path_open /in/x read`");
	}
	k.table = o.over;
	if (judged_open(argv[0], &k.a, e) == 0 && judged_open(argv[1], &k.b, e) == 0)
		r = judged_table(k.table, diff_case, &k, e);
	r = finish(&k, r, "differ", e);
	judged_done(&k.a);
	judged_done(&k.b);
	return r;
}
