/*
 * What a program may touch: fields of its context, bytes of its stacks, the
 * values of its maps. Addresses are never numbers: they are kept whole or not
 * at all, and never where another run could find them.
 */
#include "policy/verify.h"

static struct reg *reg_at(struct state *s, unsigned r)
{
	return &state_top(s)->reg[r];
}

/* Bytes [from, to) of a block. */
struct span {
	int64_t from, to;
	bool exact; /* no other offset is possible */
};

static struct span span_of(const struct reg *r, int64_t off, uint64_t size)
{
	return (struct span){ r->r.smin + off, r->r.smax + off + (int64_t)size,
			      range_is_one(r->r) };
}

/* ---- blocks ------------------------------------------------------------------- */

static int reach_ctx(struct verify *v, size_t i, struct span at, bool write)
{
	const struct prog_world *w = v->world;

	for (size_t f = 0; f < w->n_fields; f++) {
		const struct ctx_field *field = &w->fields[f];

		if (at.from >= field->at && at.to <= (int64_t)field->at + field->len &&
		    (!write || field->write))
			return 0;
	}
	return verify_bad(v, i, "the context has no field to %s at %lld to %lld",
			  write ? "write" : "read", (long long)at.from, (long long)at.to - 1);
}

static int outside(struct verify *v, size_t i, const char *what, struct span at, int64_t from,
		   int64_t to)
{
	return verify_bad(v, i, "touches %lld to %lld of %s, which is %lld to %lld",
			  (long long)at.from, (long long)at.to - 1, what, (long long)from,
			  (long long)to - 1);
}

int verify_reach(struct verify *v, size_t i, struct state *s, unsigned r, int64_t off,
		 uint64_t size, bool write)
{
	const struct reg *reg = reg_at(s, r);
	struct span at = span_of(reg, off, size);
	int64_t len;
	char text[96];

	switch (reg->type) {
	case REG_CTX:
		return reach_ctx(v, i, at, write);
	case REG_STACK:
		if (at.from >= -(int64_t)LIM_BPF_STACK && at.to <= 0)
			return 0;
		return outside(v, i, "the stack", at, -(int64_t)LIM_BPF_STACK, 0);
	case REG_VALUE:
		len = v->world->maps[reg->map].value_size;
		if (at.from >= 0 && at.to <= len)
			return 0;
		return outside(v, i, "the value", at, 0, len);
	default:
		reg_text(reg, text, sizeof(text));
		return verify_bad(v, i, "r%u is %s, expected a pointer%s", r, text,
				  reg->type == REG_MAYBE ? ": compare it with 0 first" : "");
	}
}

/* ---- the stack ------------------------------------------------------------------ */

static size_t slot_of(int64_t at)
{
	return (size_t)(at + (int64_t)LIM_BPF_STACK) / 8;
}

static uint8_t byte_of(int64_t at)
{
	return (uint8_t)(1u << ((unsigned)(at + (int64_t)LIM_BPF_STACK) % 8));
}

static int check_bytes(struct verify *v, size_t i, const struct slot *stack, struct span at)
{
	for (int64_t b = at.from; b < at.to; b++) {
		const struct slot *slot = stack != NULL ? &stack[slot_of(b)] : NULL;

		if (slot == NULL || !(slot->written & byte_of(b)))
			return verify_bad(v, i,
					  "reads byte %lld of the stack, which was not written",
					  (long long)b);
		if (reg_is_secret(&slot->spilled))
			return verify_bad(v, i, "reads a part of a pointer at %lld of the stack",
					  (long long)b);
	}
	return 0;
}

static bool is_whole_slot(struct span at)
{
	return at.exact && at.to - at.from == 8 && at.from % 8 == 0;
}

/* Numbers overwrite [from, to), all of it or some of it. */
static void smear(struct slot *stack, struct span at)
{
	for (int64_t b = at.from; b < at.to; b++) {
		struct slot *slot = &stack[slot_of(b)];

		slot->spilled.type = reg_is_secret(&slot->spilled) ? REG_MIXED : REG_UNSET;
		if (at.exact)
			slot->written |= byte_of(b);
	}
}

static int store_stack(struct verify *v, size_t i, struct frame *f, struct span at,
		       const struct reg *value)
{
	struct slot *stack = frame_stack(f);

	if (stack == NULL)
		return err_nomem(v->e);
	if (is_whole_slot(at)) {
		stack[slot_of(at.from)] = (struct slot){ .spilled = *value, .written = 0xff };
		return 0;
	}
	if (value->type != REG_NUMBER)
		return verify_bad(v, i,
				  "a pointer is kept whole, in 8 aligned bytes at a known place");
	smear(stack, at);
	return 0;
}

/* ---- loads, stores ---------------------------------------------------------------- */

static uint64_t size_of(uint8_t op)
{
	static const uint8_t sizes[] = { 4, 2, 1, 8 };

	return sizes[op >> 3 & 3];
}

