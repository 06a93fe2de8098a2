/*
 * The compiler: one pass over a validated body (spec 3 and 4 say what it
 * means) to cells. local.get and constants become operands, results go
 * straight to the local that is set next, a comparison becomes part of the
 * branch behind it. It cannot fail but for memory and the size of a frame.
 */
#include "vm/compile.h"

#define LOWER(name) \
	static void lower_##name(struct comp *c, const struct lower *l, const struct imms *im)

/* ---- values -------------------------------------------------------------- */

LOWER(nop)
{
}

LOWER(drop)
{
	(void)pop(c);
}

LOWER(const32)
{
	push(c, (struct val){ .kind = VAL_CONST, .k = (uint32_t)im->k });
}

LOWER(const64)
{
	push(c, (struct val){ .kind = VAL_CONST, .k = im->k });
}

LOWER(ref_null)
{
	push(c, (struct val){ .kind = VAL_CONST });
}

LOWER(local_get)
{
	push(c, (struct val){ .kind = VAL_LOCAL, .local = im->x });
}

/* The producer of @v writes to @x instead, if it is the last cell. */
static void assign(struct comp *c, uint32_t x, struct val v)
{
	uint32_t height = (uint32_t)c->stack.len;

	if (v.kind == VAL_LOCAL && v.local == x)
		return;
	save_local(c, x);
	if (v.kind == VAL_TEMP && is_last(c, height)) {
		c->cells.at[c->last].a = (uint16_t)x;
		c->last = COMP_NONE;
		return;
	}
	store_val(c, x, v, height);
}

LOWER(local_set)
{
	assign(c, im->x, pop(c));
}

LOWER(local_tee)
{
	struct val v = pop(c);

	assign(c, im->x, v);
	if (v.kind != VAL_CONST)
		v = (struct val){ .kind = VAL_LOCAL, .local = im->x };
	push(c, v);
}

LOWER(global_get)
{
	uint32_t to = temp(c, (uint32_t)c->stack.len);

	push_result(c, emit(c, C_GLOBAL_GET, to, im->x & 0xffff, im->x >> 16));
}

LOWER(global_set)
{
	(void)emit(c, C_GLOBAL_SET, pop_slot(c), im->x & 0xffff, im->x >> 16);
}

LOWER(select)
{
	uint32_t test = pop_slot(c), y = pop_slot(c), x = pop_slot(c);
	uint32_t at = emit(c, C_SELECT, temp(c, (uint32_t)c->stack.len), x, y);

	emit_pair(c, test, 0);
	push_result(c, at);
}

/* ---- numbers ------------------------------------------------------------- */

static void result(struct comp *c, unsigned op, uint32_t x, uint32_t y)
{
	push_result(c, emit(c, op, temp(c, (uint32_t)c->stack.len), x, y));
}

LOWER(unary)
{
	result(c, l->code, pop_slot(c), 0);
}

LOWER(binary)
{
	uint32_t y = pop_slot(c), x = pop_slot(c);

	result(c, l->code, x, y);
}

/* @bytes wide, does it fit the sixteen bits of an immediate operand? */
static bool is_short(struct val v, unsigned bytes)
{
	int64_t k = bytes == 4 ? (int32_t)v.k : (int64_t)v.k;

	return v.kind == VAL_CONST && k >= INT16_MIN && k <= INT16_MAX;
}

LOWER(integer)
{
	struct val top = c->stack.at[c->stack.len - 1];

	if (!is_short(top, l->n_in)) {
		lower_binary(c, l, im);
		return;
	}
	(void)pop(c);
	result(c, l->code + 1u, pop_slot(c), (uint16_t)top.k);
}

/* May trap: its place is noted when its operands are there. */
LOWER(trapping)
{
	uint32_t y = pop_slot(c), x = pop_slot(c);

	emit_place(c);
	result(c, l->code, x, y);
}

LOWER(cut)
{
	uint32_t x = pop_slot(c);

	emit_place(c);
	result(c, l->code, x, 0);
}

/* ---- memory -------------------------------------------------------------- */

LOWER(load)
{
	uint32_t addr = pop_slot(c), to = temp(c, (uint32_t)c->stack.len), at;

	emit_place(c);
	if (im->k <= UINT16_MAX) {
		at = emit(c, l->code, to, addr, (uint32_t)im->k);
	} else {
		at = emit(c, l->code + 1u, to, addr, 0);
		emit_word(c, im->k);
	}
	push_result(c, at);
}

