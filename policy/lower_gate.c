/*
 * Rules -> one eBPF program. It finds the operation by binary search, then
 * runs straight through the rules that can match it: operations that the
 * same rules name share their code. The semantics are design section 6:
 * first match of deny, kill or allow ends the rules; audit (and whatever
 * complains) records and goes on; of two objects allow needs both, the
 * others either; moving what a path rule protects, or what lies above it,
 * is denied.
 *
 * r6 context, r7 what was recorded so far, r8 operation, r9 descriptor.
 */
#include <errno.h>

#include "policy/lower.h"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

#define OBJ_FIELD(i, field)                                               \
	(offsetof(struct gate_req, obj) + (i) * sizeof(struct gate_obj) + \
	 offsetof(struct gate_obj, field))

/* ---- what gate.def says of an operation ------------------------------------- */

uint32_t gate_static_sets(enum gate_op op)
{
	static const uint32_t sets[] = {
#define GATE(name, sets, syscalls) (sets),
		WASMD_GATE_OPS(GATE)
#undef GATE
	};

	return sets[op];
}

unsigned gate_objects(enum gate_op op)
{
	static const char *const names[] = {
#define GATE(name, sets, syscalls) #name,
		WASMD_GATE_OPS(GATE)
#undef GATE
	};

	if (op == GATE_OP_path_rename || op == GATE_OP_path_link)
		return 3;
	if (op == GATE_OP_path_symlink)
		return 2; /* the first is the target's text */
	return strncmp(names[op], "fd_", 3) == 0 || strncmp(names[op], "path_", 5) == 0 ||
	       strncmp(names[op], "sock_", 5) == 0 || op == GATE_OP_poll_oneoff;
}

bool gate_sets_vary(enum gate_op op)
{
	return op == GATE_OP_path_open || op == GATE_OP_path_rename || op == GATE_OP_path_link;
}

/* ---- emitting ----------------------------------------------------------------- */

#define MAX_EXITS 16u	 /* forward jumps that leave one rule */
#define FAR	  16384u /* instructions; a jump reaches 32767 */

/* A jump to a verdict that is emitted behind the rules, so that calls which a
 * rule does not match run straight on. */
struct hit {
	size_t at;
	uint64_t v;
};

struct lower {
	const struct policy *p;
	struct gate_lowered *out;
	enum gate_op op;
	uint32_t rule;			  /* that is lowered, or POLICY_NO_RULE */
	bool recorders;			  /* r7 may hold something */
	uint32_t globs[LIM_POLICY_RULES]; /* rule -> glob number */
	VEC(struct hit) hits;
	struct err *e;
};

/* Jumps to a place not yet emitted. */
struct exits {
	size_t at[MAX_EXITS];
	size_t n;
};

/* Failure latches in @l->e, which the callers look at once per rule. */
static void emit(struct lower *l, uint8_t op, unsigned dst, unsigned src, int off, int32_t imm)
{
	struct insn *in;
	uint32_t *rule;

	if (l->e->code != 0)
		return;
	if (l->out->code.len >= LIM_BPF_INSNS) {
		(void)err_set(l->e, ERR_LIMIT, "the rules need more than %u instructions",
			      LIM_BPF_INSNS);
		return;
	}
	in = VEC_PUSH(&l->out->code);
	rule = VEC_PUSH(&l->out->rules);
	if (in == NULL || rule == NULL) {
		(void)err_nomem(l->e);
		return;
	}
	*rule = l->rule;
	*in = (struct insn){ op, (uint8_t)(dst & 15), (uint8_t)(src & 15), (int16_t)off, imm };
}

static void emit_const(struct lower *l, unsigned dst, uint64_t v)
{
	emit(l, INSN_lddw, dst, 0, 0, (int32_t)(uint32_t)v);
	emit(l, 0, 0, 0, 0, (int32_t)(uint32_t)(v >> 32));
}

static void emit_load(struct lower *l, uint8_t op, unsigned dst, size_t field)
{
	emit(l, op, dst, 6, (int)field, 0);
}

