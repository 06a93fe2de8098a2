/*
 * A policy's file, made ready to judge calls offline; and tables of calls.
 */
#ifndef WASMD_CTL_JUDGED_H
#define WASMD_CTL_JUDGED_H

#include "ctl/ctl.h"
#include "wasmd/policy.h"

struct judged {
	const char *file;
	char *text;
	size_t len;
	struct policy *policy;
	void *image; /* the judge points into it */
	struct policy_judge *judge;
};

/* Reads, checks, compiles and verifies @file. Undone by judged_done whatever happens. */
MUST_CHECK int judged_open(const char *file, struct judged *ret, struct err *e);
void judged_done(struct judged *j);

/* "deny (acces) by rule "no-secrets" (p.json:7)", to be freed; NULL: no memory. */
char *judged_text(const struct judged *j, const struct policy_answer *a);

/* ---- tables: `VERDICT CALL [ARG...]`, one a line, comments after # ---------- */

#define CASE_WORDS 8

struct judged_case {
	unsigned line;
	bool judged; /* begins with a verdict */
	enum policy_verdict_kind want;
	const char *error;	      /* of "deny:acces", or NULL: any */
	const char *text[CASE_WORDS]; /* the call */
	size_t n;
	struct policy_call call; /* its paths are the words */
};

typedef int judged_case_fn(void *arg, const struct judged_case *c);

/* Calls @fn for each line until it answers other than 0, which is returned.
 * Sentences begin with FILE:LINE. ERR_USAGE for a file that is no table. */
MUST_CHECK int judged_table(const char *file, judged_case_fn *fn, void *arg, struct err *e);

#endif
