/*
 * The verifier. Three passes over a program of hostile origin: each
 * instruction by its row (known, reserved fields zero, registers, ranges),
 * control flow (jumps inside and forward, no middle of lddw, no fall off the
 * end), and a forward dataflow over "is it initialised" that also finds
 * unreachable code. It tracks no ranges: memory is checked at run time.
 */
#include <stdarg.h>

#include "policy/prog.h"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

#define N_REGS	  11u
#define REG_FRAME 10u
#define UNREACHED UINT16_MAX
#define BIT(r)	  ((uint16_t)(1u << (r)))
#define CLOBBERED (BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5))

struct verify {
	const struct insn *at;
	size_t n;
	bool lax;
	uint16_t *live; /* per slot: registers initialised before it */
	uint8_t *mid;	/* per slot: 1 for the second half of lddw */
	struct err *e;
};

/* "instruction 7 (div): ..." */
__attribute__((format(printf, 3, 4), cold)) static int bad(struct verify *v, size_t i,
							   const char *fmt, ...)
{
	struct insn_info row = insn_info(v->at[i].op);
	char why[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(v->e, ERR_POLICY, "instruction %zu (%s): %s", i,
		       row.text != NULL ? row.text : "unknown", why);
}

/* ---- one instruction by its row ---------------------------------------- */

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
		return bad(v, i, "register r%u does not exist", in->dst);
	if (in->src >= N_REGS)
		return bad(v, i, "register r%u does not exist", in->src);
	if (!row_has_dst(form) && in->dst != 0)
		return bad(v, i, "the destination field must be 0, found %u", in->dst);
	if (f.src == '0' && in->src != 0)
		return bad(v, i, "the source field must be 0, found %u", in->src);
	if (row_uses(f.writes, 'd') && in->dst == REG_FRAME)
		return bad(v, i, "r10 is the frame pointer and is read-only");
	return 0;
}

static int check_off(struct verify *v, size_t i, char rule)
{
	int16_t off = v->at[i].off;
	bool is64 = (v->at[i].op & 7) == 7;

	switch (rule) {
	case '0':
		return off == 0 ? 0 : bad(v, i, "the offset field must be 0, found %d", off);
	case 's':
		return off == 0 || off == 1 ? 0 : bad(v, i, "offset %d is neither 0 nor 1", off);
	case 'x':
		if (off == 0 || off == 8 || off == 16 || (off == 32 && is64))
			return 0;
		return bad(v, i, "cannot extend the sign of %d bits", off);
	default:
		return 0;
	}
}

static int check_shift(struct verify *v, size_t i)
{
	unsigned width = (v->at[i].op & 7) == 7 ? 64 : 32;

	if (v->lax || (uint32_t)v->at[i].imm < width)
		return 0;
	return bad(v, i, "shift by %d, expected 0 to %u", v->at[i].imm, width - 1);
}

static int check_lddw(struct verify *v, size_t i)
{
	const struct insn *hi;

	if (i + 1 >= v->n)
		return bad(v, i, "its second half is missing");
	hi = &v->at[i + 1];
	if (hi->op != 0 || hi->dst != 0 || hi->src != 0 || hi->off != 0)
		return bad(v, i, "its second half has fields that must be 0");
	v->mid[i + 1] = 1;
	return 0;
}