static void emit_exit(struct lower *l, struct exits *x, uint8_t op, unsigned reg, int32_t imm)
{
	x->at[x->n++] = l->out->code.len;
	emit(l, op, reg, 0, 0, imm);
}

/* Lands the jumps at the next instruction. */
static void land(struct lower *l, struct exits *x)
{
	for (size_t i = 0; l->e->code == 0 && i < x->n; i++)
		l->out->code.at[x->at[i]].off = (int16_t)(l->out->code.len - x->at[i] - 1);
	x->n = 0;
}

/* ---- does a rule match --------------------------------------------------------- */

static bool is_allow(const struct policy_rule *r)
{
	return r->then == POLICY_ALLOW && !r->audit;
}

static bool is_denial(const struct policy_rule *r)
{
	return r->then != POLICY_ALLOW;
}

enum select { NEVER, VARIES, ALWAYS };

/* Can @r be about @op, before its object is looked at? */
static enum select select_op(const struct policy_rule *r, enum gate_op op)
{
	uint32_t fixed = gate_static_sets(op);

	if (op == GATE_OP_proc_exit || ((r->fd >= 0 || r->path != NULL) && gate_objects(op) == 0))
		return NEVER;
	if (r->ops >> op & 1)
		return ALWAYS;
	if (gate_sets_vary(op) && r->sets != 0)
		return !is_allow(r) && (fixed & r->sets) != 0 ? ALWAYS : VARIES;
	return (fixed & r->sets) != 0 ? ALWAYS : NEVER;
}

/* Does a denial keep what lies at and below its path from being moved by @op? */
static bool protects(const struct policy_rule *r, enum gate_op op)
{
	return is_denial(r) && r->path != NULL &&
	       (op == GATE_OP_path_rename || op == GATE_OP_path_link);
}

static bool unconditional(const struct policy_rule *r, enum gate_op op)
{
	return select_op(r, op) == ALWAYS && r->fd < 0 && r->path == NULL;
}

/* Leaves through @miss unless the varying sets of object @i fit @r. */
static void match_sets(struct lower *l, const struct policy_rule *r, unsigned i, struct exits *miss)
{
	emit_load(l, INSN_ldxw, 1, OBJ_FIELD(i, sets));
	if (is_allow(r)) {
		emit(l, INSN_or32_k, 1, 0, 0, (int32_t)gate_static_sets(l->op));
		emit_exit(l, miss, INSN_jeq64_k, 1, 0);
		emit(l, INSN_and32_k, 1, 0, 0, (int32_t)~r->sets);
		emit_exit(l, miss, INSN_jne64_k, 1, 0);
	} else {
		emit(l, INSN_and32_k, 1, 0, 0, (int32_t)r->sets);
		emit_exit(l, miss, INSN_jeq64_k, 1, 0);
	}
}

static void emit_path(struct lower *l, const struct policy_rule *r, unsigned i, int32_t helper)
{
	emit(l, INSN_mov64_x, 1, 6, 0, 0);
	emit(l, INSN_mov64_k, 2, 0, 0, (int32_t)i);
	emit(l, INSN_mov64_k, 3, 0, 0, (int32_t)l->globs[r - l->p->rules]);
	emit(l, INSN_call, 0, 0, 0, helper);
}

static void match_object(struct lower *l, const struct policy_rule *r, unsigned i,
			 struct exits *miss)
{
	if (select_op(r, l->op) == VARIES)
		match_sets(l, r, i, miss);
	if (r->fd >= 0 && i == 0) {
		emit_exit(l, miss, INSN_jne64_k, 9, (int32_t)r->fd);
	} else if (r->fd >= 0) {
		emit_load(l, INSN_ldxdw, 1, OBJ_FIELD(i, fd));
		emit_exit(l, miss, INSN_jne64_k, 1, (int32_t)r->fd);
	}
	if (r->path != NULL) {
		emit_path(l, r, i, HELPER_path_match);
		emit_exit(l, miss, INSN_jeq64_k, 0, 0);
	}
}

