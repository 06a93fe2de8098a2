/*
 * The verifier's first passes over a program of hostile origin: each
 * instruction by its row (known, reserved fields zero, registers, ranges),
 * and where control can go (inside, no middle of lddw, no fall off the end).
 * Then the order is found, and with it what holds at each instruction.
 */
#include "policy/verify.h"

#include <stdarg.h>

#include "wasmd/fault.h"
#include "wasmd/vec.h"

int verify_bad(struct verify *v, size_t i, const char *fmt, ...)
{
	struct insn_info row = insn_info(v->at[i].op);
	char why[240];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(v->e, ERR_POLICY, "instruction %zu (%s): %s", i,
		       row.text != NULL ? row.text : "unknown", why);
}

/* ---- one instruction by its row ---------------------------------------- */

/* RFC 9669 gives these a meaning; no policy has a use for them. */
static bool lax(const struct verify *v)
{
	return (v->flags & VERIFY_LAX) != 0;
}

static bool row_uses(const char *letters, char c)
{
	return strchr(letters, c) != NULL;
}

static bool row_has_dst(enum insn_form form)
{
	struct form_info f = form_info(form);

	return form == FORM_ATOMIC || row_uses(f.reads, 'd') || row_uses(f.writes, 'd');
}

static int check_regs(struct verify *v, size_t i, enum insn_form form)
{
	const struct insn *in = &v->at[i];
	struct form_info f = form_info(form);

	if (in->dst >= N_REGS)
		return verify_bad(v, i, "register r%u does not exist", in->dst);
	if (in->src >= N_REGS)
		return verify_bad(v, i, "register r%u does not exist", in->src);
	if (!row_has_dst(form) && in->dst != 0)
		return verify_bad(v, i, "the destination field must be 0, found %u", in->dst);
	if ((f.src == '0' && in->src != 0) || (f.src == 'c' && in->src > 1) ||
	    (f.src == 'p' && in->src > 2))
		return verify_bad(v, i, "the source field must be %s, found %u",
				  f.src == '0'	 ? "0"
				  : f.src == 'c' ? "0 or 1"
						 : "0, 1 or 2",
				  in->src);
	if (row_uses(f.writes, 'd') && in->dst == REG_FRAME)
		return verify_bad(v, i, "r10 is the frame pointer and is read-only");
	return 0;
}

static int check_off(struct verify *v, size_t i, char rule)
{
	int16_t off = v->at[i].off;
	bool is64 = (v->at[i].op & 7) == 7;

	switch (rule) {
	case '0':
		return off == 0 ? 0 : verify_bad(v, i, "the offset field must be 0, found %d", off);
	case 's':
		return off == 0 || off == 1 ? 0
					    : verify_bad(v, i, "offset %d is neither 0 nor 1", off);
	case 'x':
		if (off == 0 || off == 8 || off == 16 || (off == 32 && is64))
			return 0;
		return verify_bad(v, i, "cannot extend the sign of %d bits", off);
	default:
		return 0;
	}
}

static int check_shift(struct verify *v, size_t i)
{
	unsigned width = (v->at[i].op & 7) == 7 ? 64 : 32;

	if (lax(v) || (uint32_t)v->at[i].imm < width)
		return 0;
	return verify_bad(v, i, "shift by %d, expected 0 to %u", v->at[i].imm, width - 1);
}

static int check_lddw(struct verify *v, size_t i)
{
	const struct insn *hi;

	if (i + 1 >= v->n)
		return verify_bad(v, i, "its second half is missing");
	hi = &v->at[i + 1];
	if (hi->op != 0 || hi->dst != 0 || hi->src != 0 || hi->off != 0)
		return verify_bad(v, i, "its second half has fields that must be 0");
	v->mid[i + 1] = 1;
	return 0;
}

static int check_imm(struct verify *v, size_t i, char rule)
{
	int32_t imm = v->at[i].imm;

	switch (rule) {
	case '0':
		return imm == 0 ? 0
				: verify_bad(v, i, "the immediate field must be 0, found %d", imm);
	case 'n':
		return imm != 0 || lax(v) ? 0 : verify_bad(v, i, "division by zero");
	case '<':
		return check_shift(v, i);
	case 'e':
		if (imm == 16 || imm == 32 || imm == 64)
			return 0;
		return verify_bad(v, i, "width %d, expected 16, 32 or 64", imm);
	case 'h':
		if (v->at[i].src == 1 || helper_info(imm).name != NULL)
			return 0;
		return verify_bad(v, i, "no helper %d", imm);
	case 'a':
		return atomic_info(imm).text != NULL ? 0
						     : verify_bad(v, i, "no operation %#x", imm);
	case 'w':
		return check_lddw(v, i);
	default:
		return 0;
	}
}

static int check_insn(struct verify *v, size_t i)
{
	struct insn_info row = insn_info(v->at[i].op);
	struct form_info f = form_info(row.form);
	int r;

	if (row.text == NULL)
		return verify_bad(v, i, "opcode 0x%02x is not one of eBPF's claimed groups",
				  v->at[i].op);
	r = check_regs(v, i, row.form);
	if (r == 0)
		r = check_off(v, i, f.off);
	return r == 0 ? check_imm(v, i, f.imm) : r;
}