static int check_imm(struct verify *v, size_t i, char rule)
{
	int32_t imm = v->at[i].imm;

	switch (rule) {
	case '0':
		return imm == 0 ? 0 : bad(v, i, "the immediate field must be 0, found %d", imm);
	case 'n':
		return imm != 0 || v->lax ? 0 : bad(v, i, "division by zero");
	case '<':
		return check_shift(v, i);
	case 'e':
		if (imm == 16 || imm == 32 || imm == 64)
			return 0;
		return bad(v, i, "width %d, expected 16, 32 or 64", imm);
	case 'h':
		return helper_info(imm).name != NULL ? 0 : bad(v, i, "no helper %d", imm);
	case 'a':
		return atomic_info(imm).text != NULL ? 0 : bad(v, i, "no operation %#x", imm);
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
		return bad(v, i, "opcode 0x%02x is not one of eBPF's claimed groups", v->at[i].op);
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

static int64_t target(const struct insn *in, size_t i, enum insn_form form)
{
	return (int64_t)i + 1 + (form == FORM_JA32 ? in->imm : in->off);
}

static int check_jump(struct verify *v, size_t i, enum insn_form form)
{
	int64_t to = target(&v->at[i], i, form);

	if (to < 0 || to >= (int64_t)v->n)
		return bad(v, i, "jumps to %lld, outside the program", (long long)to);
	if (v->mid[to])
		return bad(v, i, "jumps to %lld, into the middle of lddw", (long long)to);
	if (to <= (int64_t)i && !v->lax)
		return bad(v, i, "jumps back to %lld without a bound", (long long)to);
	return 0;
}

static int check_flow(struct verify *v)
{
	size_t step;

	for (size_t i = 0; i < v->n; i += step) {
		enum insn_form form = insn_info(v->at[i].op).form;
		bool ends = form == FORM_EXIT || form == FORM_JA || form == FORM_JA32;

		step = form == FORM_LDDW ? 2 : 1;
		if (is_jump(form) && check_jump(v, i, form) < 0)
			return v->e->code;
		if (i + step == v->n && !ends)
			return bad(v, i, "control falls off the end of the program");
	}
	return 0;
}

/* ---- initialised registers, reachability -------------------------------- */

static uint16_t mask_of(const struct insn *in, const char *letters)
{
	uint16_t m = 0;

	for (; *letters != '\0'; letters++)
		m |= *letters == 'd' ? BIT(in->dst) : *letters == 's' ? BIT(in->src) : BIT(0);
	return m;
}

static uint16_t reads_of(const struct insn *in, enum insn_form form)
{
	if (form == FORM_CALL)
		return (uint16_t)((BIT(strlen(helper_info(in->imm).args) + 1) - 1) & ~BIT(0));
	if (form == FORM_ATOMIC)
		return mask_of(in, atomic_info(in->imm).reads);
	return mask_of(in, form_info(form).reads);
}

static uint16_t writes_of(const struct insn *in, enum insn_form form)
{
	if (form == FORM_CALL)
		return BIT(0);
	if (form == FORM_ATOMIC)
		return mask_of(in, atomic_info(in->imm).writes);
	return mask_of(in, form_info(form).writes);
}

/* Meets @mask into slot @i; true when that changed it. */
static bool flow_into(struct verify *v, size_t i, uint16_t mask)
{
	uint16_t was = v->live[i];

	v->live[i] = was == UNREACHED ? mask : was & mask;
	return v->live[i] != was;
}

static int check_uses(struct verify *v, size_t i, enum insn_form form)
{
	uint16_t missing = reads_of(&v->at[i], form) & ~v->live[i];

	if (missing != 0)
		return bad(v, i, "r%d is read before it is written", __builtin_ctz(missing));
	if (writes_of(&v->at[i], form) & BIT(REG_FRAME))
		return bad(v, i, "r10 is the frame pointer and is read-only");
	return 0;
}

/* Flows out of slot @i; *again is set when something before it changed. */
static int flow_insn(struct verify *v, size_t i, bool *again)
{
	const struct insn *in = &v->at[i];
	enum insn_form form = insn_info(in->op).form;
	uint16_t out = v->live[i];

	if (check_uses(v, i, form) < 0)
		return v->e->code;
	if (form == FORM_CALL)
		out &= ~CLOBBERED;
	out |= writes_of(in, form);
	if (is_jump(form)) {
		int64_t to = target(in, i, form);

		if (flow_into(v, (size_t)to, out) && to <= (int64_t)i)
			*again = true;
	}
	if (form != FORM_EXIT && form != FORM_JA && form != FORM_JA32)
		(void)flow_into(v, i + (form == FORM_LDDW ? 2 : 1), out);
	return 0;
}

static int check_state(struct verify *v)
{
	bool again = true;

	memset(v->live, 0xff, v->n * sizeof(*v->live));
	v->live[0] = BIT(1) | BIT(REG_FRAME) | (v->lax ? BIT(2) : 0);
	while (again) {
		again = false;
		for (size_t i = 0; i < v->n; i++)
			if (v->live[i] != UNREACHED && flow_insn(v, i, &again) < 0)
				return v->e->code;
	}
	for (size_t i = 0; i < v->n; i++)
		if (v->live[i] == UNREACHED && !v->mid[i])
			return bad(v, i, "no path leads here");
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
	p->stack = uses_stack(v->at, v->n);
	prog_decode(v->at, v->n, p->at);
	*ret = p;
	return 0;
}

int prog_verify(const struct insn *at, size_t n, unsigned flags, struct verified_prog **ret,
		struct err *e)
{
	CLEANUP(free_p) uint16_t *live = NULL;
	CLEANUP(free_p) uint8_t *mid = NULL;
	struct verify v = { .at = at, .n = n, .lax = (flags & VERIFY_LAX) != 0, .e = e };

	if (n == 0)
		return err_set(e, ERR_POLICY, "the program is empty");
	if (n > LIM_BPF_INSNS)
		return err_set(e, ERR_LIMIT, "the program has %zu instructions, at most %u", n,
			       LIM_BPF_INSNS);
	live = mem_new(n, sizeof(*live));
	mid = mem_new(n, sizeof(*mid));
	if (live == NULL || mid == NULL)
		return err_nomem(e);
	v.live = live;
	v.mid = mid;
	if (check_insns(&v) < 0 || check_flow(&v) < 0 || check_state(&v) < 0)
		return e->code;
	return make(&v, ret);
}

struct verified_prog *prog_free(struct verified_prog *p)
{
	free(p);
	return NULL;
}
