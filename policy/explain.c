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

/* @path as a glob that names only it, as a JSON string. */
static void add_path(struct text *t, const char *path)
{
	add(t, "\"");
	for (; *path != '\0'; path++) {
		unsigned char c = (unsigned char)*path;

		if (strchr("*?[{\\", c) != NULL)
			add(t, "\\\\%s%c", c == '\\' ? "\\" : "", c);
		else if (c == '"')
			add(t, "\\\"");
		else if (c < 0x20 || c == 0x7f)
			add(t, "\\u%04x", c);
		else
			add(t, "%c", c);
	}
	add(t, "\"");
}

static bool id_taken(const struct policy *p, const char *id)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (strcmp(p->rules[i].id, id) == 0)
			return true;
	return false;
}

/* "allow-secret" for /in/secret.txt; numbered when there is one already. */
static void make_id(const struct policy *p, const char *call, const char *path, char *id,
		    size_t size)
{
	const char *base = path != NULL && strrchr(path, '/') != NULL ? strrchr(path, '/') + 1
								      : call;
	char stem[40] = "allow-";
	size_t n = strlen(stem);

	for (; *base != '\0' && *base != '.' && n < sizeof(stem) - 1; base++)
		stem[n++] = isalnum((unsigned char)*base) || *base == '_' ? *base : '-';
	stem[n] = '\0';
	(void)snprintf(id, size, "%s", n > 6 ? stem : "allow-it");
	for (unsigned k = 2; id_taken(p, id) && k <= LIM_POLICY_RULES + 1; k++)
		(void)snprintf(id, size, "%s-%u", stem, k);
}

static void add_rule(struct text *t, const struct policy *p, const char *call, const char *path)
{
	char id[64];

	make_id(p, call, path, id, sizeof(id));
	add(t, "{\"id\": \"%s\", \"on\": \"%s\", ", id, call);
	if (path != NULL) {
		add(t, "\"path\": ");
		add_path(t, path);
		add(t, ", ");
	}
	add(t, "\"then\": \"allow\"}");
}

/* The default denied: where does a first or further rule go? */
static void add_place(struct text *t, const struct policy *p)
{
	if (p->n_rules == 0)
		add(t, "]");
	else
		add(t, " to \"rules\"");
	if (p->default_line != 0)
		add(t, ", for the default is \"deny\" (line %" PRIu32 ")", p->default_line);
}

void policy_explain(const struct policy *p, uint32_t rule, const char *call, const char *path,
		    char *buf, size_t size)
{
	struct text t = { .buf = buf, .size = size };

	if (size == 0)
		return;
	buf[0] = '\0';
	call = call != NULL ? call : "*";
	path = path != NULL && path[0] == '/' ? path : NULL;
	if (rule < p->n_rules) {
		add(&t, "put ");
		add_rule(&t, p, call, path);
		add(&t, " before rule \"%s\" (line %" PRIu32 ")", p->rules[rule].id,
		    p->rules[rule].line);
		return;
	}
	if (!p->default_deny) {
		add(&t, "no rule of the policy denies it: a grant or a limit does");
		return;
	}
	add(&t, p->n_rules == 0 ? "add \"rules\": [" : "add ");
	add_rule(&t, p, call, path);
	add_place(&t, p);
}
