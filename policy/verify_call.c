/*
 * Calls of helpers: each argument against the letter of the helper's row.
 */
#include "policy/verify.h"

static struct reg *reg_at(struct state *s, unsigned r)
{
	return &state_top(s)->reg[r];
}

static int bad_arg(struct verify *v, size_t i, struct state *s, unsigned r, const char *want)
{
	char text[96];

	reg_text(reg_at(s, r), text, sizeof(text));
	return verify_bad(v, i, "r%u is %s, %s wants %s", r, text, helper_info(v->at[i].imm).name,
			  want);
}

static bool is_below(const struct reg *r, uint64_t bound)
{
	return r->type == REG_NUMBER && r->r.umax < bound;
}

static int check_arg(struct verify *v, size_t i, struct state *s, unsigned r, char letter)
{
	const struct reg *reg = reg_at(s, r);

	if (reg->type == REG_UNSET)
		return verify_bad(v, i, "r%u is read before it is written", r);
	switch (letter) {
	case 'c':
		if (reg->type == REG_CTX && range_is_one(reg->r) && reg->r.umin == 0)
			return 0;
		return bad_arg(v, i, s, r, "the context");
	case 'o':
		return is_below(reg, 2) ? 0 : bad_arg(v, i, s, r, "an object, 0 or 1");
	case 'g':
		return is_below(reg, v->world->n_globs)
			       ? 0
			       : bad_arg(v, i, s, r, "the number of a glob that there is");
	default:
		return reg->type == REG_NUMBER ? 0 : bad_arg(v, i, s, r, "a number");
	}
}

int verify_helper(struct verify *v, size_t i, struct state *s)
{
	const char *args = helper_info(v->at[i].imm).args;

	for (unsigned k = 0; args[k] != '\0'; k++)
		if (check_arg(v, i, s, k + 1, args[k]) < 0)
			return v->e->code;
	for (unsigned r = 1; r <= 5; r++)
		reg_at(s, r)->type = REG_UNSET;
	*reg_at(s, 0) = reg_number(range_any());
	return 0;
}
