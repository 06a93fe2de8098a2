/*
 * What the verbs of wasmctl share. A verb's function answers the program's
 * exit status, or a negative code whose sentence main() prints.
 */
#ifndef WASMD_CTL_CTL_H
#define WASMD_CTL_CTL_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "ctl/opt.h"
#include "ctl/print.h"
#include "ctl/verbs.def"
#include "wasmd/client.h"

enum form { FORM_TABLE, FORM_JSON, FORM_JSONL, FORM_NAME };

struct verb;

struct ctl {
	const char *socket, *tenant, *form_text, *timeout_text;
	bool help;
	enum form form;
	unsigned timeout_ms;
	const struct verb *verb; /* NULL until it is known */
	struct client *client;	 /* NULL until ctl_connect */
};

struct verb {
	const char *group, *name, *args, *help;
	int least, most;
	bool stop;
	const struct opt *opts;
	int (*run)(struct ctl *ctl, int argc, char **argv, struct err *e);
};

#define VERB(id, group, name, args, least, most, stop, opts, help) \
	int cmd_##id(struct ctl *ctl, int argc, char **argv, struct err *e);
WASMCTL_VERBS(VERB)
#undef VERB

extern const struct verb verbs[];
extern const size_t n_verbs;
extern const struct opt opts_none[], opts_common[], opts_run[], opts_create[], opts_start[],
	opts_stop[], opts_ps[], opts_stats[], opts_logs[], opts_rm[], opts_prune[], opts_load[],
	opts_events[], opts_attach[];

#define CTL_TIMEOUT_MS 30000u /* for an answer, unless --request-timeout says */

/* Parses the options of ctl->verb into @to and counts its arguments. 1: help
 * was asked for and given. */
MUST_CHECK int ctl_options(struct ctl *ctl, void *to, int argc, char **argv, char ***ret_args,
			   int *ret_n, struct err *e);
/* Judges what the common options said. */
MUST_CHECK int ctl_common(struct ctl *ctl, struct err *e);
MUST_CHECK int ctl_connect(struct ctl *ctl, struct err *e);
/* Another connection to the same daemon. */
MUST_CHECK int ctl_client(const struct ctl *ctl, struct client **ret, struct err *e);
/* For requests that take their time: no timeout unless one was asked for. */
void ctl_patient(struct ctl *ctl);
/* Prints `wasmctl VERB: sentence` and the hint to standard error. */
void ctl_complain(const struct ctl *ctl, const struct err *e);
/* "10s", "500ms", "1.5m", "2" (seconds). */
MUST_CHECK int ctl_duration(const char *option, const char *text, unsigned *ret_ms, struct err *e);

/* ---- again.c ------------------------------------------------------------- */

/* After a failed request: whether to make it once more, since only the
 * connection failed. Then @e is clear and some time has gone by. *tries counts. */
bool ctl_again(const struct ctl *ctl, unsigned *tries, struct err *e);
/* Seconds since 1970 as an RFC 3339 time. */
void ctl_time(int64_t seconds, char *buf, size_t size);
/* The value of --since as such a time. */
MUST_CHECK int ctl_since(const char *text, char *buf, size_t size, struct err *e);

/* ---- help.c -------------------------------------------------------------- */

void help_all(FILE *f);
void help_verb(const struct verb *v, FILE *f);
const struct verb *verb_find(const char *group, const char *name);
/* Finds the verb that argv begins with; *ret_words are its. */
MUST_CHECK int verb_lookup(int argc, char **argv, const struct verb **ret, int *ret_words,
			   struct err *e);

/* ---- show.c: a failure stands in @e as well as in the result ---------------- */

/* How objects of one kind are listed. */
struct view {
	const char *key; /* of the array in an answer */
	const char *const *heads;
	size_t columns;
	void (*row)(struct table *t, const json_t *object);
	const char *(*name)(const json_t *object);
};
extern const struct view view_instances, view_stats, view_modules;

const char *show_text(const json_t *object, const char *key); /* "" when missing */
int64_t show_number(const json_t *object, const char *key);   /* 0 when missing */
/* Whether a call of it waits for its output to be read. */
bool show_blocked(const json_t *instance);
/* The first twelve digits of an id or a digest, in @buf. */
const char *show_short_id(const char *id, char *buf, size_t size);
int show_json(const json_t *j, bool lines, struct err *e);
/* A list's answer in the form asked for. */
int show_list(const struct ctl *ctl, const json_t *answer, const struct view *v, struct err *e);
/* Asks for each name in turn: JSON objects, or names. */
MUST_CHECK int show_each(struct ctl *ctl, const char *kind, const struct view *v, int n,
			 char **names, struct err *e);
