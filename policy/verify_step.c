/*
 * What holds at each instruction, found by walking the order once: a state
 * waits at every instruction that control can reach, joined from all paths.
 * A loop is walked round by round, each round with its own state, until none
 * flows back to its head: so its bound is proved, and so the longest path is
 * counted. Nothing is pruned; a loop without bound runs out of work.
 */
#include "policy/verify.h"

#include "policy/alu.h"
#include "wasmd/fault.h"

#define MOST_OFFSET (INT64_C(1) << 29) /* of a pointer from its block's begin */

/* ---- flowing -------------------------------------------------------------- */

/* Moves @s to where control goes next; it is no longer the caller's. */
static int flow(struct verify *v, size_t to, struct state *s)
{
	if (v->wait[to] != NULL) {
		state_join(v->wait[to], s);
		(void)state_free(s);
		return 0;
	}
	v->wait[to] = s;
	if (++v->waiting <= LIM_BPF_WAIT)
		return 0;
	return verify_bad(v, to, "more than %u paths wait to be joined", LIM_BPF_WAIT);
}

static struct reg *reg_at(struct state *s, unsigned r)
{
	return &state_top(s)->reg[r];
}

static int check_read(struct verify *v, size_t i, struct state *s, unsigned r)
{
	const struct reg *reg = reg_at(s, r);
	char text[96];

	if (reg->type == REG_UNSET)
		return verify_bad(v, i, "r%u is read before it is written", r);
	if (reg->type != REG_MIXED)
		return 0;
	reg_text(reg, text, sizeof(text));
	return verify_bad(v, i, "r%u is %s", r, text);
}

/* The registers that the row's letters name. */
static int check_reads(struct verify *v, size_t i, struct state *s)
{
	const struct insn *in = &v->at[i];
	enum insn_form form = insn_info(in->op).form;
	const char *c = form == FORM_ATOMIC ? atomic_info(in->imm).reads : form_info(form).reads;

	for (; *c != '\0' && *c != 'h'; c++)
		if (check_read(v, i, s, *c == 'd' ? in->dst : *c == 's' ? in->src : 0) < 0)
			return v->e->code;
	return 0;
}

/* ---- arithmetic ------------------------------------------------------------- */

static int bad_operand(struct verify *v, size_t i, unsigned r, const struct reg *reg,
		       const char *want)
{
	char text[96];

	reg_text(reg, text, sizeof(text));
	return verify_bad(v, i, "r%u is %s, expected %s", r, text, want);
}

static int move_pointer(struct verify *v, size_t i, struct reg *p, unsigned op, struct range by)
{
	p->r = range_alu(op, true, false, p->r, by);
	if (p->r.smin >= -MOST_OFFSET && p->r.smax <= MOST_OFFSET)
		return 0;
	return verify_bad(v, i, "moves a pointer by a number that has no bound");
}

/* One of the operands is a pointer. */
static int pointer_alu(struct verify *v, size_t i, struct reg *d, const struct reg *s)
{
	const struct insn *in = &v->at[i];
	unsigned op = in->op & 0xf0;
	bool movable = d->type == REG_CTX || d->type == REG_STACK || d->type == REG_VALUE;
	struct reg was = *d;

	if ((in->op & 7) != 7 || (op != ALU_add && op != ALU_sub))
		return bad_operand(v, i, reg_is_pointer(d) ? in->dst : in->src,
				   reg_is_pointer(d) ? d : s, "a number");
	if (movable && s->type == REG_NUMBER)
		return move_pointer(v, i, d, op, s->r);
	if (op == ALU_add && d->type == REG_NUMBER &&
	    (s->type == REG_CTX || s->type == REG_STACK || s->type == REG_VALUE)) {
		*d = *s;
		return move_pointer(v, i, d, op, was.r);
	}
	if (op == ALU_sub && movable && s->type == d->type && s->frame == d->frame &&
	    s->map == d->map) {
		*d = reg_number(range_alu(op, true, false, d->r, s->r));
		return 0;
	}
	return bad_operand(v, i, in->dst, d, "a number");
}