/* Leaves through @miss unless @r matches; falls through when it does. */
static void match_rule(struct lower *l, const struct policy_rule *r, struct exits *miss)
{
	unsigned objects = gate_objects(l->op);
	struct exits next = { .n = 0 }, hit = { .n = 0 };

	if (unconditional(r, l->op))
		return;
	if (objects != 3 || is_allow(r)) {
		for (unsigned i = 0; i < 2; i++)
			if (objects >> i & 1)
				match_object(l, r, i, miss);
		return;
	}
	match_object(l, r, 0, &next);
	emit_exit(l, &hit, INSN_ja, 0, 0);
	land(l, &next);
	match_object(l, r, 1, miss);
	land(l, &hit);
}

/* ---- what a rule does ----------------------------------------------------------- */

static uint64_t verdict_of(const struct lower *l, const struct policy_rule *r, bool moved)
{
	uint64_t v = VERDICT_RULE(r - l->p->rules);

	if (r->audit)
		return v | VERDICT_RECORD;
	if (is_allow(r))
		return v;
	if (l->p->complain || r->complain)
		return v | VERDICT_RECORD | VERDICT_COMPLAINED;
	return v | VERDICT_RECORD |
	       (r->then == POLICY_KILL && !moved ? VERDICT_KILL : (unsigned)r->deny_errno);
}

/* Returns @v, or, when it allows, what was recorded on the way. */
static void emit_return(struct lower *l, uint64_t v)
{
	if (l->recorders && (v & VERDICT_VALUE) == 0) {
		emit(l, INSN_mov64_x, 0, 7, 0, 0);
		if (v & VERDICT_COMPLAINED)
			emit(l, INSN_jset64_k, 0, 0, 2, VERDICT_COMPLAINED);
		else
			emit(l, INSN_jne64_k, 0, 0, 2, 0);
	}
	emit_const(l, 0, v);
	emit(l, INSN_exit, 0, 0, 0, 0);
}

static bool ends(const struct lower *l, const struct policy_rule *r)
{
	return is_allow(r) || (is_denial(r) && !l->p->complain && !r->complain);
}

/* The first to record is kept, but a complaint is kept rather than an audit. */
static void emit_verdict(struct lower *l, const struct policy_rule *r, uint64_t v)
{
	if (ends(l, r)) {
		emit_return(l, v);
		return;
	}
	if (v & VERDICT_COMPLAINED)
		emit(l, INSN_jset64_k, 7, 0, 2, VERDICT_COMPLAINED);
	else
		emit(l, INSN_jne64_k, 7, 0, 2, 0);
	emit_const(l, 7, v);
}

/* Turns the jump that leaves when the last condition fails into one to the
 * verdict when it holds. False: the verdict has to follow here. */
static bool defer(struct lower *l, const struct policy_rule *r, struct exits *miss, uint64_t v)
{
	bool either = gate_objects(l->op) == 3 && !is_allow(r); /* also jumped to */
	struct hit *h;

	if (l->e->code != 0 || !ends(l, r) || either || miss->n == 0)
		return false;
	h = VEC_PUSH(&l->hits);
	if (h == NULL) {
		(void)err_nomem(l->e);
		return false;
	}
	*h = (struct hit){ miss->at[--miss->n], v };
	l->out->code.at[h->at].op ^= INSN_jeq64_k ^ INSN_jne64_k;
	return true;
}

static void emit_hits(struct lower *l)
{
	for (size_t i = 0; l->e->code == 0 && i < l->hits.len; i++) {
		struct exits here = { .at = { l->hits.at[i].at }, .n = 1 };

		l->rule = (uint32_t)(l->hits.at[i].v >> 32);
		land(l, &here);
		emit_return(l, l->hits.at[i].v);
	}
	l->rule = POLICY_NO_RULE;
	l->hits.len = 0;
}

/* Emits the verdicts that wait, should they get out of a jump's reach. */
static void keep_near(struct lower *l)
{
	struct exits over = { .n = 0 };

	if (l->hits.len == 0 || l->out->code.len - l->hits.at[0].at < FAR)
		return;
	emit_exit(l, &over, INSN_ja, 0, 0);
	emit_hits(l);
	land(l, &over);
}

