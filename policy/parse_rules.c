/*
 * Readers of rules.
 */
#include <errno.h>

#include "policy/errnos.def"
#include "policy/glob.h"
#include "policy/parse.h"
#include "policy/schema.def"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

/* ---- on --------------------------------------------------------------------- */

struct on_word {
	const char *name;
	uint64_t ops;
	uint32_t sets;
};

static const struct on_word on_words[] = {
#define GATE(name, sets, syscalls) { #name, UINT64_C(1) << GATE_OP_##name, 0 },
	WASMD_GATE_OPS(GATE)
#undef GATE
#define SET(id, text, bit) { text, 0, bit },
		WASMD_GATE_SETS(SET)
#undef SET
#define WORD(text, bits) { text, 0, bits },
			POLICY_SET_WORDS(WORD)
#undef WORD
				{ "*", (UINT64_C(1) << GATE_OP_COUNT) - 1, 0 },
};

static int on_add(struct parse *x, const json_t *v, const struct at *at, struct policy_rule *r)
{
	static const struct key_row want = {
		.want = "an operation such as \"path_open\" or a set such as \"fs.write\""
	};
	const char *names[ARRAY_LEN(on_words)];
	int n;

	for (size_t i = 0; i < ARRAY_LEN(on_words); i++)
		names[i] = on_words[i].name;
	n = parse_word(x, v, at, &want, names, ARRAY_LEN(names));
	if (n < 0)
		return n;
	r->ops |= on_words[n].ops;
	r->sets |= on_words[n].sets;
	return 0;
}

READER(on)
{
	struct policy_rule *r = dst;

	if (!json_is_array(v))
		return on_add(x, v, at, r);
	if (json_array_size(v) == 0)
		return parse_bad(x, at, "names no operation: expected %s", row->want);
	for (size_t i = 0; i < json_array_size(v); i++) {
		struct at in = { .up = at, .index = i };

		if (on_add(x, json_array_get(v, i), &in, r) < 0)
			return x->e->code;
	}
	return 0;
}

/* ---- path, fd ---------------------------------------------------------------- */

/* A glob that cannot name a guest path would be a rule that silently never
 * matches. */
static const char *never_a_path(const char *s)
{
	size_t n = strlen(s);

	if (strchr("/*?[{\\", s[0]) == NULL || n == 0)
		return "guest paths are absolute: begin it with '/' or \"**\"";
	if (strstr(s, "//") != NULL || strstr(s, "/./") != NULL || strstr(s, "/../") != NULL)
		return "guest paths hold no \"//\", \"/./\" or \"/../\"";
	if (n > 1 && s[n - 1] == '/')
		return "guest paths do not end in '/': for what lies below, end it in \"/**\"";
	return NULL;
}

int parse_check_glob(struct parse *x, const char *s, const struct at *at)
{
	CLEANUP(free_p) void *compiled = NULL;
	struct err e = { 0 };
	size_t len;

	if (glob_compile(s, &compiled, &len, &e) < 0)
		return e.code == ERR_NOMEM ? err_nomem(x->e) : parse_bad(x, at, "%s", e.msg);
	return 0;
}

READER(glob)
{
	const char **field = (const char **)(void *)((char *)dst + row->field);
	const char *s = json_string_value(v), *never = never_a_path(s);

	if (never != NULL)
		return parse_bad(x, at, "\"%.64s\" can never match, %s", s, never);
	if (parse_check_glob(x, s, at) < 0)
		return x->e->code;
	*field = parse_keep(x, s);
	return *field != NULL ? 0 : x->e->code;
}

READER(fd)
{
	static const char *const words[] = { "stdin", "stdout", "stderr" };
	struct policy_rule *r = dst;
	uint64_t n = 0;

	if (json_is_string(v)) {
		int word = parse_word(x, v, at, row, words, ARRAY_LEN(words));

		r->fd = word;
		return word < 0 ? word : 0;
	}
	n = (uint64_t)json_integer_value(v);
	if (!json_is_integer(v) || n > row->most)
		return parse_found(x, v, at, row->want);
	r->fd = (int64_t)n;
	return 0;
}

/* ---- then -------------------------------------------------------------------- */