static int alu(struct verify *v, size_t i, struct state *s, enum insn_form form)
{
	const struct insn *in = &v->at[i];
	struct reg *d = reg_at(s, in->dst), src = reg_number(range_one((uint64_t)(int64_t)in->imm));
	unsigned op = in->op & 0xf0;
	bool is64 = (in->op & 7) == 7;

	if (in->op & 8)
		src = *reg_at(s, in->src);
	if (form == FORM_MOV_X && is64 && in->off == 0) {
		*d = src;
		return 0;
	}
	if (op == ALU_mov && src.type != REG_NUMBER)
		return bad_operand(v, i, in->src, &src, "a number");
	if (op == ALU_mov) {
		*d = reg_number(range_extend(src.r, in->off, is64));
		return 0;
	}
	if (reg_is_pointer(d) || (form != FORM_NEG && reg_is_pointer(&src)))
		return pointer_alu(v, i, d, &src);
	*d = reg_number(range_alu(op, is64, in->off != 0, d->r, src.r));
	return 0;
}

static int end(struct verify *v, size_t i, struct state *s)
{
	const struct insn *in = &v->at[i];
	struct reg *d = reg_at(s, in->dst);

	if (d->type != REG_NUMBER)
		return bad_operand(v, i, in->dst, d, "a number");
	*d = reg_number(range_end(in->op, in->imm, d->r));
	return 0;
}

static int lddw(struct verify *v, size_t i, struct state *s)
{
	const struct insn *in = &v->at[i];
	uint32_t lo = (uint32_t)in->imm, hi = (uint32_t)in[1].imm;
	struct reg *d = reg_at(s, in->dst);

	if (in->src == 0) {
		*d = reg_number(range_one(lo | (uint64_t)hi << 32));
		return 0;
	}
	if (lo >= v->world->n_maps)
		return verify_bad(v, i, "map %u, there are %zu", lo, v->world->n_maps);
	*d = (struct reg){
		.type = in->src == 1 ? REG_MAP : REG_VALUE,
		.map = (uint16_t)lo,
		.r = range_one(in->src == 1 ? 0 : hi),
	};
	if (in->src == 1 && hi != 0)
		return verify_bad(v, i, "its second immediate must be 0, found %u", hi);
	if (in->src == 2 && !v->world->maps[lo].direct)
		return verify_bad(v, i, "map %u has no single value to point into", lo);
	return 0;
}

/* ---- branches ----------------------------------------------------------------- */

/* Both are pointers into one block: their offsets compare as signed numbers. */
static bool assume_offsets(unsigned cond, struct reg *a, struct reg *b)
{
	switch (cond) {
	case COND_jgt:
		return range_assume(COND_jsgt, true, &a->r, &b->r);
	case COND_jge:
		return range_assume(COND_jsge, true, &a->r, &b->r);
	case COND_jlt:
		return range_assume(COND_jslt, true, &a->r, &b->r);
	case COND_jle:
		return range_assume(COND_jsle, true, &a->r, &b->r);
	case COND_jeq:
	case COND_jne:
		return range_assume(cond, true, &a->r, &b->r);
	default:
		return true;
	}
}

struct branch {
	unsigned cond;
	bool is64, null_test; /* a pointer compared with 0 */
};

/* Narrows @s to where @cond holds; false where it never does. */
static bool assume(struct state *s, const struct insn *in, struct branch b, unsigned cond)
{
	struct reg *d = reg_at(s, in->dst), *x = reg_at(s, in->src);
	uint64_t imm = b.is64 ? (uint64_t)(int64_t)in->imm : (uint32_t)in->imm;
	struct range k = range_one(imm);

	if (b.null_test) {
		if (d->type != REG_MAYBE)
			return cond == COND_jne;
		if (d->id != 0)
			state_null(s, d->id, cond == COND_jeq);
		else if (cond == COND_jeq)
			*d = reg_number(range_one(0));
		else
			d->type = REG_VALUE;
		return true;
	}
	if (reg_is_pointer(d))
		return assume_offsets(cond, d, x);
	return range_assume(cond, b.is64, &d->r, (in->op & 8) != 0 ? &x->r : &k);
}

