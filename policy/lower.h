/*
 * Between the lowerings and the image: each turns a struct policy into the
 * material of one fence.
 */
#ifndef POLICY_LOWER_H
#define POLICY_LOWER_H

#include <linux/filter.h>

#include "policy/prog.h"
#include "wasmd/policy.h"
#include "wasmd/vec.h"

/* ---- verdicts in r0 ------------------------------------------------------- */

#define VERDICT_VALUE	   0xffffu /* an errno, or VERDICT_KILL; 0 allows */
#define VERDICT_KILL	   0x8000u
#define VERDICT_RECORD	   0x10000u
#define VERDICT_COMPLAINED 0x20000u
#define VERDICT_RULE(r)	   ((uint64_t)(r) << 32) /* or POLICY_NO_RULE */

/* ---- the gate -------------------------------------------------------------- */

/* Which objects of an operation carry a descriptor or a path, bit per index. */
unsigned gate_objects(enum gate_op op);
/* The sets that @op always belongs to. */
uint32_t gate_static_sets(enum gate_op op);
/* Do its sets depend on what is asked? */
bool gate_sets_vary(enum gate_op op);

/* Where the code of which operations begins, bit per enum gate_op. */
struct gate_part {
	size_t at;
	uint64_t ops;
};

struct gate_lowered {
	VEC(struct insn) code; /* with glob numbers = rule numbers among rules with paths */
	VEC(uint32_t) rules;   /* per instruction: the rule it comes from, or POLICY_NO_RULE */
	VEC(struct gate_part) parts;
	uint64_t refused; /* operations no argument can make allowed */
	bool paths;
};

/* Rules -> eBPF. @ret is emptied by gate_lowered_done whatever happens. */
MUST_CHECK int lower_gate(const struct policy *p, struct gate_lowered *ret, struct err *e);
void gate_lowered_done(struct gate_lowered *g);

/* ---- kernel fences ---------------------------------------------------------- */

/* Every LANDLOCK_ACCESS_FS_* right there is up to ABI 7. */
uint64_t landlock_handled(void);
uint64_t landlock_mount(bool write);

struct seccomp_lowered {
	struct sock_filter *at; /* malloc'ed */
	size_t n;
};

/* The filter of a worker that may do @base and the operations not @refused. */
MUST_CHECK int lower_seccomp(uint64_t refused, const char *const *base, struct seccomp_lowered *ret,
			     struct err *e);

#endif
