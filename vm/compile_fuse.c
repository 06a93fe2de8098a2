/*
 * Joins operations that follow each other: the first one's code becomes that of
 * both, or of all three, and no cell moves. What comes second keeps its own
 * code, so a branch may lead to it, a trap stands at it, and it may itself be
 * the first of others. Which ones are joined, vm/code_joins.def says.
 */
#include "vm/code.h"

/* "into": the result of the first one goes no further than to the next. */
struct join {
	uint16_t first, next, code;
	bool into;
};

#define how_into true
#define how_then false

/* Rows of the same first stand together; those lead to them are 1 + their index. */
static const struct join joins[] = { { 0 },
#define FIRST2(a)
#define FIRST3(a, x, b)
#define JOIN2(a, x, b)	     { C_##a, C_##b, C_##a##_##x##_##b, how_##x },
#define JOIN3(a, x, b, y, c) { C_##a##_##x##_##b, C_##c, C_##a##_##x##_##b##_##y##_##c, how_##y },
				     CODE_JOINS2(FIRST2, JOIN2) CODE_JOINS3(FIRST3, JOIN3){ 0 }
#undef FIRST2
#undef FIRST3
#undef JOIN2
#undef JOIN3
};

enum {
	ROW_NONE,
#define FIRST2(a)	     ROW_##a, BEFORE_##a = ROW_##a - 1,
#define FIRST3(a, x, b)	     ROW_##a##_##x##_##b, BEFORE_##a##_##x##_##b = ROW_##a##_##x##_##b - 1,
#define JOIN2(a, x, b)	     AT_##a##_##x##_##b,
#define JOIN3(a, x, b, y, c) AT_##a##_##x##_##b##_##y##_##c,
	CODE_JOINS2(FIRST2, JOIN2) CODE_JOINS3(FIRST3, JOIN3)
#undef FIRST2
#undef FIRST3
#undef JOIN2
#undef JOIN3
};

static const uint16_t rows_of[C_ALL] = {
#define FIRST2(a)	[C_##a] = ROW_##a,
#define FIRST3(a, x, b) [C_##a##_##x##_##b] = ROW_##a##_##x##_##b,
#define NONE(...)
	CODE_JOINS2(FIRST2, NONE) CODE_JOINS3(FIRST3, NONE)
#undef FIRST2
#undef FIRST3
#undef NONE
};

static const uint8_t cells_of[C_COUNT] = {
#define NAME(id, n, end) [C_##id] = n,
	CODE_NAMES
#undef NAME
};

uint32_t code_cells(const union cell *w)
{
	uint32_t n = cells_of[w->op];

	if (w->op == C_BR_TABLE || w->op == C_ENTER_FULL)
		n += (uint32_t)w[1].u64;
	return n;
}

/* What @code followed by @next becomes; its own result goes to a temporary if
 * @temp, which then nobody reads but @next if that has it from a register. */
static uint16_t joined(uint16_t code, uint16_t next, bool temp)
{
	const struct join *j = &joins[rows_of[code]];

	for (; j->first == code; j++)
		if (j->next == next && (!j->into || temp))
			return j->code;
	return 0;
}

void code_fuse(union cell *w, uint32_t n, uint32_t first_temp)
{
	const union cell *end = w + n;
	uint32_t len;

	for (; w < end; w += len) {
		const union cell *next = w + (len = code_cells(w)), *last;
		uint16_t two, three;

		if (rows_of[w->op] == 0 || next >= end)
			continue;
		two = joined(w->op, next->op, w->a >= first_temp);
		if (two == 0)
			continue;
		last = next + code_cells(next);
		three = last < end && rows_of[two] != 0
				? joined(two, last->op, next->a >= first_temp)
				: 0;
		w->op = three != 0 ? three : two;
	}
}
