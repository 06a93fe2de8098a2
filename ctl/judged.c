/* Policies that are judged by without a daemon, and the tables of calls they are asked about. */
#include "ctl/judged.h"

#include <errno.h>
#include <stdlib.h>

#include "wasmd/limits.h"

/* The seccomp filter is compiled along, and not looked at. */
static const char *const no_syscalls[] = { "exit_group", NULL };

int judged_open(const char *file, struct judged *ret, struct err *e)
{
	size_t len;

	*ret = (struct judged){ .file = file };
	if (policy_from_file(file, &ret->text, &ret->len, e) != 0 ||
	    policy_parse(ret->text, ret->len, &ret->policy, e) != 0)
		return e->code;
	if (policy_compile(ret->policy, no_syscalls, &ret->image, &len, e) != 0 ||
	    policy_load(ret->image, len, &ret->judge, e) != 0)
		return err_prefix(e, "%s", file);
	return 0;
}

void judged_done(struct judged *j)
{
	(void)policy_judge_free(j->judge);
	free(j->image);
	(void)policy_free(j->policy);
	free(j->text);
}

/* ---- answers ------------------------------------------------------------------ */

static void put_rule(FILE *f, const struct judged *j, uint32_t rule, const char *before)
{
	(void)fprintf(f, "%srule \"%s\" (%s:%u)", before, j->policy->rules[rule].id, j->file,
		      j->policy->rules[rule].line);
}

static void put_default(FILE *f, const struct judged *j)
{
	(void)fprintf(f, " by default");
	if (j->policy->default_line != 0)
		(void)fprintf(f, " (%s:%u)", j->file, j->policy->default_line);
}

static void put_answer(FILE *f, const struct judged *j, const struct policy_answer *a)
{
	static const char *const kinds[] = {
		[POLICY_ALLOW] = "allow", [POLICY_DENY] = "deny", [POLICY_KILL] = "kill"
	};
	bool audited = a->verdict == POLICY_ALLOW && a->recorded && !a->complained;

	(void)fputs(kinds[a->verdict], f);
	if (a->verdict == POLICY_DENY)
		(void)fprintf(f, " (%s)", a->error);
	if (a->by == POLICY_BY_GRANT)
		(void)fprintf(f, ": %s", a->why);
	else if (a->by == POLICY_BY_RULE)
		put_rule(f, j, a->rule,
			 a->complained ? ", with a complaint by "
			 : audited     ? ", recorded by "
				       : " by ");
	else
		put_default(f, j);
	if (a->by == POLICY_BY_DEFAULT && a->complained)
		(void)fputs(", with a complaint", f);
}

char *judged_text(const struct judged *j, const struct policy_answer *a)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	put_answer(f, j, a);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- tables -------------------------------------------------------------------- */

/* Cuts @line into words; "..." holds blanks together. */
static int cut(char *line, const char **words, size_t most, size_t *ret_n, struct err *e)
{
	size_t n = 0;

	for (char *p = line; *(p += strspn(p, " \t\r\n")) != '\0' && *p != '#';) {
		bool quoted = *p == '"';
		char *end = quoted ? strchr(++p, '"') : p + strcspn(p, " \t\r\n");

		if (end == NULL)
			return err_set(e, ERR_USAGE, "a quote is not closed");
		if (n == most)
			return err_set(e, ERR_USAGE, "more than %zu words", most);
		words[n++] = p;
		p = end + (*end != '\0');
		*end = '\0';
	}
	*ret_n = n;
	return 0;
}

/* "allow", "deny", "deny:acces", "kill". False: it is none of them. */
static bool take_verdict(const char *word, struct judged_case *c)
{
	if (strcmp(word, "allow") == 0)
		c->want = POLICY_ALLOW;
	else if (strcmp(word, "kill") == 0)
		c->want = POLICY_KILL;
	else if (strcmp(word, "deny") == 0 || (strncmp(word, "deny:", 5) == 0 && word[5] != '\0'))
		c->want = POLICY_DENY;
	else
		return false;
	c->error = word[4] == ':' ? word + 5 : NULL;
	c->judged = true;
	return true;
}

/* A blank line leaves c->n at 0. */
static int read_case(char *line, struct judged_case *c, struct err *e)
{
	const char *words[CASE_WORDS + 1];
	size_t n = 0, skip;

	if (cut(line, words, ARRAY_LEN(words), &n, e) < 0 || n == 0)
		return e->code;
	skip = take_verdict(words[0], c);
	if (n == skip)
		return err_set(e, ERR_USAGE, "\"%s\" and no call", words[0]);
	if (c->error != NULL && policy_check_error(c->error, e) < 0)
		return e->code;
	c->n = n - skip;
	if (c->n > CASE_WORDS)
		return err_set(e, ERR_USAGE, "more than %u words", CASE_WORDS);
	memcpy(c->text, words + skip, c->n * sizeof(words[0]));
	return policy_call_read(c->text, c->n, &c->call, e);
}

static int each_case(FILE *f, judged_case_fn *fn, void *arg, unsigned *line_no, struct err *e)
{
	CLEANUP(free_p) char *line = NULL;
	size_t size = 0;
	int r = 0;

	while (r == 0 && getline(&line, &size, f) > 0) {
		struct judged_case c = { .line = ++*line_no };

		if (read_case(line, &c, e) < 0)
			return e->code;
		r = c.n > 0 ? fn(arg, &c) : 0;
	}
	return r;
}

int judged_table(const char *file, judged_case_fn *fn, void *arg, struct err *e)
{
	FILE *f = fopen(file, "re");
	unsigned line = 0;
	int r;

	if (f == NULL)
		return err_set(e, ERR_USAGE, "the table %s: %s", file, strerror(errno));
	r = each_case(f, fn, arg, &line, e);
	if (r == 0 && ferror(f))
		r = err_set(e, ERR_IO, "the table %s cannot be read", file);
	else if (e->code != 0)
		(void)err_prefix(e, "%.120s:%u", file, line);
	(void)fclose(f);
	return r;
}
