/*
 * Globs to automata. The parser walks the text once and emits operations;
 * alternatives become forks, so nothing is ever expanded.
 */
#include "policy/glob.h"

#include "policy/glob_ops.h"
#include "wasmd/fault.h"

struct build {
	const char *text, *p;
	struct glob_op ops[GLOB_OPS];
	uint8_t classes[GLOB_CLASSES][32];
	size_t n_ops, n_classes;
	unsigned depth;
	struct err *e;
};

__attribute__((format(printf, 2, 3), cold)) static int bad(struct build *b, const char *fmt, ...)
{
	char why[160];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(b->e, ERR_POLICY, "at byte %td of the glob: %s", b->p - b->text, why);
}

/* Appends an operation; its index, or a negative code. */
static int emit(struct build *b, enum glob_kind kind, uint8_t byte, size_t arg)
{
	if (b->n_ops == GLOB_OPS)
		return err_set(b->e, ERR_LIMIT, "the glob needs more than %u steps", GLOB_OPS);
	b->ops[b->n_ops] = (struct glob_op){ (uint8_t)kind, byte, (uint16_t)arg };
	return (int)b->n_ops++;
}

/* fork past the loop; byte; jump back. */
static int emit_loop(struct build *b, enum glob_kind kind)
{
	size_t start = b->n_ops;

	if (emit(b, GLOB_FORK, 0, start + 3) < 0 || emit(b, kind, 0, 0) < 0)
		return b->e->code;
	return emit(b, GLOB_JUMP, 0, start);
}

/* A whole component `**` with its slash: nothing, or bytes that end in '/'. */
static int emit_any_dirs(struct build *b)
{
	size_t start = b->n_ops;

	if (emit(b, GLOB_FORK, 0, start + 5) < 0 || emit_loop(b, GLOB_ANY) < 0)
		return b->e->code;
	return emit(b, GLOB_BYTE, '/', 0);
}

static int parse_star(struct build *b)
{
	bool below = b->p != b->text && b->p[-1] == '/', head = below || b->p == b->text;

	b->p++;
	if (*b->p != '*')
		return emit_loop(b, GLOB_NOT_SLASH);
	while (*b->p == '*')
		b->p++;
	if (head && *b->p == '/') {
		b->p++;
		return emit_any_dirs(b);
	}
	/* `/x/` + `**` names what lies in x, not x with a slash. */
	if (below && strchr(",}", *b->p) != NULL && emit(b, GLOB_NOT_SLASH, 0, 0) < 0)
		return b->e->code;
	return emit_loop(b, GLOB_ANY);
}

static void class_add(uint8_t *set, unsigned lo, unsigned hi)
{
	for (unsigned c = lo; c <= hi; c++)
		set[c / 8] |= (uint8_t)(1u << c % 8);
}

static int class_byte(struct build *b, unsigned *ret)
{
	if (*b->p == '\\')
		b->p++;
	if (*b->p == '\0')
		return bad(b, "'[' without ']'");
	*ret = (uint8_t)*b->p++;
	return 0;
}

static int class_range(struct build *b, uint8_t *set)
{
	unsigned lo = 0, hi;

	if (class_byte(b, &lo) < 0)
		return b->e->code;
	hi = lo;
	if (b->p[0] == '-' && b->p[1] != ']') {
		b->p++;
		if (class_byte(b, &hi) < 0)
			return b->e->code;
	}
	if (hi < lo)
		return bad(b, "the range in '[...]' runs backwards");
	class_add(set, lo, hi);
	return 0;
}

static int parse_class(struct build *b)
{
	uint8_t *set = b->classes[b->n_classes];
	bool negate, first = true;

	if (b->n_classes == GLOB_CLASSES)
		return err_set(b->e, ERR_LIMIT, "the glob has more than %u classes", GLOB_CLASSES);
	b->p++;
	negate = *b->p == '!' || *b->p == '^';
	if (negate)
		b->p++;
	for (; first || *b->p != ']'; first = false)
		if (class_range(b, set) < 0)
			return b->e->code;
	b->p++;
	for (unsigned i = 0; negate && i < 32; i++)
		set[i] = (uint8_t)~set[i];
	set['/' / 8] &= (uint8_t)~(1u << '/' % 8);
	return emit(b, GLOB_CLASS, 0, b->n_classes++);
}

static int parse_seq(struct build *b, bool braced);

/* {x,y,z}: fork to the next alternative before each, jump to the end after. */
static int parse_braces(struct build *b)
{
	int jump = -1;

	if (b->depth == GLOB_NEST)
		return bad(b, "braces nested deeper than %u", GLOB_NEST);
	b->depth++;
	do {
		int fork = emit(b, GLOB_FORK, 0, 0);

		b->p++;
		if (fork < 0 || parse_seq(b, true) < 0)
			return b->e->code;
		if (*b->p == '\0')
			return bad(b, "'{' without '}'");
		/* The jumps of earlier alternatives hang on a chain through arg. */
		jump = emit(b, GLOB_JUMP, 0, jump < 0 ? UINT16_MAX : (size_t)jump);
		if (jump < 0)
			return b->e->code;
		b->ops[fork].arg = (uint16_t)b->n_ops;
	} while (*b->p == ',');
	b->p++;
	b->depth--;
	if (emit(b, GLOB_FAIL, 0, 0) < 0)
		return b->e->code;
	while (jump != UINT16_MAX) {
		int next = b->ops[jump].arg;

		b->ops[jump].arg = (uint16_t)b->n_ops;
		jump = next;
	}
	return 0;
}

static int parse_one(struct build *b)
{
	switch (*b->p) {
	case '*':
		return parse_star(b);
	case '?':
		b->p++;
		return emit(b, GLOB_NOT_SLASH, 0, 0);
	case '[':
		return parse_class(b);
	case '{':
		return parse_braces(b);
	case '\\':
		b->p++;
		if (*b->p == '\0')
			return bad(b, "'\\' with nothing after it");
		break;
	default:
		break;
	}
	return emit(b, GLOB_BYTE, (uint8_t)*b->p++, 0);
}

static int parse_seq(struct build *b, bool braced)
{
	while (*b->p != '\0' && !(braced && (*b->p == ',' || *b->p == '}')))
		if (parse_one(b) < 0)
			return b->e->code;
	return 0;
}

static int pack(const struct build *b, void **ret, size_t *ret_len)
{
	size_t ops = b->n_ops * sizeof(b->ops[0]), classes = b->n_classes * 32;
	struct glob_head h = { (uint16_t)b->n_ops, (uint16_t)b->n_classes, 0, 0 };
	uint8_t *p = mem_new(1, sizeof(h) + ops + classes);

	if (p == NULL)
		return err_nomem(b->e);
	while (b->ops[h.prefix].kind == GLOB_BYTE)
		h.prefix++;
	h.plain = b->ops[h.prefix].kind == GLOB_MATCH;
	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), b->ops, ops);
	memcpy(p + sizeof(h) + ops, b->classes, classes);
	*ret = p;
	*ret_len = sizeof(h) + ops + classes;
	return 0;
}

int glob_compile(const char *text, void **ret, size_t *ret_len, struct err *e)
{
	CLEANUP(free_p) struct build *b = mem_new(1, sizeof(*b));

	if (b == NULL)
		return err_nomem(e);
	b->text = b->p = text;
	b->e = e;
	if (parse_seq(b, false) < 0 || emit(b, GLOB_MATCH, 0, 0) < 0)
		return e->code;
	return pack(b, ret, ret_len);
}