static int check_comparison(struct verify *v, size_t i, struct state *s, struct branch *b)
{
	const struct insn *in = &v->at[i];
	const struct reg *d = reg_at(s, in->dst), *x = reg_at(s, in->src);
	bool with_reg = (in->op & 8) != 0, zero;

	if (d->type == REG_NUMBER && (!with_reg || x->type == REG_NUMBER))
		return 0;
	zero = with_reg ? x->type == REG_NUMBER && range_is_one(x->r) && x->r.umin == 0
			: in->imm == 0;
	b->null_test = reg_is_pointer(d) && zero && b->is64 &&
		       (b->cond == COND_jeq || b->cond == COND_jne);
	if (b->null_test)
		return 0;
	if (with_reg && b->is64 && d->type == x->type && d->frame == x->frame && d->map == x->map &&
	    (d->type == REG_CTX || d->type == REG_STACK || d->type == REG_VALUE))
		return 0;
	return verify_bad(v, i, "compares a pointer with something else than 0 or its like");
}

static int flow_if(struct verify *v, size_t to, struct state *s, bool possible)
{
	if (possible)
		return flow(v, to, s);
	(void)state_free(s);
	return 0;
}

static int jcc(struct verify *v, size_t i, struct state *s)
{
	const struct insn *in = &v->at[i];
	struct branch b = { .cond = in->op & 0xf0, .is64 = (in->op & 7) == 5 };
	struct state *taken;
	size_t next[2];

	if (check_comparison(v, i, s, &b) < 0) {
		(void)state_free(s);
		return v->e->code;
	}
	taken = state_copy(s);
	if (taken == NULL) {
		(void)state_free(s);
		return err_nomem(v->e);
	}
	(void)verify_next(v, i, next);
	if (flow_if(v, next[1], taken, assume(taken, in, b, b.cond)) < 0) {
		(void)state_free(s);
		return v->e->code;
	}
	return flow_if(v, next[0], s, assume(s, in, b, range_negation(b.cond)));
}

/* ---- functions ------------------------------------------------------------------- */

static int walk(struct verify *v, size_t from, size_t to);

static struct function *function_at(struct verify *v, size_t entry)
{
	struct function *f = v->func;

	while (f->entry != entry)
		f++;
	return f;
}

/* Walks @f from @s on; what it returns with, if it ever does, is v->ret. */
static int walk_function(struct verify *v, struct function *f, struct state *s)
{
	int r = flow(v, f->entry, s);

	f->active = true;
	if (r == 0)
		r = walk(v, f->from, f->to);
	f->active = false;
	return r;
}

static int local_call(struct verify *v, size_t i, struct state *s)
{
	size_t entry = (size_t)((int64_t)i + 1 + v->at[i].imm);
	struct function *f = function_at(v, entry);
	struct state *outer = v->ret;
	int r;

	if (f->active || s->depth == LIM_BPF_FRAMES) {
		(void)state_free(s);
		return f->active ? verify_bad(v, i, "the function at %zu calls itself", entry)
				 : verify_bad(v, i, "more than %u calls deep", LIM_BPF_FRAMES);
	}
	s = state_push(s);
	if (s == NULL)
		return err_nomem(v->e);
	v->ret = NULL;
	r = walk_function(v, f, s);
	s = v->ret;
	v->ret = outer;
	if (r < 0 || s == NULL) {
		(void)state_free(s);
		return r;
	}
	state_pop(s);
	return flow(v, i + 1, s);
}

