/*
 * Runs files of policies: `run-policy FILE...`. `--- policy` has the
 * document; then `--- refuse` the sentence that it is refused with, or
 * `--- calls` a table of calls and verdicts, one a line:
 *
 *	OPERATION [fd=N] [OBJECT [OBJECT]] => VERDICT
 *
 * OBJECT: a path, SETS:PATH, or `-` (none). VERDICT: allow | kill |
 * deny ERRNO, then `by RULE`, `recorded`, `complained`.
 */
#include <errno.h>

#include "policy/errnos.def"
#include "sections.h"
#include "wasmd/policy.h"

static const char *const ops[] = {
#define GATE(name, sets, syscalls) #name,
	WASMD_GATE_OPS(GATE)
#undef GATE
};

static bool fail(const char *path, const char *what, const char *found, const char *expected)
{
	printf("%s: %s\n    found:    %s\n    expected: %s\n", path, what, found, expected);
	return false;
}

/* ---- one line of a table --------------------------------------------------- */

static uint32_t sets_of(const char *list, size_t n)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} sets[] = {
#define SET(id, text, bit) { text, bit },
		WASMD_GATE_SETS(SET)
#undef SET
	};
	uint32_t bits = 0;

	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		const char *at = memmem(list, n, sets[i].name, strlen(sets[i].name));

		bits |= at != NULL ? sets[i].bit : 0;
	}
	return bits;
}

static void object_of(const char *word, struct gate_obj *o)
{
	const char *path = strchr(word, '/'), *colon = strchr(word, ':');

	if (path == NULL)
		return;
	o->class = GATE_CLASS_FILE;
	o->path = path;
	o->path_len = (uint32_t)strlen(path);
	if (colon != NULL && colon < path)
		o->sets = sets_of(word, (size_t)(colon - word));
}

static bool call_of(char *text, struct gate_req *q)
{
	char *word = strtok(text, " \t"), *save = word;
	size_t n = 0;

	q->obj[0].fd = q->obj[1].fd = GATE_NO_FD;
	for (q->op = 0; q->op < GATE_OP_COUNT && strcmp(ops[q->op], save) != 0; q->op++)
		;
	while ((word = strtok(NULL, " \t")) != NULL) {
		if (strncmp(word, "fd=", 3) == 0) {
			q->obj[0].fd = strtoull(word + 3, NULL, 10);
			q->obj[0].class = GATE_CLASS_STREAM;
		} else if (n < 2) {
			object_of(word, &q->obj[n++]);
		}
	}
	return q->op < GATE_OP_COUNT;
}

static const char *errno_text(int number)
{
	static const struct {
		const char *name;
		int number;
	} rows[] = {
#define ERRNO(name, number) { name, number },
		POLICY_ERRNOS(ERRNO)
#undef ERRNO
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].number == number)
			return rows[i].name;
	return "unknown";
}

static void verdict_text(const struct policy *p, struct policy_verdict v, char *buf, size_t size)
{
	char by[160] = "";

	if (v.rule != POLICY_NO_RULE)
		(void)snprintf(by, sizeof(by), " by %s", p->rules[v.rule].id);
	(void)snprintf(buf, size, "%s%s%s%s%s",
		       v.value == 0	      ? "allow"
		       : v.value == GATE_KILL ? "kill"
					      : "deny ",
		       v.value < 0 && v.value != GATE_KILL ? errno_text(-v.value) : "", by,
		       v.record && v.value == 0 ? " recorded" : "",
		       v.complained ? " complained" : "");
}

static bool run_line(const char *path, const struct policy *p, const struct policy_judge *j,
		     const char *line, size_t n)
{
	char text[512], found[256], *arrow;
	struct gate_req q = { 0 };

	(void)snprintf(text, sizeof(text), "%.*s", (int)n, line);
	arrow = strstr(text, " => ");
	if (arrow == NULL)
		return text[strspn(text, " \t")] == '\0';
	*arrow = '\0';
	if (!call_of(text, &q))
		return fail(path, "unknown operation", text, "one of gate.def");
	verdict_text(p, policy_judge(j, &q), found, sizeof(found));
	if (strcmp(found, arrow + 4) == 0)
		return true;
	(void)snprintf(text, sizeof(text), "%.*s", (int)n, line);
	return fail(path, text, found, strstr(text, " => ") + 4);
}

/* ---- one file ----------------------------------------------------------------- */

static bool run_calls(const char *path, const struct policy *p, const char *calls)
{
	static const char *const base[] = { "exit_group", NULL };
	struct policy_judge *j = NULL;
	struct err e = { 0 };
	void *image = NULL;
	size_t len = 0;
	bool ok;

	if (policy_compile(p, base, &image, &len, &e) < 0 || policy_load(image, len, &j, &e) < 0)
		return fail(path, "does not compile", e.msg, "a judge");
	ok = true;
	while (*calls != '\0') {
		size_t n = strcspn(calls, "\n");

		ok = run_line(path, p, j, calls, n) && ok;
		calls += n + (calls[n] == '\n');
	}
	(void)policy_judge_free(j);
	free(image);
	return ok;
}

static bool run_file(const char *path)
{
	struct sections s = sections_read(path, "--- ");
	const char *text = section(&s, "policy"), *want = section(&s, "refuse"),
		   *calls = section(&s, "calls");
	struct policy *p = NULL;
	struct err e = { 0 };
	bool ok;

	if (text == NULL)
		ok = fail(path, "no section", "", "--- policy");
	else if (policy_parse(text, strlen(text), &p, &e) < 0)
		ok = want != NULL && strlen(e.msg) == strcspn(want, "\n") &&
				     strncmp(e.msg, want, strlen(e.msg)) == 0
			     ? true
			     : fail(path, "refused", e.msg, want != NULL ? want : "accepted");
	else
		ok = want == NULL ? run_calls(path, p, calls != NULL ? calls : "")
				  : fail(path, "accepted", "no error", want);
	(void)policy_free(p);
	sections_done(&s);
	return ok;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed += !run_file(argv[i]);
	printf("%d passed, %d failed\n", argc - 1 - failed, failed);
	return failed != 0 || argc < 2;
}