/* True when nothing after it can be reached. */
static bool lower_rule(struct lower *l, const struct policy_rule *r)
{
	struct exits miss = { .n = 0 };

	if (select_op(r, l->op) != NEVER) {
		uint64_t v = verdict_of(l, r, false);

		match_rule(l, r, &miss);
		if (!defer(l, r, &miss, v))
			emit_verdict(l, r, v);
		land(l, &miss);
		if (unconditional(r, l->op) && ends(l, r))
			return true;
	}
	if (protects(r, l->op)) {
		emit_path(l, r, 0, HELPER_path_above);
		emit_exit(l, &miss, INSN_jeq64_k, 0, 0);
		emit_verdict(l, r, verdict_of(l, r, true));
		land(l, &miss);
	}
	return false;
}

static uint64_t default_verdict(const struct lower *l)
{
	uint64_t v = VERDICT_RULE(POLICY_NO_RULE);

	if (!l->p->default_deny || l->op == GATE_OP_proc_exit)
		return v;
	return v | VERDICT_RECORD | (l->p->complain ? VERDICT_COMPLAINED : EACCES);
}

/* ---- one operation ---------------------------------------------------------------- */

static bool concerns(const struct policy_rule *r, enum gate_op op)
{
	return select_op(r, op) != NEVER || protects(r, op);
}

/* Loads what the rules of @l->op will look at more than once. */
static void lower_prologue(struct lower *l)
{
	bool fd = false;

	l->recorders = false;
	for (size_t i = 0; i < l->p->n_rules; i++) {
		const struct policy_rule *r = &l->p->rules[i];

		if (!concerns(r, l->op))
			continue;
		fd |= r->fd >= 0 && (gate_objects(l->op) & 1) != 0;
		l->recorders |= !ends(l, r);
	}
	if (l->recorders)
		emit(l, INSN_mov64_k, 7, 0, 0, 0);
	if (fd)
		emit_load(l, INSN_ldxdw, 9, OBJ_FIELD(0, fd));
}

static void lower_op(struct lower *l, enum gate_op op)
{
	bool ended = false;

	l->op = op;
	lower_prologue(l);
	for (size_t i = 0; l->e->code == 0 && !ended && i < l->p->n_rules; i++) {
		l->rule = (uint32_t)i;
		if (concerns(&l->p->rules[i], op))
			ended = lower_rule(l, &l->p->rules[i]);
		l->rule = POLICY_NO_RULE;
		if (!ended)
			keep_near(l);
	}
	if (!ended)
		emit_return(l, default_verdict(l));
	emit_hits(l);
}

/* Can no argument make @op allowed? */
static bool refuses(struct lower *l, enum gate_op op)
{
	if (op == GATE_OP_proc_exit || l->p->complain)
		return false;
	for (size_t i = 0; i < l->p->n_rules; i++) {
		const struct policy_rule *r = &l->p->rules[i];

		if (select_op(r, op) == NEVER)
			continue;
		if (is_allow(r))
			return false;
		if (unconditional(r, op) && ends(l, r))
			return true;
	}
	return l->p->default_deny;
}

/* ---- the program -------------------------------------------------------------------- */

/* Operations that run the same code. */
struct class
{
	enum gate_op op; /* the first of them */
	size_t start;	 /* of its code */
};

struct span {
	enum gate_op from;
	size_t class;
};

struct layout {
	struct class classes[GATE_OP_COUNT];
	size_t n_classes;
	struct span spans[GATE_OP_COUNT];
	size_t n_spans;
	size_t jumps[GATE_OP_COUNT]; /* the jump that leaves each span's leaf */
};

/* May @a run the code of @b? Sets that vary are compiled in: never. */
static bool same_code(const struct policy *p, enum gate_op a, enum gate_op b)
{
	if (gate_sets_vary(a) || gate_sets_vary(b) || gate_objects(a) != gate_objects(b))
		return false;
	if (a == GATE_OP_proc_exit || b == GATE_OP_proc_exit)
		return a == b;
	for (size_t i = 0; i < p->n_rules; i++)
		if (select_op(&p->rules[i], a) != select_op(&p->rules[i], b))
			return false;
	return true;
}

