/* policy check, fmt, minimal and schema: no daemon is asked. */
#include "ctl/ctl.h"
#include "wasmd/policy.h"

static void count(const char *before, size_t n, const char *what)
{
	printf("%s%zu %s%s", before, n, what, n == 1 ? "" : "s");
}

static void tell_limits(const struct policy_limits *l)
{
	char text[32];

	if (l->memory != 0) {
		bytes_text(l->memory, text, sizeof(text));
		printf(", memory %s", text);
	}
	if (l->fuel != 0 && l->fuel != UINT64_MAX)
		printf(", fuel %llu", (unsigned long long)l->fuel);
	if (l->cpu_ns != 0) {
		nanos_text(l->cpu_ns, text, sizeof(text));
		printf(", cpu %s", text);
	}
	if (l->wall_ns != 0) {
		nanos_text(l->wall_ns, text, sizeof(text));
		printf(", wall %s", text);
	}
}

/* "p.json: ok: 2 mounts (1 writable), 3 rules, the rest is granted, memory 64 MiB". */
static void tell(const char *file, const struct policy *p)
{
	size_t writable = 0;

	for (size_t i = 0; i < p->n_mounts; i++)
		writable += p->mounts[i].write;
	(void)text_put(stdout, file, strlen(file), TEXT_LINE);
	count(": ok: ", p->n_mounts, "mount");
	if (writable > 0)
		printf(" (%zu writable)", writable);
	count(", ", p->n_rules, "rule");
	printf(", by default %s", p->default_deny ? "denied" : "what is granted is allowed");
	tell_limits(&p->limits);
	printf("%s\n", p->complain ? ", rules only complain" : "");
}

static int check(const char *file, struct err *e)
{
	CLEANUP(free_p) char *text = NULL;
	struct policy *p;
	size_t len;

	if (policy_from_file(file, &text, &len, e) != 0 || policy_parse(text, len, &p, e) != 0)
		return e->code;
	tell(file, p);
	policy_free(p);
	return 0;
}

/* A fault is told as compilers do: FILE:LINE:COLUMN: first on the line. */
int cmd_policy_check(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e), bad = 0;

	if (r != 0)
		return r < 0 ? r : 0;
	for (int i = 0; i < n; i++) {
		struct err mine = { 0 };

		if (check(argv[i], &mine) == 0)
			continue;
		bad = err_info(ERR_POLICY).exit;
		(void)fflush(stdout);
		text_tell("", mine.msg, TEXT_LINE);
		if (mine.hint[0] != '\0')
			text_tell("  hint: ", mine.hint, TEXT_LINE);
	}
	return bad;
}

static int format(const char *file, struct err *e)
{
	CLEANUP(free_p) char *text = NULL, *out = NULL;
	size_t len;

	if (policy_from_file(file, &text, &len, e) != 0 || policy_format(text, len, &out, e) != 0)
		return e->code;
	(void)fputs(out, stdout);
	return 0;
}

int cmd_policy_fmt(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	return format(argv[0], e);
}

/* docs/policy.schema.json, as it stood when this was built. */
static const char schema[] = {
#include "schema.inc"
	, '\0'
};

int cmd_policy_schema(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	(void)fputs(schema, stdout);
	return 0;
}

int cmd_policy_minimal(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);
	const char *text = policy_minimal();

	if (r != 0)
		return r < 0 ? r : 0;
	printf("%s%s", text, text[0] != '\0' && text[strlen(text) - 1] == '\n' ? "" : "\n");
	return 0;
}
