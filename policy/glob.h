/*
 * Path globs. `*` and `?` stay within a component, `**` crosses components
 * (and as a whole component stands for none as well), `{a,b}` chooses,
 * `[a-z]` and `[!a-z]` are classes, `\` takes the next byte as it is.
 * Compiled to a small automaton; matching takes time linear in the path
 * for a given glob, whatever the glob.
 */
#ifndef POLICY_GLOB_H
#define POLICY_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

#define GLOB_OPS     1024u /* of one glob: bounds the state of a match */
#define GLOB_CLASSES 64u
#define GLOB_NEST    8u /* braces in braces */

/* Wire form: a head, ops, then 32-byte classes. */
struct glob_head {
	uint16_t n_ops, n_classes;
	uint16_t prefix; /* leading literal bytes, compared at once */
	uint16_t plain;	 /* 1: nothing but those */
};

struct glob_op {
	uint8_t kind, byte;
	uint16_t arg; /* jump target, or class */
};

struct glob_masks;

/* A checked view; the bytes are borrowed. */
struct glob {
	struct glob_head head;
	const uint8_t *ops, *classes;
	struct glob_masks *masks; /* owned; NULL: it goes without */
};

/* *ret is one block of *ret_len bytes, to be freed. The sentence says where
 * in @text the fault is. ERR_POLICY, ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int glob_compile(const char *text, void **ret, size_t *ret_len, struct err *e);

/* Hostile bytes -> view. False: not a glob. */
MUST_CHECK bool glob_load(const void *p, size_t len, struct glob *ret);

/* Makes matching some ten times as fast, where the glob is small enough; to be
 * undone by glob_done(). ERR_NOMEM. */
MUST_CHECK int glob_quicken(struct glob *g, struct err *e);
void glob_done(struct glob *g);

bool glob_match(const struct glob *g, const char *path, size_t len);
/* Does the glob match @path itself, or something that could lie below it? */
bool glob_above(const struct glob *g, const char *path, size_t len);

#endif
