/*
 * The policy's face. One JSON document -> struct policy (what is granted,
 * limited and ruled) -> a policy image (bytes: limits, mounts, the gate's
 * eBPF program, its globs, the seccomp filter, the Landlock masks) -> a
 * judge. The daemon's front parses and compiles; the worker loads the image
 * from a sealed memfd, verifies its program again, and judges with it.
 *
 * The library makes no system call that changes anything; confinement
 * applies what is lowered here. It sees the gate only: no vm, no daemon.
 */
#ifndef WASMD_POLICY_H
#define WASMD_POLICY_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"
#include "wasmd/gate.h"

/* Fences that `isolation.require` can name. */
#define POLICY_FENCES(F)               \
	F(SECCOMP, "seccomp", 1)       \
	F(LANDLOCK, "landlock", 2)     \
	F(NAMESPACES, "namespaces", 4) \
	F(RLIMITS, "rlimits", 8)       \
	F(CGROUP, "cgroup", 16)

enum policy_fence {
#define F(id, text, bit) POLICY_FENCE_##id = (bit),
	POLICY_FENCES(F)
#undef F
};

/* 0 means: not limited by the policy (the tenant's or built-in bound holds). */
struct policy_limits {
	uint64_t memory; /* bytes of linear memory */
	uint64_t fuel;	 /* UINT64_MAX: unmetered */
	uint64_t cpu_ns, wall_ns;
	uint64_t stack;	 /* bytes of the guest's value stack */
	uint64_t fds;	 /* guest descriptors */
	uint64_t output; /* bytes to standard output and error */
	uint64_t disk;	 /* bytes written to files */
	uint64_t host_calls;
};

/* Limits that the worker's rlimits keep too: RLIMIT(field, RLIMIT_ name). The
 * worker sets them; tests/e2e holds this list against a running one. */
#define POLICY_RLIMITS(RLIMIT) \
	RLIMIT(memory, DATA)   \
	RLIMIT(cpu_ns, CPU)    \
	RLIMIT(fds, NOFILE)    \
	RLIMIT(disk, FSIZE)

struct policy_mount {
	const char *host;  /* absolute host path; NULL for a tmpfs */
	uint64_t tmpfs;	   /* bytes, when host is NULL */
	const char *guest; /* absolute, normalised guest path */
	const char **only; /* globs relative to the mount; n_only 0: everything */
	size_t n_only;
	bool write;
	uint32_t line; /* in the JSON text */
};

enum policy_verdict_kind { POLICY_ALLOW, POLICY_DENY, POLICY_KILL };

struct policy_rule {
	const char *id;	  /* never NULL: "rule-3" when the document gives none */
	uint32_t line;	  /* of the rule in the JSON text; 0: built in */
	uint64_t ops;	  /* bit per enum gate_op named by "on" */
	uint32_t sets;	  /* GATE_FS_READ | ... named by "on" */
	const char *path; /* glob over resolved guest paths, or NULL */
	int64_t fd;	  /* guest descriptor, or -1 for any */
	enum policy_verdict_kind then;
	int deny_errno; /* Linux number; EACCES unless the document says */
	bool audit;	/* "audit": record and go on to the next rule */
	bool complain;	/* recorded, not enforced */
};

/* The parsed document. All strings belong to it. */
struct policy {
	const char *name;
	bool complain;
	uint32_t require; /* enum policy_fence bits; default: the first four */
	struct policy_limits limits;
	bool args, random;
	const char **env_pass;	   /* NULL-terminated names */
	const char **env_set;	   /* NULL-terminated "NAME=value" */
	const char **env_secret;   /* NULL-terminated "API_KEY=name of the secret" */
	uint64_t clock_resolution; /* ns */
	struct policy_mount *mounts;
	size_t n_mounts;
	struct policy_rule *rules;
	size_t n_rules;
	bool default_deny;
	uint32_t default_line;
};

/* Sentences read `line 14, column 9, $.rules[0].then: found "dney", expected
 * "deny", "allow", ...: did you mean "deny"?`. ERR_POLICY, ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK int policy_parse(const char *text, size_t len, struct policy **ret, struct err *e);
struct policy *policy_free(struct policy *p);

/* The text of the built-in `minimal` policy: what an instance gets without one. */
const char *policy_minimal(void);

/* ---- the image ---------------------------------------------------------- */

/* Lowers @p to every fence. @base names the system calls that every worker
 * needs whatever its policy (NULL-terminated). *ret is one malloc'ed block,
 * position independent, to be freed with free(3). */
MUST_CHECK int policy_compile(const struct policy *p, const char *const *base, void **ret,
			      size_t *ret_len, struct err *e);

/* A checked view of an image; pointers reach into it. */
struct policy_image_mount {
	const char *guest;
	bool write, tmpfs;
	uint64_t landlock; /* LANDLOCK_ACCESS_FS_* granted below it */
};

struct policy_judge;

/* Checks every offset, verifies the program, prepares to judge. The bytes are
 * hostile and borrowed. ERR_POLICY names the instruction or field. */
MUST_CHECK int policy_load(const void *image, size_t len, struct policy_judge **ret, struct err *e);
struct policy_judge *policy_judge_free(struct policy_judge *j);

