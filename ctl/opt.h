/*
 * Options as tables: a verb says its rows once, and parsing, help and
 * completion come from them. An option only stores text; what it means is
 * judged by the verb.
 */
#ifndef WASMD_CTL_OPT_H
#define WASMD_CTL_OPT_H

#include <stdbool.h>
#include <stddef.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

enum opt_kind {
	OPT_FLAG, /* bool */
	OPT_TEXT, /* const char *, the last one given stands */
	OPT_LIST, /* struct opt_list, in order */
};

struct opt_list {
	const char **at;
	size_t len, cap;
};

/* One row; a table ends with a row without a name. */
struct opt {
	char key; /* 0: none */
	enum opt_kind kind;
	const char *name; /* long, without the dashes */
	const char *arg;  /* what the value is called; NULL for a flag */
	const char *help;
	size_t at; /* offset of the field in the struct that is filled */
};

#define OPT_END { 0, OPT_FLAG, NULL, NULL, NULL, 0 }

/* A table and the struct that its rows fill. */
struct opt_set {
	const struct opt *rows; /* may be NULL */
	void *to;
};

/* Takes the options out of argv[1..]; what is left, in order, becomes *ret_rest
 * (*ret_n of them, pointing into argv). With @stop options end at the first
 * argument that is none. `--` ends them and is taken away. ERR_USAGE. */
MUST_CHECK int opt_parse(const struct opt_set *sets, size_t n_sets, bool stop, int argc,
			 char **argv, char ***ret_rest, int *ret_n, struct err *e);

MUST_CHECK int opt_list_add(struct opt_list *l, const char *s, struct err *e);

#endif