static struct range loaded(const struct insn *in)
{
	unsigned bits = (unsigned)size_of(in->op) * 8;
	bool is_signed = (in->op & 0xe0) == 0x80;

	if (bits == 64)
		return range_any();
	return is_signed ? range_signed(-(INT64_C(1) << (bits - 1)), (INT64_C(1) << (bits - 1)) - 1)
			 : range_unsigned(0, (UINT64_C(1) << bits) - 1);
}

/* A spilled register comes back as it was. */
static int load_stack(struct verify *v, size_t i, struct frame *f, struct span at, struct reg *d)
{
	const struct slot *slot = f->stack != NULL ? &f->stack[slot_of(at.from)] : NULL;

	if (slot != NULL && is_whole_slot(at) && slot->written == 0xff &&
	    slot->spilled.type != REG_UNSET && slot->spilled.type != REG_MIXED) {
		*d = slot->spilled;
		return 0;
	}
	if (check_bytes(v, i, f->stack, at) < 0)
		return v->e->code;
	*d = reg_number(loaded(&v->at[i]));
	return 0;
}

static int load(struct verify *v, size_t i, struct state *s)
{
	const struct insn *in = &v->at[i];
	struct reg from = *reg_at(s, in->src), *d = reg_at(s, in->dst);
	uint64_t size = size_of(in->op);

	if (verify_reach(v, i, s, in->src, in->off, size, false) < 0)
		return v->e->code;
	if (from.type == REG_STACK)
		return load_stack(v, i, &s->frame[from.frame], span_of(&from, in->off, size), d);
	*d = reg_number(loaded(in));
	return 0;
}

static int store(struct verify *v, size_t i, struct state *s, const struct reg *value)
{
	const struct insn *in = &v->at[i];
	const struct reg *to = reg_at(s, in->dst);
	uint64_t size = size_of(in->op);

	if (verify_reach(v, i, s, in->dst, in->off, size, true) < 0)
		return v->e->code;
	if (value->type == REG_STACK && (to->type != REG_STACK || value->frame > to->frame))
		return verify_bad(v, i,
				  "keeps a pointer into the stack where it outlives the stack");
	if (to->type == REG_STACK)
		return store_stack(v, i, &s->frame[to->frame], span_of(to, in->off, size), value);
	if (value->type != REG_NUMBER)
		return verify_bad(v, i, "a pointer cannot leave the program");
	return 0;
}

/* ---- atomics ------------------------------------------------------------------------ */

static int check_operand(struct verify *v, size_t i, struct state *s, unsigned r)
{
	char text[96];

	if (reg_at(s, r)->type == REG_NUMBER)
		return 0;
	reg_text(reg_at(s, r), text, sizeof(text));
	return verify_bad(v, i, "r%u is %s, expected a number", r, text);
}

static int atomic(struct verify *v, size_t i, struct state *s)
{
	const struct insn *in = &v->at[i];
	struct atomic_info row = atomic_info(in->imm);
	struct reg any =
		reg_number(in->op == INSN_atomic64 ? range_any() : range_unsigned(0, UINT32_MAX));
	uint64_t size = size_of(in->op);
	struct span at = span_of(reg_at(s, in->dst), in->off, size);

	if (check_operand(v, i, s, in->src) < 0 ||
	    (row.reads[2] == '0' && check_operand(v, i, s, 0) < 0) ||
	    verify_bytes(v, i, s, in->dst, in->off, size) < 0 || store(v, i, s, &any) < 0)
		return v->e->code;
	if (!at.exact || at.from % (int64_t)size != 0)
		return verify_bad(v, i, "an atomic operation wants an aligned place");
	if (row.writes[0] == 's')
		*reg_at(s, in->src) = any;
	if (row.writes[0] == '0')
		*reg_at(s, 0) = any;
	return 0;
}

int verify_bytes(struct verify *v, size_t i, struct state *s, unsigned r, int64_t off,
		 uint64_t size)
{
	const struct reg *reg = reg_at(s, r);

	if (verify_reach(v, i, s, r, off, size, false) < 0)
		return v->e->code;
	if (reg->type != REG_STACK)
		return 0;
	return check_bytes(v, i, s->frame[reg->frame].stack, span_of(reg, off, size));
}

int verify_mem(struct verify *v, size_t i, struct state *s)
{
	const struct insn *in = &v->at[i];
	enum insn_form form = insn_info(in->op).form;
	struct reg imm = reg_number(range_one((uint64_t)(int64_t)in->imm));

	switch (form) {
	case FORM_LDX:
		return load(v, i, s);
	case FORM_ST:
		return store(v, i, s, &imm);
	case FORM_STX:
		return store(v, i, s, reg_at(s, in->src));
	default:
		return atomic(v, i, s);
	}
}
