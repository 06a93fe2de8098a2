/*
 * Joins operations that follow each other: the first one's code becomes that of
 * both, or of all three, and no cell moves. What comes second keeps its own
 * code, so a branch may lead to it, a trap stands at it, and it may itself be
 * the first of others. Which ones are joined, vm/code_joins.def says.
 */
#include "vm/code.h"

/* "into": the result of the first one goes no further than to the next; "over",
 * of a trio: no further than to the third, as its first operand. */
struct join {
	uint16_t first, next, code;
	bool into, over;
};

#define into_into true
#define into_then false
#define over_into false
#define over_then false
#define over_over true
/* What the first two of a trio are on the way to it: their result is kept. */
#define pair_into	into
#define pair_then	then
#define pair_over	then
#define PASTE(a, x, b)	a##_##x##_##b
#define PAIR(a, x, b)	PASTE(a, x, b)
#define C_PAIR(a, x, b) PAIR(C_##a, pair_##x, b)

/* Rows of the same first stand together. */
static const struct join joins[] = { { 0 },
#define JOIN2(a, x, b) { C_##a, C_##b, C_##a##_##x##_##b, into_##x, false },
#define JOIN3(a, x, b, y, c) \
	{ C_PAIR(a, x, b), C_##c, C_##a##_##x##_##b##_##y##_##c, into_##y, over_##x },
#define JOIN4(a, x, b, y, c, z, d)                                                         \
	{ C_##a##_##x##_##b##_##y##_##c, C_##d, C_##a##_##x##_##b##_##y##_##c##_##z##_##d, \
	  into_##z, false },
				     CODE_JOINS2(JOIN_NONE, JOIN2) CODE_JOINS3(JOIN_NONE, JOIN3)
					     CODE_JOINS4(JOIN_NONE, JOIN4){ 0 }
#undef JOIN2
#undef JOIN3
#undef JOIN4
};

/* Where they begin: each FIRST counts as the row behind it. */
enum {
	ROW_NONE,
#define FIRST2(a)	ROW_##a, BEFORE_##a = ROW_##a - 1,
#define FIRST3(a, x, b) ROW_##a##_##x##_##b, BEFORE_##a##_##x##_##b = ROW_##a##_##x##_##b - 1,
#define FIRST4(a, x, b, y, c)            \
	ROW_##a##_##x##_##b##_##y##_##c, \
		BEFORE_##a##_##x##_##b##_##y##_##c = ROW_##a##_##x##_##b##_##y##_##c - 1,
#define JOIN2(a, x, b)		   AT_##a##_##x##_##b,
#define JOIN3(a, x, b, y, c)	   AT_##a##_##x##_##b##_##y##_##c,
#define JOIN4(a, x, b, y, c, z, d) AT_##a##_##x##_##b##_##y##_##c##_##z##_##d,
	CODE_JOINS2(FIRST2, JOIN2) CODE_JOINS3(FIRST3, JOIN3) CODE_JOINS4(FIRST4, JOIN4)
#undef FIRST2
#undef FIRST3
#undef FIRST4
#undef JOIN2
#undef JOIN3
#undef JOIN4
};

static const uint16_t rows_of[C_ALL] = {
#define FIRST2(a)	      [C_##a] = ROW_##a,
#define FIRST3(a, x, b)	      [C_##a##_##x##_##b] = ROW_##a##_##x##_##b,
#define FIRST4(a, x, b, y, c) [C_##a##_##x##_##b##_##y##_##c] = ROW_##a##_##x##_##b##_##y##_##c,
	CODE_JOINS2(FIRST2, JOIN_NONE) CODE_JOINS3(FIRST3, JOIN_NONE) CODE_JOINS4(FIRST4, JOIN_NONE)
#undef FIRST2
#undef FIRST3
#undef FIRST4
};

static const uint8_t cells_of[C_COUNT] = {
#define NAME(id, n, end) [C_##id] = n,
	CODE_NAMES
#undef NAME
};

uint32_t code_cells(const union cell *w)
{
	uint32_t n = cells_of[w->op];

	if (w->op == C_BR_TABLE || w->op == C_BR_TABLE_a || w->op == C_ENTER_FULL)
		n += (uint32_t)w[1].u64;
	return n;
}

/* Where the slot of the first operand stands, of those that may have it from a
 * register instead. */
enum { FIELD_A = 1, FIELD_B, FIELD_C };

/* clang-format off */
static const uint8_t first_operand[C_COUNT] = {
#define BIN(id)	       [C_##id] = FIELD_B, [C_##id##_sa] = FIELD_B,
#define BRANCH(id)     [C_##id] = FIELD_A, [C_##id##_sa] = FIELD_A,
#define INT(id, ...)   BIN(id) [C_##id##_k] = FIELD_B,
#define CMP(id, ...)   INT(id) BRANCH(br_##id) BRANCH(lp_##id) \
		       [C_br_##id##_k] = FIELD_A, [C_lp_##id##_k] = FIELD_A,
#define FBIN(id, ...)  BIN(id)
#define FCMP(id, ...)  BIN(id)
#define LOAD(id, ...)  [C_##id##_xa] = FIELD_C,
#define STORE(id, ...) [C_##id##_v] = FIELD_A,
#define NONE(...)
	[C_BR_Z] = FIELD_A, [C_BR_NZ] = FIELD_A, [C_LP_Z] = FIELD_A, [C_LP_NZ] = FIELD_A,
	CODE_ALL(INT, CMP, FCMP, FBIN, NONE, NONE, NONE, NONE, LOAD, STORE, NONE)
#undef BIN
#undef BRANCH
#undef INT
#undef CMP
#undef FBIN
#undef FCMP
#undef LOAD
#undef STORE
#undef NONE
};
/* clang-format on */

static bool takes_first(const union cell *w, uint32_t slot)
{
	switch (first_operand[w->op]) {
	case FIELD_A:
		return w->a == slot;
	case FIELD_B:
		return w->b == slot;
	case FIELD_C:
		return w->c == slot;
	default:
		return false;
	}
}

/* What @code followed by @next becomes. @temp: the result before @next goes to a
 * temporary, which then nobody reads but @next, if that has it from a register.
 * @over: so does @next with the result before that. */
static uint16_t joined(uint16_t code, uint16_t next, bool temp, bool over)
{
	const struct join *j = &joins[rows_of[code]];

	for (; j->first == code; j++)
		if (j->next == next && (!j->into || temp) && (!j->over || over))
			return j->code;
	return 0;
}

/* The most that can be joined, beginning at @w. */
static uint16_t join_at(const union cell *w, const union cell *end, uint32_t first_temp)
{
	const union cell *first = w, *next;
	uint16_t code = w->op;

	for (unsigned n = 2; rows_of[code] != 0; n++, w = next) {
		bool over = n == 3 && first->a >= first_temp;
		uint16_t more;

		next = w + code_cells(w);
		if (next >= end)
			break;
		over = over && takes_first(next, first->a);
		more = joined(code, next->op, w->a >= first_temp, over);
		if (more == 0)
			break;
		code = more;
	}
	return code;
}

void code_fuse(union cell *w, uint32_t n, uint32_t first_temp)
{
	const union cell *end = w + n;
	uint32_t len;

	for (; w < end; w += len) {
		len = code_cells(w);
		w->op = join_at(w, end, first_temp);
	}
}