LOWER(store)
{
	uint32_t value = pop_slot(c), addr = pop_slot(c);

	emit_place(c);
	if (im->k <= UINT16_MAX) {
		(void)emit(c, l->code, addr, value, (uint32_t)im->k);
	} else {
		(void)emit(c, l->code + 1u, addr, value, 0);
		emit_word(c, im->k);
	}
}

LOWER(memory_size)
{
	result(c, C_MEMORY_SIZE, 0, 0);
}

LOWER(slow)
{
	uint32_t base;

	settle(c, l->n_in);
	reset_stack(c, (uint32_t)c->stack.len - l->n_in, 0);
	base = temp(c, (uint32_t)c->stack.len);
	emit_place(c);
	(void)emit(c, C_SLOW, base, l->code, 0);
	emit_pair(c, im->x, im->y);
	reset_stack(c, (uint32_t)c->stack.len, l->n_out);
}

#define ROW(id) [OP_##id < 256 ? OP_##id : 256 + (OP_##id & 0xff)]

/* clang-format off */
static const struct lower lower[OP_ROWS] = {
#define BYTES_u32 4
#define BYTES_s32 4
#define BYTES_u64 8
#define BYTES_s64 8
#define INT(id, in, ...)      ROW(id) = { lower_integer, C_##id, BYTES_##in, 1 },
#define CMP(id, inv, in, ...) ROW(id) = { lower_integer, C_##id, BYTES_##in, 1 },
#define BIN(id, ...)          ROW(id) = { lower_binary, C_##id, 2, 1 },
#define UN(id, ...)           ROW(id) = { lower_unary, C_##id, 1, 1 },
#define DIV(id, ...)          ROW(id) = { lower_trapping, C_##id, 2, 1 },
#define CUT(id, ...)          ROW(id) = { lower_cut, C_##id, 1, 1 },
#define LOAD(id, ...)         ROW(id) = { lower_load, C_##id, 1, 1 },
#define STORE(id, ...)        ROW(id) = { lower_store, C_##id, 2, 0 },
#define SLOW(id, in, out)     ROW(id) = { lower_slow, SLOW_##id, in, out },
#define NONE(id)
	CODE_ALL(INT, CMP, BIN, UN, DIV, CUT, LOAD, STORE, NONE)
	CODE_SLOWS(SLOW)
#define HAND(id, fn) ROW(id) = { lower_##fn, 0, 0, 0 },
	HAND(unreachable, unreachable)     HAND(nop, nop)
	HAND(block, block)                 HAND(loop, loop)
	HAND(if, if)                       HAND(else, else)
	HAND(end, end)                     HAND(br, br)
	HAND(br_if, br_if)                 HAND(br_table, br_table)
	HAND(return, return)               HAND(call, call)
	HAND(call_indirect, call_indirect) HAND(drop, drop)
	HAND(select, select)               HAND(select_t, select)
	HAND(local_get, local_get)         HAND(local_set, local_set)
	HAND(local_tee, local_tee)         HAND(global_get, global_get)
	HAND(global_set, global_set)       HAND(memory_size, memory_size)
	HAND(i32_const, const32)           HAND(i64_const, const64)
	HAND(f32_const, const32)           HAND(f64_const, const64)
	HAND(ref_null, ref_null)
#undef HAND
#undef INT
#undef CMP
#undef BIN
#undef UN
#undef DIV
#undef CUT
#undef LOAD
#undef STORE
#undef SLOW
#undef NONE
};
/* clang-format on */

/* ---- the pass ------------------------------------------------------------ */

/* What cannot be reached is passed over up to the end or else of its block. */
static bool skip_dead(struct comp *c, uint32_t op)
{
	if (op == OP_block || op == OP_loop || op == OP_if)
		c->dead++;
	else if (op == OP_end && c->dead > 1)
		c->dead--;
	else if (c->dead == 1 && (op == OP_end || op == OP_else))
		return false;
	return true;
}

static void compile_ops(struct comp *c)
{
	struct imms im = { 0 };

	while (c->labels.len != 0 && c->bad == COMP_OK) {
		uint32_t op;
		const struct lower *l;

		c->at = (uint32_t)rd_at(&c->r);
		op = op_read(&c->r);
		imm_read(&c->r, op_info(op)->imm, &im);
		if (c->dead != 0 && skip_dead(c, op))
			continue;
		if (++c->cost >= COMP_COST_MAX)
			emit_charge(c);
		l = &lower[op_row(op)];
		l->fn(c, l, &im);
	}
}

static uint32_t count_locals(struct comp *c)
{
	uint32_t n = c->n_params;

	for (uint32_t groups = leb_u32(&c->r); groups > 0; groups--) {
		n += leb_u32(&c->r);
		(void)valtype_read(&c->r);
	}
	return n;
}

