/*
 * Between the files that read the document: one reader per row of
 * schema.def, all of one shape.
 */
#ifndef POLICY_PARSE_H
#define POLICY_PARSE_H

#include <jansson.h>

#include "policy/scan.h"
#include "wasmd/policy.h"
#include "wasmd/vec.h"

enum key_types { STR = 1, NUM = 2, BOOL = 4, OBJ = 8, ARR = 16 };

/* A policy and what it owns; the policy comes first. */
struct owned {
	struct policy p;
	VEC(char *) strings;
	VEC(struct policy_mount) mounts;
	VEC(struct policy_rule) rules;
	VEC(const char *) pass, set, secret, only;
};

struct parse {
	const char *text;
	size_t len;
	struct owned *own;
	struct err *e;
};

struct key_row;
typedef int parse_fn(struct parse *x, const json_t *v, const struct at *at,
		     const struct key_row *row, void *dst);

struct key_row {
	const char *name;
	unsigned types;
	parse_fn *fn; /* NULL: known, but not supported by this version */
	size_t field; /* offset in dst */
	uint64_t least, most;
	const char *want;
};

/* "line 14, column 9, $.rules[0].then: " and the sentence. ERR_POLICY. */
__attribute__((format(printf, 3, 4), cold)) int parse_bad(struct parse *x, const struct at *at,
							  const char *fmt, ...);
/* "found 7, expected ..." */
int parse_found(struct parse *x, const json_t *v, const struct at *at, const char *want);
/* The same, with "did you mean" over @names. */
int parse_found_name(struct parse *x, const json_t *v, const struct at *at, const char *want,
		     const char *const *names, size_t n);

/* Every member of @v by its row; strangers are refused. */
int parse_object(struct parse *x, const json_t *v, const struct at *at, const struct key_row *rows,
		 size_t n, void *dst);

/* A copy that the policy owns, or NULL (the error is set). */
const char *parse_keep(struct parse *x, const char *s);

/* Is it a glob? The sentence is the compiler's. */
int parse_check_glob(struct parse *x, const char *s, const struct at *at);

/* Letters, digits, '.', '_' and '-', at most LIM_NAME of them. */
bool parse_is_name(const char *s);

/* The value's index in @names, or a negative code. */
int parse_word(struct parse *x, const json_t *v, const struct at *at, const struct key_row *row,
	       const char *const *names, size_t n);

#define READER(name)                                                            \
	int parse_##name(struct parse *x, const json_t *v, const struct at *at, \
			 const struct key_row *row, void *dst)

READER(name);
READER(mode);
READER(bool);
READER(default);
READER(isolation);
READER(require);
READER(limits);
READER(clock);
READER(size);
READER(fuel);
READER(duration);
READER(count);
READER(env);
READER(env_pass);
READER(env_set);
READER(env_secret);
READER(mounts);
READER(host);
READER(guest);
READER(access);
READER(only);
READER(rules);
READER(on);
READER(glob);
READER(fd);
READER(then);
READER(errno);

/* Expands one object of schema.def to its rows. */
#define KEY_ROW(name, types, reader, field, least, most, want) \
	{ #name, types, parse_##reader, field, least, most, want },
#define LATER_ROW(name) { #name, 0, NULL, 0, 0, 0, NULL },

#endif
