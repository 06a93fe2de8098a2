/*
 * Explaining: the smallest change to the document that lets a call through,
 * as a sentence with JSON to paste.
 */
#include <ctype.h>
#include <inttypes.h>

#include "wasmd/limits.h"
#include "wasmd/policy.h"

/* Text into a bounded buffer; what does not fit is cut. */
struct text {
	char *buf;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->len >= t->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	t->len += n > 0 ? (size_t)n : 0;
}

/* @path as a glob that names only it, within a JSON string. */
static void add_glob(struct text *t, const char *path)
{
	for (; *path != '\0'; path++) {
		unsigned char c = (unsigned char)*path;

		if (strchr("*?[{\\},", c) != NULL)
			add(t, "\\\\%s%c", c == '\\' ? "\\" : "", c);
		else if (c == '"')
			add(t, "\\\"");
		else if (c < 0x20 || c == 0x7f)
			add(t, "\\u%04x", c);
		else
			add(t, "%c", c);
	}
}

/* Both of two objects, where there are two. */
static void add_path(struct text *t, const char *path, const char *other)
{
	add(t, other != NULL ? "\"{" : "\"");
	add_glob(t, path);
	if (other != NULL) {
		add(t, ",");
		add_glob(t, other);
	}
	add(t, other != NULL ? "}\"" : "\"");
}

static bool id_taken(const struct policy *p, const char *id)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (strcmp(p->rules[i].id, id) == 0)
			return true;
	return false;
}

/* What a new rule is about, and says. */
struct subject {
	const char *call, *path, *other; /* paths may be NULL */
	uint64_t fd;			 /* or GATE_NO_FD */
	const char *then;
};

/* "allow-secret" for /in/secret.txt; numbered when there is one already. */
static void make_id(const struct policy *p, const struct subject *s, char *id, size_t size)
{
	const char *slash = s->path != NULL ? strrchr(s->path, '/') : NULL;
	const char *base = slash != NULL ? slash + 1 : s->call;
	char stem[40];
	size_t n = (size_t)snprintf(stem, sizeof(stem), "%s-", s->then), least = n;

	for (; *base != '\0' && *base != '.' && n < sizeof(stem) - 1; base++)
		stem[n++] = isalnum((unsigned char)*base) || *base == '_' ? *base : '-';
	stem[n] = '\0';
	(void)snprintf(id, size, "%s%s", stem, n > least ? "" : "it");
	for (unsigned k = 2; id_taken(p, id) && k <= LIM_POLICY_RULES + 1; k++)
		(void)snprintf(id, size, "%s%s%u", stem, n > least ? "-" : "", k);
}

static void add_rule(struct text *t, const struct policy *p, const struct subject *s)
{
	char id[64];

	make_id(p, s, id, sizeof(id));
	add(t, "{\"id\": \"%s\", \"on\": \"%s\", ", id, s->call);
	if (s->path != NULL) {
		add(t, "\"path\": ");
		add_path(t, s->path, s->other);
		add(t, ", ");
	} else if (s->fd != GATE_NO_FD) {
		add(t, "\"fd\": %" PRIu64 ", ", s->fd);
	}
	add(t, "\"then\": \"%s\"}", s->then);
}

/* Before @rule; or, where none ended the rules, behind them all. */
static void add_placed(struct text *t, const struct policy *p, uint32_t rule,
		       const struct subject *s)
{
	if (rule < p->n_rules) {
		add(t, "put ");
		add_rule(t, p, s);
		add(t, " before rule \"%s\" (line %" PRIu32 ")", p->rules[rule].id,
		    p->rules[rule].line);
		return;
	}
	add(t, p->n_rules == 0 ? "add \"rules\": [" : "add ");
	add_rule(t, p, s);
	add(t, p->n_rules == 0 ? "]" : " to \"rules\"");
}

static void add_default(struct text *t, const struct policy *p)
{
	if (p->default_line != 0)
		add(t, ", for the default is \"deny\" (line %" PRIu32 ")", p->default_line);
}

void policy_explain(const struct policy *p, uint32_t rule, const char *call, const char *path,
		    char *buf, size_t size)
{
	struct text t = { .buf = buf, .size = size };
	struct subject s = { .call = call != NULL ? call : "*",
			     .path = path != NULL && path[0] == '/' ? path : NULL,
			     .fd = GATE_NO_FD,
			     .then = "allow" };

	if (size == 0)
		return;
	buf[0] = '\0';
	if (rule >= p->n_rules && !p->default_deny) {
		add(&t, "no rule of the policy denies it: a grant or a limit does");
		return;
	}
	add_placed(&t, p, rule, &s);
	if (rule >= p->n_rules)
		add_default(&t, p);
}

/* ---- both ways ------------------------------------------------------------- */

static struct subject subject_of(const struct policy_call *c, const char *then)
{
	const struct gate_obj *o = c->req.obj;
	struct subject s = { .call = c->name, .path = o[0].path, .fd = o[0].fd, .then = then };

	if (s.path == NULL)
		s.path = o[1].path; /* a symlink's */
	else
		s.other = o[1].path;
	return s;
}

/* It is allowed only because the policy, the rule or both do not enforce. */
static void flip_complaint(struct text *t, const struct policy *p, const struct policy_answer *a)
{
	bool rule = a->rule < p->n_rules && p->rules[a->rule].complain;

	if (p->complain)
		add(t, "set \"mode\" of the policy to \"enforce\"%s", rule ? ", and " : "");
	if (rule)
		add(t, "take \"mode\" out of rule \"%s\" (line %" PRIu32 ")", p->rules[a->rule].id,
		    p->rules[a->rule].line);
}

static void flip_allowed(struct text *t, const struct policy *p, const struct policy_call *c,
			 const struct policy_answer *a)
{
	struct subject s = subject_of(c, "deny");

	if (c->req.op == GATE_OP_proc_exit) {
		add(t, "nothing does: proc_exit is always allowed");
		return;
	}
	if (a->complained) {
		flip_complaint(t, p, a);
		return;
	}
	add_placed(t, p, a->rule, &s);
	if (p->complain)
		add(t, ", and set \"mode\" of the policy to \"enforce\"");
}

void policy_flip(const struct policy *p, const struct policy_call *c, const struct policy_answer *a,
		 char *buf, size_t size)
{
	struct text t = { .buf = buf, .size = size };
	struct subject s = subject_of(c, "allow");

	if (size == 0)
		return;
	buf[0] = '\0';
	if (a->verdict == POLICY_ALLOW) {
		flip_allowed(&t, p, c, a);
		return;
	}
	if (a->ruled_out) {
		add_placed(&t, p, a->rule, &s);
		if (a->rule >= p->n_rules)
			add_default(&t, p);
	}
	if (a->change[0] != '\0')
		add(&t, "%s%s", a->ruled_out ? ", and " : "", a->change);
}