const struct policy_limits *policy_judge_limits(const struct policy_judge *j);
size_t policy_judge_n_mounts(const struct policy_judge *j);
struct policy_image_mount policy_judge_mount(const struct policy_judge *j, size_t i);
/* LANDLOCK_ACCESS_FS_* that the instance's domain handles. */
uint64_t policy_judge_landlock_handled(const struct policy_judge *j);
/* The worker's own filter, to be stacked on the zygote's. */
struct sock_fprog policy_judge_seccomp(const struct policy_judge *j);
uint64_t policy_judge_clock_resolution(const struct policy_judge *j);
bool policy_judge_random(const struct policy_judge *j);
uint32_t policy_judge_require(const struct policy_judge *j);
/* For struct gate: operations no argument can make allowed; whether rules look at paths. */
uint64_t policy_judge_refused(const struct policy_judge *j);
bool policy_judge_paths(const struct policy_judge *j);

/* Does any mount show only some of its files? For struct gate's visible. */
bool policy_judge_only(const struct policy_judge *j);
/* Does @rel exist below mount @i: a file that its globs match, a directory
 * that they match or on the way to what they could? */
bool policy_judge_visible(const struct policy_judge *j, size_t i, const char *rel, size_t len,
			  bool dir);

#define POLICY_NO_RULE UINT32_MAX

struct policy_verdict {
	int value;	 /* for the gate: 0, -errno or GATE_KILL */
	uint32_t rule;	 /* which rule decided, or POLICY_NO_RULE: the default */
	bool record;	 /* goes to the audit: denied, killed or asked for */
	bool complained; /* would have been denied */
};

/* Runs the verified program. Makes no system call. */
struct policy_verdict policy_judge(const struct policy_judge *j, const struct gate_req *req);

/* ---- explaining --------------------------------------------------------- */

/* The smallest change that would let this call through, as a sentence with
 * JSON to paste: "put {...} before rule "no-secrets" (line 14)". */
void policy_explain(const struct policy *p, uint32_t rule, const char *call, const char *path,
		    char *buf, size_t size);

/* A call as people write it, read into the request that a guest's call would
 * be: `path_open /in/a.txt write create`, `fd_write stdout`, `clock_time_get`. */
struct policy_call {
	struct gate_req req; /* its paths are the words */
	const char *name;
	bool dir; /* it is about a directory */
};

/* ERR_USAGE, with the nearest name. */
MUST_CHECK int policy_call_read(const char *const *words, size_t n, struct policy_call *ret,
				struct err *e);

/* The name of an error that a denial can have, or ERR_USAGE with the nearest. */
MUST_CHECK int policy_check_error(const char *name, struct err *e);

enum policy_by { POLICY_BY_GRANT, POLICY_BY_RULE, POLICY_BY_DEFAULT };

struct policy_answer {
	enum policy_verdict_kind verdict;
	const char *error; /* what the guest gets, when denied: "acces" */
	enum policy_by by;
	uint32_t rule;	  /* that the gate named, or POLICY_NO_RULE */
	bool ruled_out;	  /* the gate denies it, whatever is granted */
	bool recorded;	  /* goes to the audit */
	bool complained;  /* would have been denied */
	char why[320];	  /* POLICY_BY_GRANT: what is not granted */
	char change[640]; /* what would be, beside a rule */
};

/* Judges @c by what @p grants, and by the program that enforces its rules. */
void policy_answer(const struct policy *p, const struct policy_judge *j,
		   const struct policy_call *c, struct policy_answer *ret);

/* The smallest change that turns the answer round, as a sentence. */
void policy_flip(const struct policy *p, const struct policy_call *c, const struct policy_answer *a,
		 char *buf, size_t size);

/* ---- looking at it -------------------------------------------------------- */

/* The gate's program: eBPF in its wire form, as text that assembles to the
 * same bytes, and how many instructions it runs at most, as proved. */
struct policy_program {
	void *code;
	size_t len; /* bytes */
	char *text;
	uint64_t worst;
};

MUST_CHECK int policy_program(const struct policy *p, struct policy_program *ret, struct err *e);
void policy_program_done(struct policy_program *g);

/* What keeps a part of a policy: the worker's own code and its gate, which an
 * attacker inside it has passed, and the kernel's fences, which he has not. */
#define POLICY_HOLDERS(H)          \
	H(WORKER, "worker", 1)     \
	H(GATE, "gate", 2)         \
	H(MOUNTS, "mounts", 4)     \
	H(LANDLOCK, "Landlock", 8) \
	H(SECCOMP, "seccomp", 16)  \
	H(RLIMITS, "rlimits", 32)

enum policy_holder {
#define H(id, text, bit) POLICY_HELD_##id = (bit),
	POLICY_HOLDERS(H)
#undef H
};

#define POLICY_HELD_TEXT 512

struct policy_held {
	char what[160]; /* "rule no-secrets", "mount /in: ro" */
	uint32_t line;	/* or 0 */
	unsigned by;	/* enum policy_holder bits; 0: without it nothing changes */
	char why[POLICY_HELD_TEXT];
};

typedef void policy_held_fn(void *arg, const struct policy_held *h);

/* Calls @fn for each grant, limit and rule of @p. @base as policy_compile. */
MUST_CHECK int policy_fences(const struct policy *p, const char *const *base, policy_held_fn *fn,
			     void *arg, struct err *e);

/* The same document in canonical form: keys in the schema's order. *ret is to
 * be freed. ERR_POLICY as policy_parse. */
MUST_CHECK int policy_format(const char *text, size_t len, char **ret, struct err *e);

/* The name nearest to @name among @names (@n of them), or NULL when none is
 * near: for "did you mean". */
const char *policy_nearest(const char *name, const char *const *names, size_t n);

#endif