static void begin(struct comp *c, const struct mod_func *f)
{
	const struct vm_func_type *t = &c->m->types.at[f->type];
	struct label *l;

	c->r = span_rd(c->m, f->body);
	c->n_params = t->n_params;
	c->n_results = t->n_results;
	c->n_locals = count_locals(c);
	c->cap_consts = f->body.len / 16 < COMP_CONSTS ? f->body.len / 16 : COMP_CONSTS;
	c->first_temp = c->n_locals + c->cap_consts;
	c->max_cells = f->body.len * CODE_CELLS_PER_BYTE + CODE_CELLS_FREE;
	c->max_work = (uint64_t)f->body.len * CODE_WORK_PER_BYTE + CODE_WORK_FREE;
	c->last = COMP_NONE;
	c->named = mem_new(c->n_locals, sizeof(*c->named));
	l = VEC_PUSH(&c->labels);
	if (l == NULL || c->named == NULL) {
		c->bad = COMP_NOMEM;
		return;
	}
	l->n_results = t->n_results;
	l->head = COMP_NONE;
	if (c->first_temp > CODE_FRAME_MAX)
		c->bad = COMP_FRAME;
}

/* ---- the body ------------------------------------------------------------ */

static uint32_t entry_cells(const struct comp *c)
{
	return c->n_locals == c->n_params && c->n_consts == 0 ? 1 : 2 + c->n_consts;
}

static void put_entry(const struct comp *c, union cell *w)
{
	uint32_t frame = temp(c, c->max_height);

	frame = frame > c->n_results ? frame : c->n_results;
	w[0] = (union cell){ .op = C_ENTER, .c = (uint16_t)frame };
	if (entry_cells(c) == 1)
		return;
	w[0].op = C_ENTER_FULL;
	w[0].a = (uint16_t)c->n_params;
	w[0].b = (uint16_t)c->n_locals;
	w[1].u64 = c->n_consts;
	for (uint32_t i = 0; i < c->n_consts; i++)
		w[2 + i].u64 = c->consts[i];
}

/* One block of the exact size; indices of cells become pointers. */
static struct body *body_new(const struct comp *c, uint32_t offset)
{
	uint32_t entry = entry_cells(c), n = entry + (uint32_t)c->cells.len;
	struct code_place *place;
	struct body *b = mem_new(1, sizeof(*b) + n * sizeof(union cell) +
					    (c->places.len + 1) * sizeof(*place));

	if (b == NULL)
		return NULL;
	place = (struct code_place *)(void *)(b->cells + n);
	b->n_cells = n;
	b->n_places = (uint32_t)c->places.len + 1;
	b->places = place;
	put_entry(c, b->cells);
	memcpy(b->cells + entry, c->cells.at, c->cells.len * sizeof(union cell));
	for (size_t i = 0; i < c->targets.len; i++) {
		union cell *w = &b->cells[entry + c->targets.at[i]];

		w->to = b->cells + entry + w->u64;
	}
	place[0] = (struct code_place){ 0, offset };
	for (size_t i = 0; i < c->places.len; i++)
		place[i + 1] =
			(struct code_place){ c->places.at[i].cell + entry, c->places.at[i].offset };
	return b;
}

static void comp_done(struct comp *c)
{
	VEC_DONE(&c->cells);
	VEC_DONE(&c->places);
	VEC_DONE(&c->targets);
	VEC_DONE(&c->stack);
	VEC_DONE(&c->labels);
	free(c->named);
}

int code_compile_body(struct vm_code *code, uint32_t own, struct err *e)
{
	CLEANUP(comp_done) struct comp c = { .code = code, .m = code->m };
	uint32_t func = own + c.m->n_imported[VM_FUNC];
	const struct mod_func *f = &c.m->funcs.at[func];
	struct body *b;

	begin(&c, f);
	compile_ops(&c);
	if (c.bad == COMP_FRAME)
		return err_set(e, ERR_LIMIT, "function %u: its frame has more than %u slots", func,
			       CODE_FRAME_MAX);
	if (c.bad == COMP_CELLS)
		return err_set(
			e, ERR_LIMIT,
			"function %u: its compiled form has more than %u cells for each byte", func,
			CODE_CELLS_PER_BYTE);
	if (c.bad == COMP_WORK)
		return err_set(e, ERR_LIMIT,
			       "function %u: its calls and blocks pass more than %u values for "
			       "each byte",
			       func, CODE_WORK_PER_BYTE);
	b = c.bad == COMP_OK ? body_new(&c, f->body.at) : NULL;
	if (b == NULL)
		return err_nomem(e);
	code->bodies[own] = b;
	return 0;
}