/* A pointer into a stack that ends here must not outlive it. */
static int leave(struct verify *v, size_t i, struct state *s)
{
	const struct reg *r0 = reg_at(s, 0);

	if (s->depth == 1) {
		if (r0->type != REG_NUMBER)
			return bad_operand(v, i, 0, r0, "a number");
		v->worst = s->steps > v->worst ? s->steps : v->worst;
		(void)state_free(s);
		return 0;
	}
	if (r0->type == REG_STACK && r0->frame == s->depth - 1)
		return bad_operand(v, i, 0, r0, "nothing that ends with the function");
	if (v->ret == NULL) {
		v->ret = s;
		return 0;
	}
	state_join(v->ret, s);
	(void)state_free(s);
	return 0;
}

static int end_function(struct verify *v, size_t i, struct state *s)
{
	int r = leave(v, i, s);

	if (r < 0)
		(void)state_free(s);
	return r;
}

/* ---- walking ---------------------------------------------------------------------- */

/* What changes registers or memory and goes on behind itself. */
static int step_plain(struct verify *v, size_t i, struct state *s, enum insn_form form)
{
	switch (form) {
	case FORM_JA:
	case FORM_JA32:
		return 0;
	case FORM_CALL:
		return verify_helper(v, i, s);
	case FORM_LDDW:
		return lddw(v, i, s);
	case FORM_END:
		return end(v, i, s);
	case FORM_LDX:
	case FORM_ST:
	case FORM_STX:
	case FORM_ATOMIC:
		return verify_mem(v, i, s);
	default:
		return alu(v, i, s, form);
	}
}

static int step(struct verify *v, size_t i, struct state *s)
{
	enum insn_form form = insn_info(v->at[i].op).form;
	size_t next[2];

	s->steps++;
	if (check_reads(v, i, s) < 0) {
		(void)state_free(s);
		return v->e->code;
	}
	if (form == FORM_JCC_K || form == FORM_JCC_X)
		return jcc(v, i, s);
	if (form == FORM_EXIT)
		return end_function(v, i, s);
	if (insn_is_local_call(&v->at[i]))
		return local_call(v, i, s);
	if (step_plain(v, i, s, form) < 0) {
		(void)state_free(s);
		return v->e->code;
	}
	(void)verify_next(v, i, next);
	return flow(v, next[0], s);
}

static int step_waiting(struct verify *v, size_t i)
{
	struct state *s = v->wait[i];

	if (s == NULL)
		return 0;
	v->wait[i] = NULL;
	v->waiting--;
	if (++v->work <= LIM_BPF_WORK)
		return step(v, i, s);
	(void)state_free(s);
	return verify_bad(v, i, "%u instructions were looked at, and no end of the loops is proved",
			  LIM_BPF_WORK);
}

static int walk_loop(struct verify *v, size_t at)
{
	const struct place *head = &v->order[at];
	int r = 0;

	while (r == 0 && v->wait[head->insn] != NULL) {
		r = step_waiting(v, head->insn);
		if (r == 0)
			r = walk(v, at + 1, head->end);
	}
	return r;
}

static int walk(struct verify *v, size_t from, size_t to)
{
	int r = 0;

	while (r == 0 && from < to) {
		const struct place *p = &v->order[from];

		r = p->end != 0 ? walk_loop(v, from) : step_waiting(v, p->insn);
		from = p->end != 0 ? p->end : from + 1;
	}
	return r;
}

static struct state *begin(const struct verify *v)
{
	struct state *s = state_new();

	if (s == NULL)
		return NULL;
	s->frame[0].reg[1] = (struct reg){ .type = REG_CTX, .r = range_one(0) };
	if (v->world->tell_len)
		s->frame[0].reg[2] = reg_number(range_one(v->world->ctx_len));
	return s;
}

int verify_states(struct verify *v)
{
	struct state *s = begin(v);

	if (s == NULL)
		return err_nomem(v->e);
	return walk_function(v, &v->func[0], s);
}