/* One object: @text in a line of its own, or JSON where that was asked for. */
int show_done(const struct ctl *ctl, const json_t *object, const char *text, struct err *e);

/* ---- job.c: what run and create share --------------------------------------- */

struct policy_flags {
	struct opt_list mounts, tmpfs, envs, secrets;
	const char *fuel, *cpu, *wall, *memory, *stack, *disk, *output, *fds, *host_calls;
	const char *clock_resolution;
	bool no_random;
};

struct job {
	struct policy_flags flags;
	const char *name, *policy; /* the policy's file */
	const char *restart;
	bool print_policy, interactive, reactor;
	bool open_stdin; /* the daemon keeps its standard input open for attach */
	/* Of run only. */
	bool detach, terminal, rm;
	const char *status_fd;
};

void job_done(struct job *j);
/* Uploads, if need be, and creates; or prints the policy: then *ret is NULL. */
MUST_CHECK int job_create(struct ctl *ctl, const struct job *j, int argc, char **argv,
			  json_t **ret_instance, struct err *e);
/* Sends a file's bytes; *ret is the module. */
MUST_CHECK int module_upload(struct ctl *ctl, const char *file, const char *name, json_t **ret,
			     struct err *e);

/* @before?KEY=VALUE&..., escaped and to be freed; pairs without a value are left out. */
MUST_CHECK int query_string(const char *const (*pairs)[2], size_t n, const char *before, char **ret,
			    struct err *e);
/* "/v1/KIND/REF" and @tail, to be freed. */
MUST_CHECK int api_path(const char *kind, const char *ref, const char *tail, char **ret,
			struct err *e);

/* ---- policyflags.c ------------------------------------------------------------ */

/* Whether any flag makes policy (an -e that only passes a value does not). */
const char *policy_flags_used(const struct policy_flags *f);
/* The document that the flags stand for; the built-in one when there are none. */
MUST_CHECK int policy_from_flags(const struct policy_flags *f, char **ret_text, struct err *e);
/* Reads a policy's file and checks it. */
MUST_CHECK int policy_from_file(const char *file, char **ret_text, size_t *ret_len, struct err *e);
/* Turns `line L, column C, rest` into `FILE:L:C: rest`. */
void policy_place(const char *file, struct err *e);
/* The values of all variables that @text lets pass and the caller has. */
MUST_CHECK int policy_env(const struct policy_flags *f, const char *text, size_t len,
			  json_t **ret_env, struct err *e);
/* "5e9", "5000000000" -> a whole number. */
MUST_CHECK int policy_count(const char *flag, const char *text, json_int_t *ret, struct err *e);

/* ---- follow.c --------------------------------------------------------------- */

struct follow_options {
	const char *label;	 /* what the instance is called in messages */
	const char *policy_file; /* NULL: the policy came from no file */
};

/* Keeps SIGINT and SIGTERM for follow(), which turns them into stop and kill,
 * and SIGTSTP, which it turns into pause and resume. */
void follow_block_signals(void);
/* Starts @id with our own standard streams and sees it to its end. */
MUST_CHECK int follow(struct ctl *ctl, const char *id, const struct follow_options *o,
		      json_t **ret_instance, struct err *e);
/* A new instance that could not be started leaves no record behind; with
 * @ended not even the one that the daemon has made of its failure. */
void follow_forget(struct ctl *ctl, const char *id, bool ended);
/* Tells of one denial and what would allow it; @policy_file may be NULL. */
void follow_denial(const json_t *d, const char *policy_file);
/* The exit status for an instance that has ended, by causes.def. */
int follow_status(const json_t *instance);
/* Says how it ended, unless it ended by itself. */
void follow_epitaph(const json_t *instance, const char *label);

/* ---- terminal.c ------------------------------------------------------------- */

/* What a guest, or we, may change of the descriptors 0 to 2: kept, and put back. */
struct terminal;
struct terminal *terminal_keep(void); /* NULL when memory is short: nothing is kept */
/* Lines are edited and echoed as ever, but ctrl-p and ctrl-q come through. */
void terminal_attach(const struct terminal *t);
void terminal_restore(const struct terminal *t);
struct terminal *terminal_free(struct terminal *t); /* restores, too */

#endif