static size_t class_of(const struct policy *p, struct layout *y, enum gate_op op)
{
	for (size_t i = 0; i < y->n_classes; i++)
		if (same_code(p, y->classes[i].op, op))
			return i;
	y->classes[y->n_classes].op = op;
	return y->n_classes++;
}

static void lay_out(const struct policy *p, struct layout *y)
{
	for (unsigned op = 0; op < GATE_OP_COUNT; op++) {
		size_t class = class_of(p, y, (enum gate_op)op);

		if (y->n_spans == 0 || y->spans[y->n_spans - 1].class != class)
			y->spans[y->n_spans++] = (struct span){ (enum gate_op)op, class };
	}
}

/* Binary search over spans [lo, hi): the operation is in r8. */
static void emit_search(struct lower *l, struct layout *y, size_t lo, size_t hi)
{
	size_t mid = lo + (hi - lo) / 2;
	struct exits right = { .n = 0 };

	if (hi - lo == 1) {
		y->jumps[lo] = l->out->code.len;
		emit(l, INSN_ja32, 0, 0, 0, 0);
		return;
	}
	emit_exit(l, &right, INSN_jge64_k, 8, (int32_t)y->spans[mid].from);
	emit_search(l, y, lo, mid);
	land(l, &right);
	emit_search(l, y, mid, hi);
}

/* The operations that run the code of @class. */
static uint64_t class_ops(const struct layout *y, size_t class)
{
	uint64_t ops = 0;

	for (size_t i = 0; i < y->n_spans; i++) {
		unsigned end = i + 1 < y->n_spans ? y->spans[i + 1].from : GATE_OP_COUNT;

		for (unsigned op = y->spans[i].from; y->spans[i].class == class && op < end; op++)
			ops |= UINT64_C(1) << op;
	}
	return ops;
}

static void begin_part(struct lower *l, const struct layout *y, size_t class)
{
	struct gate_part *part = VEC_PUSH(&l->out->parts);

	if (part == NULL)
		(void)err_nomem(l->e);
	else
		*part = (struct gate_part){ l->out->code.len, class_ops(y, class) };
}

static void emit_classes(struct lower *l, struct layout *y)
{
	for (size_t i = 0; l->e->code == 0 && i < y->n_classes; i++) {
		y->classes[i].start = l->out->code.len;
		begin_part(l, y, i);
		lower_op(l, y->classes[i].op);
	}
	for (size_t i = 0; l->e->code == 0 && i < y->n_spans; i++)
		l->out->code.at[y->jumps[i]].imm =
			(int32_t)(y->classes[y->spans[i].class].start - y->jumps[i] - 1);
}

static void number_globs(struct lower *l)
{
	uint32_t n = 0;

	for (size_t i = 0; i < l->p->n_rules; i++)
		l->globs[i] = l->p->rules[i].path != NULL ? n++ : 0;
	l->out->paths = n > 0;
}

int lower_gate(const struct policy *p, struct gate_lowered *ret, struct err *e)
{
	CLEANUP(free_p) struct lower *l = mem_new(1, sizeof(*l));
	struct layout y = { .n_classes = 0 };

	if (l == NULL)
		return err_nomem(e);
	l->p = p;
	l->out = ret;
	l->rule = POLICY_NO_RULE;
	l->e = e;
	number_globs(l);
	lay_out(p, &y);
	emit(l, INSN_mov64_x, 6, 1, 0, 0);
	emit_load(l, INSN_ldxw, 8, offsetof(struct gate_req, op));
	emit_search(l, &y, 0, y.n_spans);
	emit_classes(l, &y);
	for (unsigned op = 0; op < GATE_OP_COUNT; op++)
		ret->refused |= (uint64_t)refuses(l, (enum gate_op)op) << op;
	VEC_DONE(&l->hits);
	return e->code;
}

void gate_lowered_done(struct gate_lowered *g)
{
	VEC_DONE(&g->code);
	VEC_DONE(&g->rules);
	VEC_DONE(&g->parts);
}
