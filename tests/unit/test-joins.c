/*
 * Every row of vm/code_joins.def: the operations joined against the same ones
 * apart, over random cells, frames and memory. Slots, memory, the global, fuel,
 * the trap and the cell it stands at must be equal; only the temporary that a
 * join leaves out of its slot may differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vm/store.h"

#define ROUNDS 25
#define SLOTS  256 /* that cells name */
#define TEMPS  4   /* behind them: of what is left out */
#define BYTES  4096
#define MOST   4 /* joined at once */

enum how { HOW_then, HOW_into, HOW_over };

static const struct row {
	const char *name;
	uint16_t code, parts[MOST];
	uint8_t how[MOST - 1];
} rows[] = {
/* clang-format off */
#define JOIN2(a, x, b)                                                        \
	{ #a " " #x " " #b, C_##a##_##x##_##b, { C_##a, C_##b, C_COUNT }, { HOW_##x } },
#define JOIN3(a, x, b, y, c)                                                  \
	{ #a " " #x " " #b " " #y " " #c, C_##a##_##x##_##b##_##y##_##c,      \
	  { C_##a, C_##b, C_##c, C_COUNT }, { HOW_##x, HOW_##y } },
#define JOIN4(a, x, b, y, c, z, d)                                            \
	{ #a " " #x " " #b " " #y " " #c " " #z " " #d,                       \
	  C_##a##_##x##_##b##_##y##_##c##_##z##_##d,                          \
	  { C_##a, C_##b, C_##c, C_##d }, { HOW_##x, HOW_##y, HOW_##z } },
	CODE_JOINS2(JOIN_NONE, JOIN2)
	CODE_JOINS3(JOIN_NONE, JOIN3)
	CODE_JOINS4(JOIN_NONE, JOIN4)
#undef JOIN2
#undef JOIN3
#undef JOIN4
};

static const struct shape {
	const char *name;
	uint8_t end;
} shapes[C_COUNT] = {
#define NAME(id, n, end) [C_##id] = { #id, END_##end },
	CODE_NAMES
#undef NAME
};

/* (module (memory 1) (global (mut i64) (i64.const 0)) (func)) */
static const uint8_t module[] = {
	0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1,
	6, 6, 1, 0x7e, 1, 0x42, 0, 0x0b, 10, 4, 1, 2, 0, 0x0b,
};
/* clang-format on */

struct world {
	union slot frame[SLOTS + TEMPS + 8];
	uint8_t memory[BYTES];
	uint64_t global, fuel;
	enum vm_trap trap;
	ptrdiff_t at;
};

static struct vm_store *st;
static struct vm_instance *in;

static uint64_t bits(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static uint16_t below(uint16_t n)
{
	return (uint16_t)(bits() >> 20) % n;
}

/* An address within, one outside, or a number; never a NaN. */
static union slot value(void)
{
	union slot s = { .u64 = bits() % 3 == 0 ? below(3) : below(900) };

	if (bits() % 8 == 0)
		s.u64 = (uint32_t)bits() | 1u << 31;
	if (bits() % 3 == 0)
		s.f64 = (double)(int64_t)bits() / 1e12;
	return s;
}

static bool accesses(const char *name)
{
	return strstr(name, "_load") != NULL || strstr(name, "_store") != NULL;
}

/* The cells of @op at @w, its branches to @to; how many they are. */
static uint32_t write_op(union cell *w, uint16_t op, const union cell *to)
{
	uint32_t n;

	w[0] = (union cell){ .op = op, .a = below(SLOTS), .b = below(SLOTS) };
	w[0].c = 8 + below(SLOTS - 8); /* a branch costs something, an access has a width */
	w[1].u64 = 1;
	n = code_cells(w);
	for (uint32_t i = 1; i < n; i++)
		w[i] = (union cell){ .x = 8 + below(SLOTS - 8), .y = below(SLOTS) };
	if (n > 1 && accesses(shapes[op].name))
		w[1] = (union cell){ .u64 = 8u + below(64) };
	if (op == C_GLOBAL_GET || op == C_GLOBAL_SET)
		w[0].hi = 0;
	if (op == C_BR_TABLE || op == C_BR_TABLE_a) {
		w[1].u64 = 1;
		w[2].to = w[3].to = to;
	}
	if (shapes[op].end == END_BR)
		w[1].to = to;
	if (shapes[op].end == END_FAR)
		w[2].to = to;
	return n;
}

/* The third of a trio takes the first one's result as its first operand. */
static void name_first(union cell *w, uint16_t slot)
{
	const char *name = shapes[w->op].name;
	size_t len = strlen(name);

	if (strstr(name, "_load") != NULL)
		w->c = slot;
	else if (name[len - 1] == 'v' || strchr("brBlL", name[0]) != NULL)
		w->a = slot;
	else
		w->b = slot;
}

/* Registers filled, lp set, then @row's operations apart; where they begin. */
static union cell *write_row(union cell *w, const struct row *row, const union cell *to)
{
	union cell *first;

	*w++ = (union cell){ .op = C_i64_add_k, .a = 0, .b = below(SLOTS), .c = 1 };
	*w++ = (union cell){ .op = C_f64_add, .a = 1, .b = below(SLOTS), .c = below(SLOTS) };
	*w++ = (union cell){ .op = C_LOOP };
	first = w;
	for (unsigned i = 0; i < MOST && row->parts[i] != C_COUNT; i++) {
		union cell *at = w;

		w += write_op(w, row->parts[i], to);
		if (i < MOST - 1 && row->how[i] != HOW_then)
			at->a = (uint16_t)(SLOTS + i);
		if (i == 2 && row->how[0] == HOW_over)
			name_first(at, SLOTS);
	}
	*w = (union cell){ .op = C_EXIT };
	return first;
}

static void run_world(struct world *x, const union cell *code)
{
	memcpy(st->stack, x->frame, sizeof(x->frame));
	memcpy(in->mem->base, x->memory, sizeof(x->memory));
	in->globals[0]->v.u64 = x->global;
	vm_store_set_fuel(st, x->fuel);
	st->ctl[0] = (struct ctl){ stub_exit, st->stack, in, &in->own[0] };
	run(st, code, st->stack, in, st->ctl);
	memcpy(x->frame, st->stack, sizeof(x->frame));
	memcpy(x->memory, in->mem->base, sizeof(x->memory));
	x->global = in->globals[0]->v.u64;
	x->fuel = vm_store_fuel(st);
	x->trap = st->trap;
	x->at = st->at == stub_exit ? -1 : st->at - code;
}

static void check_row(const struct row *row)
{
	static struct world apart, joined;
	union cell code[40], *first;

	memset(code, 0, sizeof(code));
	code[39] = (union cell){ .op = C_EXIT };
	first = write_row(code, row, &code[39]);
	for (unsigned i = 0; i < ARRAY_LEN(apart.frame); i++)
		apart.frame[i] = value();
	for (unsigned i = 0; i < BYTES; i++)
		apart.memory[i] = (uint8_t)(i % 8 > 4 ? 0x40 : bits());
	apart.global = bits() % 1000;
	apart.fuel = bits() % 4 == 0 ? below(600) : 2000;
	joined = apart;
	run_world(&apart, code);
	first->op = row->code;
	run_world(&joined, code);
	memset(apart.frame + SLOTS, 0, TEMPS * sizeof(union slot));
	memset(joined.frame + SLOTS, 0, TEMPS * sizeof(union slot));
	if (memcmp(&apart, &joined, sizeof(apart)) != 0)
		fail_msg("%s: apart trap %d at %td fuel %llu, joined trap %d at %td fuel %llu%s",
			 row->name, (int)apart.trap, apart.at, (unsigned long long)apart.fuel,
			 (int)joined.trap, joined.at, (unsigned long long)joined.fuel,
			 memcmp(apart.frame, joined.frame, sizeof(apart.frame)) != 0
				 ? ", slots differ"
				 : "");
}

static void joined_is_as_apart(void **state)
{
	assert_true(ARRAY_LEN(rows) > 400);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int j = 0; j < ROUNDS; j++)
			check_row(&rows[i]);
}

static int set_up(void **state)
{
	struct vm_valid_module *valid;
	struct vm_trap_info trap;
	struct vm_module *m;
	struct vm_code *c;
	struct err e = { 0 };

	if (vm_module_decode(module, sizeof(module), &m, &e) != 0 ||
	    vm_module_validate(m, &valid, &e) != 0 || vm_module_compile(valid, &c, &e) != 0)
		return -1;
	if (vm_store_new(NULL, &st, &e) != 0)
		return -1;
	if (vm_instance_new(st, c, NULL, NULL, &in, &trap, &e) != 0)
		return -1;
	(void)vm_code_unref(c);
	return 0;
}

static int tear_down(void **state)
{
	(void)vm_store_free(st);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(joined_is_as_apart) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