static int check_insns(struct verify *v)
{
	for (size_t i = 0; i < v->n; i += insn_info(v->at[i].op).form == FORM_LDDW ? 2 : 1) {
		int r = check_insn(v, i);

		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- control flow ------------------------------------------------------- */

static bool is_jump(enum insn_form form)
{
	return form == FORM_JA || form == FORM_JA32 || form == FORM_JCC_K || form == FORM_JCC_X;
}

static bool ends(enum insn_form form)
{
	return form == FORM_EXIT || form == FORM_JA || form == FORM_JA32;
}

/* Of a jump or a local call. */
static int64_t target(const struct insn *in, size_t i, enum insn_form form)
{
	return (int64_t)i + 1 + (form == FORM_JA32 || form == FORM_CALL ? in->imm : in->off);
}

unsigned verify_next(const struct verify *v, size_t i, size_t ret[2])
{
	enum insn_form form = insn_info(v->at[i].op).form;
	unsigned n = 0;

	if (!ends(form))
		ret[n++] = i + (form == FORM_LDDW ? 2 : 1);
	if (is_jump(form))
		ret[n++] = (size_t)target(&v->at[i], i, form);
	return n;
}

static int check_target(struct verify *v, size_t i, enum insn_form form)
{
	const char *does = form == FORM_CALL ? "calls" : "jumps to";
	int64_t to = target(&v->at[i], i, form);

	if (to < 0 || to >= (int64_t)v->n)
		return verify_bad(v, i, "%s %lld, outside the program", does, (long long)to);
	if (v->mid[to])
		return verify_bad(v, i, "%s %lld, into the middle of lddw", does, (long long)to);
	return 0;
}

static int add_function(struct verify *v, size_t entry)
{
	for (size_t f = 0; f < v->n_func; f++)
		if (v->func[f].entry == entry)
			return 0;
	if (v->n_func == LIM_BPF_FUNCS)
		return verify_bad(v, entry, "more than %u functions", LIM_BPF_FUNCS);
	if (!vec_room(&v->func, &v->cap_func, v->n_func + 1, sizeof(*v->func)))
		return err_nomem(v->e);
	v->func[v->n_func++] = (struct function){ .entry = (uint32_t)entry };
	return 0;
}

static int check_flow_of(struct verify *v, size_t i, enum insn_form form)
{
	bool calls = insn_is_local_call(&v->at[i]);

	if ((is_jump(form) || calls) && check_target(v, i, form) < 0)
		return v->e->code;
	if (calls && add_function(v, (size_t)target(&v->at[i], i, form)) < 0)
		return v->e->code;
	if (i + (form == FORM_LDDW ? 2 : 1) == v->n && !ends(form))
		return verify_bad(v, i, "control falls off the end of the program");
	return 0;
}

static int check_flow(struct verify *v)
{
	if (add_function(v, 0) < 0)
		return v->e->code;
	for (size_t i = 0; i < v->n; i++)
		if (!v->mid[i] && check_flow_of(v, i, insn_info(v->at[i].op).form) < 0)
			return v->e->code;
	return 0;
}

/* ---- the whole ---------------------------------------------------------- */

static bool uses_stack(const struct insn *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i].dst == REG_FRAME || at[i].src == REG_FRAME)
			return true;
	return false;
}

static int make(const struct verify *v, struct verified_prog **ret)
{
	struct verified_prog *p = mem_new(1, sizeof(*p) + v->n * sizeof(p->at[0]));

	if (p == NULL)
		return err_nomem(v->e);
	p->n = v->n;
	p->worst = v->worst;
	p->stack = uses_stack(v->at, v->n);
	prog_decode(v->at, v->n, p->at);
	*ret = p;
	return 0;
}

static bool room(struct verify *v)
{
	v->mid = mem_new(v->n, sizeof(*v->mid));
	v->order = mem_new(v->n, sizeof(*v->order));
	v->place_of = mem_new(v->n, sizeof(*v->place_of));
	v->wait = mem_new(v->n, sizeof(struct state *));
	return v->mid != NULL && v->order != NULL && v->place_of != NULL && v->wait != NULL;
}

static void done(struct verify *v)
{
	for (size_t i = 0; v->wait != NULL && i < v->n; i++)
		(void)state_free(v->wait[i]);
	(void)state_free(v->ret);
	free(v->wait);
	free(v->place_of);
	free(v->order);
	free(v->mid);
	free(v->func);
}

int prog_verify(const struct insn *at, size_t n, const struct prog_world *world, unsigned flags,
		struct verified_prog **ret, struct err *e)
{
	struct verify v = { .at = at, .n = n, .flags = flags, .world = world, .e = e };
	int r;

	if (n == 0)
		return err_set(e, ERR_POLICY, "the program is empty");
	if (n > LIM_BPF_INSNS)
		return err_set(e, ERR_LIMIT, "the program has %zu instructions, at most %u", n,
			       LIM_BPF_INSNS);
	r = room(&v) ? check_insns(&v) : err_nomem(e);
	if (r == 0)
		r = check_flow(&v);
	if (r == 0)
		r = verify_order(&v);
	if (r == 0 && (flags & VERIFY_SHAPE) == 0)
		r = verify_states(&v);
	if (r == 0)
		r = make(&v, ret);
	done(&v);
	return r;
}

uint64_t prog_worst(const struct verified_prog *p)
{
	return p->worst;
}

struct verified_prog *prog_free(struct verified_prog *p)
{
	free(p);
	return NULL;
}
