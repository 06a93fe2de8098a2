/*
 * Writing cells, and the operand stack of the compiler. Every temporary has
 * the slot of its height, so joins need no bookkeeping: what meets at a label
 * lies in the same slots on every way there.
 */
#include "vm/compile.h"

/* ---- cells --------------------------------------------------------------- */

static void put(struct comp *c, union cell w)
{
	union cell *at = VEC_PUSH(&c->cells);

	if (at == NULL)
		c->bad = COMP_NOMEM;
	else
		*at = w;
	if (c->cells.len > c->max_cells)
		c->bad = COMP_CELLS;
}

/* What an operation does to the accumulators; what is not listed may do
 * anything. Only moves come between an operation's operands being popped and
 * its cell, and they keep both. */
enum effect { CLEARS, KEEPS, MOVES, TO_ACC, TO_FACC };

/* clang-format off */
static const uint8_t effects[C_COUNT] = {
#define TO_u32 TO_ACC
#define TO_u64 TO_ACC
#define TO_f32 MOVES
#define TO_f64 TO_FACC
#define INTS(id, to) [C_##id] = to, [C_##id##_k] = to, [C_##id##_a] = to, [C_##id##_ak] = to, \
		     [C_##id##_sa] = to,
#define FBINS(id, to) [C_##id] = to, [C_##id##_a] = to, [C_##id##_sa] = to,
#define INT(id, in, out, ...) INTS(id, TO_##out)
#define CMP(id, ...)          INTS(id, TO_ACC) INTS(br_##id, KEEPS) INTS(lp_##id, KEEPS)
#define FCMP(id, ...)         FBINS(id, TO_ACC) FBINS(br_##id, KEEPS) FBINS(brn_##id, KEEPS)
#define FBIN(id, ...)         FBINS(id, TO_FACC)
#define BIN(id, in, out, ...) [C_##id] = TO_##out,
#define UN(id, in, out, ...)  [C_##id] = TO_##out, [C_##id##_a] = TO_##out,
#define DIV(id, ...)          [C_##id] = TO_ACC,
#define CUT(id, ...)          [C_##id] = TO_ACC,
#define STORE(id, ...)        [C_##id] = KEEPS, [C_##id##_far] = KEEPS, [C_##id##_a] = KEEPS, \
			      [C_##id##_v ... C_##id##_xak] = KEEPS,
#define NONE(id, ...)
#define LOAD(id, as, out)     [C_##id ... C_##id##_xak] = TO_##out,
	CODE_ALL(INT, CMP, FCMP, FBIN, BIN, UN, DIV, CUT, LOAD, STORE, NONE)
#define CMP32(id, ...)        [C_inc_lp_##id##_a ... C_inc_br_##id##_sa] = TO_ACC, \
			      INTS(select_##id, TO_ACC)
#define FLOAD(id, ...)        [C_##id##_ls ... C_##id##_laxak] = TO_FACC,
#define ILOAD(id, ...)        [C_##id##_ls ... C_##id##_laxk] = TO_ACC,
#define FMUL(id, ...)         [C_##id ... C_##id##_laxak] = TO_FACC,
	CODE_CMP32S(CMP32)
	CODE_FLOADS(FLOAD)
	CODE_ILOADS(ILOAD)
	CODE_FMULS(FMUL)
	[C_BR_Z ... C_LP_NZ_a] = KEEPS,
	[C_CHARGE] = KEEPS,
	[C_INC_LP_NZ] = TO_ACC, [C_INC_BR_NZ] = TO_ACC, [C_INC2] = CLEARS, [C_LOOP] = CLEARS,
	[C_MOV2] = MOVES, [C_MOV] = MOVES, [C_CONST32] = MOVES, [C_CONST64] = MOVES, [C_MEMORY_SIZE] = MOVES,
	[C_SELECT] = TO_ACC, [C_SELECT_a] = TO_ACC, [C_GLOBAL_GET] = TO_ACC,
};
/* clang-format on */

void forget_registers(struct comp *c)
{
	c->acc = c->facc = c->acc_was = c->facc_was = COMP_NONE;
	c->prev = c->prev_was = COMP_NONE;
}

static void overwritten(uint32_t *reg, uint32_t slot)
{
	if (*reg == slot)
		*reg = COMP_NONE;
}

/* @op has been written, or its result redirected to @a. */
void emitted(struct comp *c, unsigned op, uint32_t a)
{
	switch ((enum effect)effects[op]) {
	case CLEARS:
		forget_registers(c);
		break;
	case KEEPS:
		break;
	case MOVES:
		overwritten(&c->acc, a);
		overwritten(&c->facc, a);
		break;
	case TO_ACC:
		c->acc_was = c->acc;
		c->facc_was = c->facc;
		c->acc = a;
		overwritten(&c->facc, a);
		break;
	case TO_FACC:
		c->acc_was = c->acc;
		c->facc_was = c->facc;
		overwritten(&c->acc, a);
		c->facc = a;
		break;
	}
}

uint32_t emit(struct comp *c, unsigned op, uint32_t a, uint32_t b, uint32_t k)
{
	uint32_t at = (uint32_t)c->cells.len;

	put(c, (union cell){
		       .op = (uint16_t)op, .a = (uint16_t)a, .b = (uint16_t)b, .c = (uint16_t)k });
	c->last = COMP_NONE;
	emitted(c, op, a);
	c->prev_was = c->prev;
	c->prev = at;
	return at;
}

void emit_word(struct comp *c, uint64_t word)
{
	put(c, (union cell){ .u64 = word });
}

void emit_pair(struct comp *c, uint32_t x, uint32_t y)
{
	put(c, (union cell){ .x = x, .y = y });
}

/* Two moves in a row are one cell more, but one operation. */
void emit_move(struct comp *c, uint32_t to, uint32_t from)
{
	union cell *prev = c->prev != COMP_NONE && c->bad == COMP_OK ? &c->cells.at[c->prev] : NULL;

	if (to == from)
		return;
	if (prev == NULL || prev->op != C_MOV) {
		(void)emit(c, C_MOV, to, from, 0);
		return;
	}
	prev->op = C_MOV2;
	prev->c = (uint16_t)to;
	emit_pair(c, from, 0);
	c->last = COMP_NONE;
	emitted(c, C_MOV2, to);
}

/* The registers then hold what they held before it, and it is not written. */
union cell take_back(struct comp *c)
{
	union cell w = c->cells.at[c->last];

	c->cells.len = c->last;
	c->last = COMP_NONE;
	c->acc = c->acc_was;
	c->facc = c->facc_was;
	c->prev = c->prev_was;
	c->prev_was = COMP_NONE;
	return w;
}

void emit_place(struct comp *c)
{
	struct code_place *p = VEC_PUSH(&c->places);

	if (p == NULL)
		c->bad = COMP_NOMEM;
	else
		*p = (struct code_place){ (uint32_t)c->cells.len, c->at };
}

static void emit_known(struct comp *c, uint64_t value)
{
	uint32_t *t = VEC_PUSH(&c->targets);

	if (t == NULL)
		c->bad = COMP_NOMEM;
	else
		*t = (uint32_t)c->cells.len;
	emit_word(c, value);
}

/* A target cell that bind_here() will fill. */
void emit_chain(struct comp *c, uint32_t *chain)
{
	uint32_t at = (uint32_t)c->cells.len;

	emit_known(c, *chain);
	*chain = at + 1;
}

void emit_target(struct comp *c, struct label *l)
{
	if (l->head != COMP_NONE)
		emit_known(c, l->head);
	else
		emit_chain(c, &l->patches);
}

/* All of @chain leads here. */
void bind_here(struct comp *c, uint32_t *chain)
{
	uint32_t next;

	c->last = COMP_NONE;
	forget_registers(c);
	for (uint32_t i = *chain; i != 0 && c->bad == COMP_OK; i = next) {
		next = (uint32_t)c->cells.at[i - 1].u64;
		c->cells.at[i - 1].u64 = c->cells.len;
	}
	*chain = 0;
}

uint32_t take_cost(struct comp *c)
{
	uint32_t n = c->cost;

	c->cost = 0;
	return n;
}

void emit_charge(struct comp *c)
{
	if (c->cost == 0)
		return;
	emit_place(c);
	(void)emit(c, C_CHARGE, 0, 0, take_cost(c));
}

/* ---- the operand stack --------------------------------------------------- */

uint32_t temp(const struct comp *c, uint32_t height)
{
	return c->first_temp + height;
}

void push(struct comp *c, struct val v)
{
	struct val *at = VEC_PUSH(&c->stack);

	if (at == NULL) {
		c->bad = COMP_NOMEM;
		return;
	}
	*at = v;
	if (v.kind == VAL_LOCAL)
		c->named[v.local]++;
	/* past the end of the largest frame the fault latches */
	if (c->stack.len > c->max_height)
		c->max_height = (uint32_t)c->stack.len;
	if (temp(c, c->max_height) > CODE_FRAME_MAX)
		c->bad = COMP_FRAME;
}

uint32_t push_temp(struct comp *c)
{
	push(c, (struct val){ .kind = VAL_TEMP });
	return temp(c, (uint32_t)c->stack.len - 1);
}

struct val pop(struct comp *c)
{
	struct val v = c->stack.at[--c->stack.len];

	if (v.kind == VAL_LOCAL)
		c->named[v.local]--;
	if (c->settled > c->stack.len)
		c->settled = (uint32_t)c->stack.len;
	return v;
}

static void emit_const(struct comp *c, uint32_t to, uint64_t k)
{
	if (k > UINT32_MAX) {
		(void)emit(c, C_CONST64, to, 0, 0);
		emit_word(c, k);
	} else {
		(void)emit(c, C_CONST32, to, (uint32_t)k & 0xffff, (uint32_t)k >> 16);
	}
}

void store_val(struct comp *c, uint32_t to, struct val v, uint32_t height)
{
	if (v.kind == VAL_CONST)
		emit_const(c, to, v.k);
	else
		emit_move(c, to, v.kind == VAL_LOCAL ? v.local : temp(c, height));
}

/* The frame's own slot of @k, or that of @height when all are taken. */
static uint32_t const_slot(struct comp *c, uint64_t k, uint32_t height)
{
	uint32_t i = 0;

	while (i < c->n_consts && c->consts[i] != k)
		i++;
	if (i == c->cap_consts) {
		emit_const(c, temp(c, height), k);
		return temp(c, height);
	}
	if (i == c->n_consts)
		c->consts[c->n_consts++] = k;
	return c->n_locals + i;
}

uint32_t pop_slot(struct comp *c)
{
	struct val v = pop(c);
	uint32_t height = (uint32_t)c->stack.len;

	switch (v.kind) {
	case VAL_LOCAL:
		return v.local;
	case VAL_CONST:
		return const_slot(c, v.k, height);
	case VAL_TEMP:
		break;
	}
	return temp(c, height);
}

void push_result(struct comp *c, uint32_t cell)
{
	(void)push_temp(c);
	c->last = cell;
}

bool is_last(const struct comp *c, uint32_t height)
{
	return c->last != COMP_NONE && c->bad == COMP_OK &&
	       c->cells.at[c->last].a == temp(c, height);
}

/* @n entries are about to be touched: time stays linear in the body's length. */
static void work(struct comp *c, uint64_t n)
{
	c->work += n;
	c->look -= n / COMP_ENTRIES < c->look ? (uint32_t)(n / COMP_ENTRIES) : c->look;
	if (c->work > c->max_work && c->bad == COMP_OK)
		c->bad = COMP_WORK;
}

static void settle_one(struct comp *c, uint32_t i)
{
	struct val *v = &c->stack.at[i];

	if (v->kind == VAL_TEMP)
		return;
	store_val(c, temp(c, i), *v, i);
	if (v->kind == VAL_LOCAL)
		c->named[v->local]--;
	v->kind = VAL_TEMP;
}

void settle(struct comp *c, uint32_t n)
{
	work(c, n);
	for (uint32_t i = (uint32_t)c->stack.len - n; i < c->stack.len; i++)
		settle_one(c, i);
}

/* Where ways part, no entry may name a local that one of them could change. */
void settle_locals(struct comp *c)
{
	for (; c->settled < c->stack.len; c->settled++)
		if (c->stack.at[c->settled].kind == VAL_LOCAL)
			settle_one(c, c->settled);
}

/* @x is about to change: entries that name it take its value first. */
void save_local(struct comp *c, uint32_t x)
{
	uint32_t top = (uint32_t)c->stack.len, i = top;

	for (; i > c->settled && c->named[x] != 0; i--)
		if (c->stack.at[i - 1].kind == VAL_LOCAL && c->stack.at[i - 1].local == x)
			settle_one(c, i - 1);
	work(c, top - i);
}

/* Down to @height, then @n temporaries: the state at a label. */
void reset_stack(struct comp *c, uint32_t height, uint32_t n)
{
	work(c, n);
	while (c->stack.len > height)
		(void)pop(c);
	while (n-- > 0)
		(void)push_temp(c);
	c->last = COMP_NONE;
	forget_registers(c);
}
