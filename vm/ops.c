/*
 * The tables behind ops.h. Nothing here is on a hot path but op_rows.
 */
#include "vm/ops.h"

#include "wasmd/cleanup.h"

const struct feature_info feature_info[FEAT_COUNT] = {
#define FEATURE(ident, name, have, without) [FEAT_##ident] = { name, without, have },
	VM_FEATURES(FEATURE)
#undef FEATURE
};

#define ROW(code) ((code) < 256 ? (code) : 256 + ((code) & 0xff))

const struct op_info op_rows[OP_ROWS] = {
#define OP(code, ident, text, imm, in, out, align, feature) \
	[ROW(code)] = { text, in, out, IMM_##imm, align, FEAT_##feature },
	VM_OPS(OP)
#undef OP
};

#define LATER(code, text, feature)  { text, code, FEAT_##feature },
#define THING(ident, text, feature) [LATER_##ident] = { text, LATER_##ident, FEAT_##feature },

static const struct later later_ops[] = { VM_LATER_OPS(LATER) };
static const struct later later_types[] = { VM_LATER_TYPES(LATER) };
static const struct later later_forms[] = { VM_LATER_FORMS(LATER) };
static const struct later later_things[] = { VM_LATER_THINGS(THING) };

#undef LATER
#undef THING

static const struct later *find(const struct later *rows, size_t n, uint32_t code)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].code == code)
			return &rows[i];
	return NULL;
}

const struct later *later_op(uint32_t code)
{
	return find(later_ops, ARRAY_LEN(later_ops), code);
}

const struct later *later_type(uint8_t code)
{
	return find(later_types, ARRAY_LEN(later_types), code);
}

const struct later *later_form(uint8_t code)
{
	return find(later_forms, ARRAY_LEN(later_forms), code);
}

const struct later *later_thing(enum later_thing t)
{
	return &later_things[t];
}

static const struct later *find_text(const struct later *rows, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].text == text)
			return &rows[i];
	return NULL;
}

const struct later *later_of_text(const char *text)
{
	const struct later *l = find_text(later_ops, ARRAY_LEN(later_ops), text);

	if (l == NULL)
		l = find_text(later_types, ARRAY_LEN(later_types), text);
	if (l == NULL)
		l = find_text(later_forms, ARRAY_LEN(later_forms), text);
	return l != NULL ? l : find_text(later_things, ARRAY_LEN(later_things), text);
}