READER(errno)
{
#define ERRNO(name, number) name,
	static const char *const names[] = { POLICY_ERRNOS(ERRNO) };
#undef ERRNO
#define ERRNO(name, number) number,
	static const int numbers[] = { POLICY_ERRNOS(ERRNO) };
#undef ERRNO
	struct policy_rule *r = dst;
	int n = parse_word(x, v, at, row, names, ARRAY_LEN(names));

	if (n < 0)
		return n;
	r->deny_errno = numbers[n];
	return 0;
}

static int then_object(struct parse *x, const json_t *v, const struct at *at,
		       const struct key_row *row, struct policy_rule *r)
{
	static const struct key_row rows[] = { POLICY_KEYS_THEN(KEY_ROW, LATER_ROW) };

	if (parse_object(x, v, at, rows, ARRAY_LEN(rows), r) < 0)
		return x->e->code;
	if (json_object_size(v) == 0)
		return parse_found(x, v, at, row->want);
	r->then = POLICY_DENY;
	return 0;
}

READER(then)
{
	static const char *const words[] = {
		"allow", "deny", "kill", "audit", "throttle", "count"
	};
	enum { WORD_AUDIT = 3, WORD_LATER };
	struct policy_rule *r = dst;
	int word;

	if (json_is_object(v))
		return then_object(x, v, at, row, r);
	word = parse_word(x, v, at, row, words, ARRAY_LEN(words));
	if (word < 0)
		return word;
	if (word >= WORD_LATER)
		return parse_bad(x, at, "\"%s\" is known, but not supported by this version",
				 words[word]);
	r->audit = word == WORD_AUDIT;
	r->then = r->audit ? POLICY_ALLOW : (enum policy_verdict_kind)word;
	return 0;
}

/* ---- rules ------------------------------------------------------------------- */

static int check_rule(struct parse *x, const json_t *v, const struct at *at,
		      const struct policy_rule *r)
{
	if (r->ops == 0 && r->sets == 0)
		return parse_bad(x, at, "the rule has no \"on\": say which operations it judges");
	if (json_object_get(v, "then") == NULL)
		return parse_bad(x, at, "the rule has no \"then\": say what it does");
	if (r->ops == UINT64_C(1) << GATE_OP_proc_exit && r->sets == 0)
		return parse_bad(x, at, "proc_exit is always allowed: no rule can judge it");
	for (size_t i = 0; i < x->own->rules.len; i++)
		if (strcmp(x->own->rules.at[i].id, r->id) == 0)
			return parse_bad(x, at, "the id \"%.64s\" is that of the rule in line %u",
					 r->id, x->own->rules.at[i].line);
	return 0;
}

static int rule_id(struct parse *x, const struct at *at, struct policy_rule *r)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "rule-%zu", at->index + 1);
	r->id = r->id != NULL ? r->id : parse_keep(x, id);
	return r->id != NULL ? 0 : x->e->code;
}

static int parse_rule(struct parse *x, const json_t *v, const struct at *at, uint32_t line)
{
	static const struct key_row rows[] = { POLICY_KEYS_RULE(KEY_ROW, LATER_ROW) };
	struct policy_rule r = { .line = line, .fd = -1, .deny_errno = EACCES }, *slot;

	if (!json_is_object(v))
		return parse_found(x, v, at, "an object with \"on\" and \"then\"");
	if (parse_object(x, v, at, rows, ARRAY_LEN(rows), &r) < 0 || rule_id(x, at, &r) < 0 ||
	    check_rule(x, v, at, &r) < 0)
		return x->e->code;
	slot = VEC_PUSH(&x->own->rules);
	if (slot == NULL)
		return err_nomem(x->e);
	*slot = r;
	return 0;
}

READER(rules)
{
	size_t n = json_array_size(v);
	uint32_t lines[LIM_POLICY_RULES] = { 0 };

	if (n > LIM_POLICY_RULES)
		return parse_bad(x, at, "%zu rules, at most %u", n, LIM_POLICY_RULES);
	scan_lines(x->text, x->len, at, lines, n);
	for (size_t i = 0; i < n; i++) {
		struct at in = { .up = at, .index = i };

		if (parse_rule(x, json_array_get(v, i), &in, lines[i]) < 0)
			return x->e->code;
	}
	return 0;
}
