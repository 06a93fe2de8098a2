/*
 * The compiler: one pass over a validated body (spec 3 and 4 say what it
 * means) to cells. local.get and constants become operands, results go
 * straight to the local that is set next, a comparison becomes part of the
 * branch behind it. It cannot fail but for memory and the size of a frame.
 */
#include "vm/compile.h"

#include "vm/store.h"

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

/* Two locals that count, one behind the other, are one operation. */
static void pair_counts(struct comp *c)
{
	union cell *w, *was;

	if (c->prev_was == COMP_NONE || c->prev_was + 1 != c->prev || c->prev + 1 != c->cells.len)
		return;
	w = &c->cells.at[c->prev];
	was = &c->cells.at[c->prev_was];
	if (!is_count(*was) || !is_count(*w) || was->a == w->a)
		return;
	*was = (union cell){ .op = C_INC2, .a = was->a, .b = was->c, .c = w->a };
	*w = (union cell){ .x = (uint32_t)(int16_t)w->c };
	c->prev = c->prev_was;
	c->prev_was = COMP_NONE;
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
		emitted(c, c->cells.at[c->last].op, x);
		c->last = COMP_NONE;
		pair_counts(c);
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

/* clang-format off */
static const uint16_t selecting[C_COUNT] = {
#define CMP(id, ...)                                                                             \
	[C_##id] = C_select_##id, [C_##id##_k] = C_select_##id##_k, [C_##id##_a] = C_select_##id##_a, \
	[C_##id##_ak] = C_select_##id##_ak, [C_##id##_sa] = C_select_##id##_sa,
	CODE_CMP32S(CMP)
#undef CMP
};
/* clang-format on */

/* The comparison that stands last goes into the selection. */
LOWER(select)
{
	uint32_t height = (uint32_t)c->stack.len - 1, test, x, y, at;
	unsigned op = C_SELECT;
	union cell w = { .u64 = 0 };

	if (c->stack.at[height].kind == VAL_TEMP && is_last(c, height) &&
	    selecting[c->cells.at[c->last].op] != 0) {
		w = take_back(c);
		op = selecting[w.op];
		(void)pop(c);
		test = w.b;
	} else {
		test = pop_slot(c);
	}
	y = pop_slot(c);
	x = pop_slot(c);
	if (op == C_SELECT && test == c->acc)
		op = C_SELECT_a;
	at = emit(c, op, temp(c, (uint32_t)c->stack.len), x, y);
	emit_pair(c, test, w.c);
	push_result(c, at);
}

/* ---- numbers ------------------------------------------------------------- */

static void result(struct comp *c, unsigned op, uint32_t x, uint32_t y)
{
	push_result(c, emit(c, op, temp(c, (uint32_t)c->stack.len), x, y));
}

LOWER(unary)
{
	uint32_t x = pop_slot(c);

	result(c, l->code + (x == (l->is_float ? c->facc : c->acc)), x, 0);
}

LOWER(binary)
{
	uint32_t y = pop_slot(c), x = pop_slot(c);

	result(c, l->code, x, y);
}

/* clang-format off */
/* Of a load: its form as an operand, + 1. */
static const uint8_t operand_forms[] = {
	[LOAD_S] = 1 + FROM_S,   [LOAD_A] = 1 + FROM_A,   [LOAD_XS] = 1 + FROM_XS,
	[LOAD_XK] = 1 + FROM_XK, [LOAD_XA] = 1 + FROM_XA, [LOAD_XAK] = 1 + FROM_XAK,
};
/* Of an operation: the first of its forms with y from memory. */
static const uint16_t from_memory[C_COUNT] = {
#define LOAD(id, ...) [C_##id] = C_##id##_ls,
	CODE_FLOADS(LOAD)
	CODE_ILOADS(LOAD)
#undef LOAD
};
/* clang-format on */

/* Is the operand at the top, or if @second the one below, the last cell's? */
static bool made_last(const struct comp *c, bool second)
{
	uint32_t height = (uint32_t)c->stack.len - 1;

	if (second && c->stack.at[height].kind == VAL_TEMP)
		return false;
	height -= second;
	return c->stack.at[height].kind == VAL_TEMP && is_last(c, height);
}

/* The slot of the other operand than the one made last, which is dropped. */
static uint32_t pop_other(struct comp *c, bool second)
{
	struct val v = pop(c);

	if (second) {
		(void)pop(c);
		push(c, v);
	}
	return pop_slot(c);
}

/* One operand has just been loaded: both at once. */
static bool with_memory(struct comp *c, unsigned op, bool second, bool is_float)
{
	unsigned load = is_float ? C_f64_load : C_i32_load, form;
	uint64_t past;
	uint32_t x, at;
	union cell w;

	if (from_memory[op] == 0 || !made_last(c, second) || (second && op == C_f64_sub))
		return false;
	w = c->cells.at[c->last];
	form = w.op - load;
	if (form >= ARRAY_LEN(operand_forms) || operand_forms[form] == 0)
		return false;
	form = operand_forms[form] - 1u;
	past = form == FROM_S || form == FROM_A ? w.c : c->cells.at[c->last + 1].u64;
	if (past > UINT32_MAX)
		return false;
	(void)take_back(c);
	x = pop_other(c, second);
	if (is_float ? x == c->facc : x == c->acc && form < FROM_A)
		form += FROM_FORMS;
	at = emit(c, from_memory[op] + form, temp(c, (uint32_t)c->stack.len), w.b, w.c);
	emit_pair(c, (uint32_t)past, x);
	push_result(c, at);
	return true;
}

/* One operand of a sum has just been multiplied: both at once. */
static bool with_product(struct comp *c, unsigned op, bool second)
{
	unsigned base = op == C_f64_add ? C_f64_muladd : second ? C_f64_mulrsub : C_f64_mulsub;
	uint32_t z, at;
	union cell w, from = { .u64 = 0 };
	bool memory;

	if ((op != C_f64_add && op != C_f64_sub) || !made_last(c, second))
		return false;
	w = c->cells.at[c->last];
	memory = w.op >= C_f64_mul_ls && w.op <= C_f64_mul_laxak;
	if (!memory && (w.op < C_f64_mul || w.op > C_f64_mul_sa))
		return false;
	if (memory)
		from = c->cells.at[c->last + 1];
	(void)take_back(c);
	z = pop_other(c, second);
	if (memory)
		base += FMUL_FROM + w.op - C_f64_mul_ls;
	else if (w.op == C_f64_mul)
		base += z == c->facc ? FMUL_Z : FMUL_S;
	else
		base += FMUL_A;
	at = emit(c, base, temp(c, (uint32_t)c->stack.len), w.b, w.op == C_f64_mul_sa ? w.b : w.c);
	if (memory)
		emit_word(c, from.u64);
	emit_pair(c, z, 0);
	push_result(c, at);
	return true;
}

LOWER(float)
{
	uint32_t x, y;

	if (with_memory(c, l->code, false, true) || with_memory(c, l->code, true, true) ||
	    with_product(c, l->code, false) || with_product(c, l->code, true))
		return;
	y = pop_slot(c);
	x = pop_slot(c);
	result(c, l->code + (x == c->facc ? FBIN_A : y == c->facc ? FBIN_SA : FBIN_S), x, y);
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
	uint32_t x, y;

	if (is_short(top, l->n_in)) {
		(void)pop(c);
		x = pop_slot(c);
		result(c, l->code + (x == c->acc ? INT_AK : INT_K), x, (uint16_t)top.k);
		return;
	}
	if (with_memory(c, l->code, false, false) || with_memory(c, l->code, true, false))
		return;
	y = pop_slot(c);
	x = pop_slot(c);
	result(c, l->code + (x == c->acc ? INT_A : y == c->acc ? INT_SA : INT_S), x, y);
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

/* The sum an address is; its cell is taken back. false: it is no sum. */
static bool address_sum(struct comp *c, union cell *ret, enum form_load *ret_form)
{
	static const uint8_t forms[INT_FORMS] = { LOAD_XS, LOAD_XK, LOAD_XA, LOAD_XAK, LOAD_XA };
	uint32_t height = (uint32_t)c->stack.len - 1;
	unsigned form;

	if (c->stack.at[height].kind != VAL_TEMP || !is_last(c, height))
		return false;
	*ret = c->cells.at[c->last];
	form = ret->op - (unsigned)C_i32_add; /* far away for what comes before it */
	if (form >= INT_FORMS)
		return false;
	*ret_form = forms[form];
	if (form == INT_SA)
		ret->c = ret->b;
	(void)take_back(c);
	(void)pop(c);
	return true;
}

/* What is added to an address: to the end of the bytes there. */
static uint32_t emit_load(struct comp *c, const struct lower *l, uint64_t past)
{
	uint32_t addr = pop_slot(c), to = temp(c, (uint32_t)c->stack.len), at;

	emit_place(c);
	if (past <= UINT16_MAX)
		return emit(c, l->code + (addr == c->acc ? LOAD_A : LOAD_S), to, addr,
			    (uint32_t)past);
	at = emit(c, l->code + LOAD_FAR, to, addr, 0);
	emit_word(c, past);
	return at;
}

LOWER(load)
{
	enum form_load form;
	union cell sum;
	uint32_t at;

	if (!address_sum(c, &sum, &form)) {
		push_result(c, emit_load(c, l, im->k + l->n_out));
		return;
	}
	emit_place(c);
	at = emit(c, l->code + form, temp(c, (uint32_t)c->stack.len), sum.b, sum.c);
	emit_word(c, im->k + l->n_out);
	push_result(c, at);
}

/* With a sum for its address; what is stored was there before. */
static bool store_at_sum(struct comp *c, const struct lower *l, uint64_t past)
{
	struct val v = c->stack.at[c->stack.len - 1];
	enum form_load form;
	union cell sum;
	uint32_t value;

	if (!made_last(c, true))
		return false;
	(void)pop(c);
	if (!address_sum(c, &sum, &form)) {
		push(c, v);
		return false;
	}
	push(c, v);
	value = pop_slot(c);
	emit_place(c);
	(void)emit(c, l->code + STORE_XS + (unsigned)form - LOAD_XS, sum.b, value, sum.c);
	emit_word(c, past);
	return true;
}

LOWER(store)
{
	uint64_t past = im->k + l->n_out;
	uint32_t value, addr;
	unsigned form = STORE_S;

	if (store_at_sum(c, l, past))
		return;
	value = pop_slot(c);
	addr = pop_slot(c);
	if (value == (l->is_float ? c->facc : c->acc))
		form = STORE_V;
	else if (addr == c->acc)
		form = STORE_A;
	emit_place(c);
	if (past <= UINT16_MAX) {
		(void)emit(c, l->code + form, addr, value, (uint32_t)past);
	} else {
		(void)emit(c, l->code + STORE_FAR, addr, value, 0);
		emit_word(c, past);
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
#define IN_s8  0
#define IN_s16 0
#define IN_u32 0
#define IN_s32 0
#define IN_u64 0
#define IN_s64 0
#define IN_f32 0
#define IN_f64 1
#define INT(id, in, ...)      ROW(id) = { lower_integer, C_##id, BYTES_##in, 1, false },
#define CMP(id, inv, in, ...) ROW(id) = { lower_integer, C_##id, BYTES_##in, 1, false },
#define FCMP(id, ...)         ROW(id) = { lower_float, C_##id, 2, 1, true },
#define FBIN(id, ...)         ROW(id) = { lower_float, C_##id, 2, 1, true },
#define BIN(id, ...)          ROW(id) = { lower_binary, C_##id, 2, 1, false },
#define UN(id, in, ...)       ROW(id) = { lower_unary, C_##id, 1, 1, IN_##in },
#define DIV(id, ...)          ROW(id) = { lower_trapping, C_##id, 2, 1, false },
#define CUT(id, ...)          ROW(id) = { lower_cut, C_##id, 1, 1, false },
#define LOAD(id, as, out)     ROW(id) = { lower_load, C_##id, 1, sizeof(as), false },
#define STORE(id, as, in)     ROW(id) = { lower_store, C_##id, 2, sizeof(as), IN_##in },
#define SLOW(id, in, out)     ROW(id) = { lower_slow, SLOW_##id, in, out, false },
#define NONE(id, ...)
	CODE_ALL(INT, CMP, FCMP, FBIN, BIN, UN, DIV, CUT, LOAD, STORE, NONE)
	CODE_SLOWS(SLOW)
#define HAND(id, fn) ROW(id) = { lower_##fn, 0, 0, 0, false },
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
	HAND(ref_null, ref_null)           HAND(i64_extend_i32_u, nop) /* it is so in the slot */
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

/* Some 50 us of compiling between two looks. Bytes were paid for before; what
 * they made of themselves is paid for now. */
static void look_at_payer(struct comp *c)
{
	uint64_t n = c->work - c->charged;

	c->look = COMP_LOOK;
	c->charged = c->work;
	if (c->payer == NULL || c->bad != COMP_OK)
		return;
	c->payer->trap = fuel_spend(c->payer->st, n * CODE_FUEL_PER_WORK);
	if (c->payer->trap != VM_TRAP_NONE)
		c->bad = COMP_STOPPED;
}

static void compile_ops(struct comp *c)
{
	struct imms im = { 0 };

	while (c->labels.len != 0 && c->bad == COMP_OK) {
		uint32_t op;
		const struct lower *l;

		if (c->look-- == 0)
			look_at_payer(c);
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
	c->last = c->loop = COMP_NONE;
	forget_registers(c);
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

static unsigned entry_op(const struct comp *c)
{
	if (c->n_consts != 0 || c->n_locals > c->n_params + COMP_FEW)
		return C_ENTER_FULL;
	return c->n_locals == c->n_params ? C_ENTER : C_ENTER_FEW;
}

static uint32_t entry_cells(const struct comp *c)
{
	return entry_op(c) == C_ENTER_FULL ? 2 + c->n_consts : 1;
}

static uint32_t frame_size(const struct comp *c)
{
	uint32_t n = temp(c, c->max_height), few = c->n_params + COMP_FEW;

	n = n > c->n_results ? n : c->n_results;
	return entry_op(c) == C_ENTER_FEW && n < few ? few : n;
}

static void put_entry(const struct comp *c, union cell *w)
{
	w[0] = (union cell){ .op = (uint16_t)entry_op(c),
			     .a = (uint16_t)c->n_params,
			     .c = (uint16_t)frame_size(c) };
	if (w->op != C_ENTER_FULL)
		return;
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
	code_fuse(b->cells, n, c->first_temp);
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

int code_compile_body(struct vm_code *code, uint32_t own, struct code_payer *payer, struct err *e)
{
	CLEANUP(comp_done) struct comp c = { .code = code, .m = code->m, .payer = payer };
	uint32_t func = own + c.m->n_imported[VM_FUNC];
	const struct mod_func *f = &c.m->funcs.at[func];
	struct body *b;

	begin(&c, f);
	compile_ops(&c);
	if (c.bad == COMP_STOPPED)
		return err_set(e, ERR_STATE, "function %u: %s while it was compiled", func,
			       vm_trap_text(payer->trap));
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
