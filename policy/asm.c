/*
 * Text -> instructions: one to a line, `label:` before one, comments after #
 * or ;. What prog_disasm() writes comes back as the same bytes, since both
 * are driven by the rows of insns.def and the names of prog_mnemonic().
 */
#include "policy/asm.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>

#include "wasmd/fault.h"
#include "wasmd/limits.h"
#include "wasmd/policy.h"

#define MOST_WORD 32u

struct label {
	char name[MOST_WORD];
	size_t at;
};

/* A jump to a label, to be filled in when all labels are known. */
struct jump {
	char name[MOST_WORD];
	size_t at;
	uint32_t line;
	bool wide; /* in the immediate */
};

struct assembler {
	const char *p, *end; /* of the line, without its comment */
	uint32_t line;
	struct insn_list *out;
	VEC(struct label) labels;
	VEC(struct jump) jumps;
	struct err *e;
};

__attribute__((format(printf, 2, 3), cold)) static int bad(struct assembler *a, const char *fmt,
							   ...)
{
	char why[160];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(a->e, ERR_POLICY, "line %u: %s", a->line, why);
}

/* ---- words --------------------------------------------------------------------- */

static void skip_blanks(struct assembler *a)
{
	while (a->p < a->end && isspace((unsigned char)*a->p))
		a->p++;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static size_t peek_word(struct assembler *a, char *ret)
{
	size_t n = 0;

	skip_blanks(a);
	while (a->p + n < a->end && is_name(a->p[n]) && n + 1 < MOST_WORD) {
		ret[n] = a->p[n];
		n++;
	}
	ret[n] = '\0';
	return n;
}

static bool take_word(struct assembler *a, const char *word)
{
	char found[MOST_WORD];
	size_t n = peek_word(a, found);

	if (n == 0 || strcmp(found, word) != 0)
		return false;
	a->p += n;
	return true;
}

static bool take(struct assembler *a, char c)
{
	skip_blanks(a);
	if (a->p == a->end || *a->p != c)
		return false;
	a->p++;
	return true;
}

/* A signed number of @bits; a hexadecimal one may use the sign bit too. */
static int take_number(struct assembler *a, int bits, int64_t *ret)
{
	const char *p;
	bool minus = take(a, '-'), hex;
	uint64_t v, most;
	char *end;

	if (!minus)
		(void)take(a, '+');
	p = a->p;
	if (p == a->end || !isdigit((unsigned char)*p))
		return bad(a, "expected a number");
	hex = p[0] == '0' && p + 1 < a->end && (p[1] | 32) == 'x';
	errno = 0;
	v = strtoull(p, &end, hex ? 16 : 10);
	most = hex && !minus ? UINT64_MAX >> (64 - bits)
			     : (UINT64_MAX >> (65 - bits)) + (uint64_t)minus;
	if (errno != 0 || end > a->end || (v > most && bits < 64))
		return bad(a, "the number does not fit into %d bits", bits);
	a->p = end;
	*ret = (int64_t)(minus ? -v : v);
	return 0;
}

static int take_register(struct assembler *a, unsigned *ret)
{
	char word[MOST_WORD], *end;
	size_t n;

	(void)take(a, '%');
	n = peek_word(a, word);
	if (n < 2 || word[0] != 'r' || !isdigit((unsigned char)word[1]))
		return bad(a, "expected a register, r0 to r10");
	*ret = (unsigned)strtoul(word + 1, &end, 10);
	if (*end != '\0' || *ret > 10)
		return bad(a, "register %s does not exist", word);
	a->p += n;
	return 0;
}

/* ---- operands --------------------------------------------------------------------- */

static int take_mem(struct assembler *a, struct insn *in, bool dst)
{
	int64_t off = 0;
	unsigned reg;

	if (!take(a, '['))
		return bad(a, "expected [register+offset]");
	if (take_register(a, &reg) < 0)
		return a->e->code;
	skip_blanks(a);
	if (a->p < a->end && *a->p != ']' && take_number(a, 16, &off) < 0)
		return a->e->code;
	if (off > INT16_MAX)
		return bad(a, "the number does not fit into 16 bits");
	if (!take(a, ']'))
		return bad(a, "expected ]");
	in->off = (int16_t)off;
	if (dst)
		in->dst = reg & 15;
	else
		in->src = reg & 15;
	return 0;
}

/* +n, -n or a label; the number stands in *ret. */
static int take_jump(struct assembler *a, bool wide, int64_t *ret)
{
	struct jump *j;
	char word[MOST_WORD];
	size_t n;

	skip_blanks(a);
	if (a->p < a->end && (*a->p == '+' || *a->p == '-' || isdigit((unsigned char)*a->p)))
		return take_number(a, wide ? 32 : 16, ret);
	n = peek_word(a, word);
	if (n == 0)
		return bad(a, "expected +n, -n or a label");
	j = VEC_PUSH(&a->jumps);
	if (j == NULL)
		return err_nomem(a->e);
	memcpy(j->name, word, sizeof(word));
	j->at = a->out->len;
	j->line = a->line;
	j->wide = wide;
	a->p += n;
	*ret = 0;
	return 0;
}

static int32_t helper_number(const char *name)
{
#define HELPER(num, id, args, ret)  \
	if (strcmp(name, #id) == 0) \
		return (num);
	POLICY_HELPERS(HELPER)
#undef HELPER
	return 0;
}

static int take_callee(struct assembler *a, struct insn *in)
{
	char word[MOST_WORD];
	int64_t v = 0;
	size_t n;

	if (take_word(a, "local")) {
		in->src = 1;
		if (take_jump(a, true, &v) < 0)
			return a->e->code;
		in->imm = (int32_t)v;
		return 0;
	}
	n = peek_word(a, word);
	if (n > 0 && isdigit((unsigned char)word[0])) {
		if (take_number(a, 32, &v) < 0)
			return a->e->code;
		in->imm = (int32_t)v;
		return 0;
	}
	in->imm = helper_number(word);
	if (in->imm == 0)
		return bad(a, "no helper \"%s\"", word);
	a->p += n;
	return 0;
}

/* A number, `map N` or `map N + OFFSET`; the high half goes to *hi. */
static int take_wide(struct assembler *a, struct insn *in, int32_t *hi)
{
	int64_t v = 0, off = 0;

	if (!take_word(a, "map")) {
		if (take_number(a, 64, &v) < 0)
			return a->e->code;
		in->imm = (int32_t)v;
		*hi = (int32_t)((uint64_t)v >> 32);
		return 0;
	}
	if (take_number(a, 32, &v) < 0)
		return a->e->code;
	in->src = 1;
	if (take(a, '+')) {
		in->src = 2;
		if (take_number(a, 32, &off) < 0)
			return a->e->code;
	}
	in->imm = (int32_t)v;
	*hi = (int32_t)off;
	return 0;
}

static int take_operand(struct assembler *a, struct insn *in, int32_t *hi, char letter)
{
	unsigned reg = 0;
	int64_t v = 0;
	int r = 0;

	switch (letter) {
	case 'd':
	case 's':
		r = take_register(a, &reg);
		if (letter == 'd')
			in->dst = reg & 15;
		else
			in->src = reg & 15;
		return r;
	case 'D':
	case 'S':
		return take_mem(a, in, letter == 'D');
	case 'i':
		r = take_number(a, 32, &v);
		in->imm = (int32_t)v;
		return r;
	case 'j':
		r = take_jump(a, false, &v);
		in->off = (int16_t)v;
		return r;
	case 'k':
		r = take_jump(a, true, &v);
		in->imm = (int32_t)v;
		return r;
	case 'h':
		return take_callee(a, in);
	case 'w':
		return take_wide(a, in, hi);
	case ',':
		return take(a, ',') ? 0 : bad(a, "expected a comma");
	default: /* a blank */
		return 0;
	}
}

/* ---- instructions -------------------------------------------------------------------- */

/* Is the second operand a register? Which of two forms is meant says nothing else. */
static bool second_is_register(const struct assembler *a)
{
	const char *p = memchr(a->p, ',', (size_t)(a->end - a->p));

	if (p == NULL)
		return false;
	for (p++; p < a->end && isspace((unsigned char)*p); p++)
		;
	return p < a->end && (*p == '%' || *p == 'r');
}

static bool takes_register(enum insn_form form)
{
	return strchr(form_info(form).operands, 's') != NULL;
}

static bool takes_second(enum insn_form form)
{
	return strncmp(form_info(form).operands, "d, ", 3) == 0;
}

static bool named(const struct insn *in, const char *name, bool with_reg)
{
	enum insn_form form = insn_info(in->op).form;
	char text[MOST_WORD];

	if (takes_second(form) && form != FORM_LDX && form != FORM_LDDW &&
	    takes_register(form) != with_reg)
		return false;
	prog_mnemonic(in, text, sizeof(text));
	return strcmp(text, name) == 0;
}

/* The fields that give an opcode another name. */
static bool find_variant(struct insn *in, const char *name, bool with_reg)
{
	static const int16_t offs[] = { 0, 1, 8, 16, 32 };
	static const int32_t imms[] = { 0, 16, 32, 64,
#define A(code, text, reads, writes) (code),
					POLICY_ATOMICS(A)
#undef A
	};
	enum insn_form form = insn_info(in->op).form;
	bool by_imm = form == FORM_END || form == FORM_ATOMIC;

	for (size_t k = 0; k < (by_imm ? ARRAY_LEN(imms) : ARRAY_LEN(offs)); k++) {
		struct insn try = { .op = in->op };

		if (by_imm)
			try.imm = imms[k];
		else if (form_info(form).off == 's' || form_info(form).off == 'x' || k == 0)
			try.off = offs[k];
		if (named(&try, name, with_reg)) {
			*in = try;
			return true;
		}
	}
	return false;
}

static bool find_insn(const char *name, bool with_reg, struct insn *ret)
{
	for (unsigned op = 0; op < 256; op++) {
		*ret = (struct insn){ .op = (uint8_t)op };
		if (insn_info(ret->op).text != NULL && find_variant(ret, name, with_reg))
			return true;
	}
	return false;
}

/* "mov", or "lock fetch add"; "swap16" is "bswap16" to some. */
static void take_mnemonic(struct assembler *a, char *ret, size_t size)
{
	char word[MOST_WORD];
	size_t len;

	ret[0] = '\0';
	if (peek_word(a, word) > 4 && strncmp(word, "swap", 4) == 0)
		(void)snprintf(ret, size, "b");
	do {
		size_t n = peek_word(a, word);

		len = strlen(ret);
		(void)snprintf(ret + len, size - len, "%s%s", len > 1 && n > 0 ? " " : "", word);
		a->p += n;
	} while (strcmp(word, "lock") == 0 || strcmp(word, "fetch") == 0);
}

static struct insn *push(struct assembler *a)
{
	if (!vec_room(&a->out->at, &a->out->cap, a->out->len + 1, sizeof(a->out->at[0])))
		return NULL;
	return memset(&a->out->at[a->out->len++], 0, sizeof(a->out->at[0]));
}

static int emit(struct assembler *a, struct insn in, int32_t hi)
{
	bool wide = insn_info(in.op).form == FORM_LDDW;
	struct insn *to;

	if (a->out->len + 2 > LIM_BPF_INSNS)
		return err_set(a->e, ERR_LIMIT, "line %u: more than %u instructions", a->line,
			       LIM_BPF_INSNS);
	to = push(a);
	if (to == NULL)
		return err_nomem(a->e);
	*to = in;
	to = wide ? push(a) : to;
	if (to == NULL)
		return err_nomem(a->e);
	if (wide)
		to->imm = hi;
	return 0;
}

static int take_insn(struct assembler *a)
{
	char name[3 * MOST_WORD];
	int32_t hi = 0;
	struct insn in;

	take_mnemonic(a, name, sizeof(name));
	if (!find_insn(name, second_is_register(a), &in) && !find_insn(name, true, &in) &&
	    !find_insn(name, false, &in))
		return bad(a, "no instruction \"%s\"", name);
	for (const char *c = form_info(insn_info(in.op).form).operands; *c != '\0'; c++)
		if (take_operand(a, &in, &hi, *c) < 0)
			return a->e->code;
	skip_blanks(a);
	if (a->p < a->end)
		return bad(a, "\"%.*s\" is left over", (int)(a->end - a->p), a->p);
	return emit(a, in, hi);
}

/* ---- labels, lines ----------------------------------------------------------------------- */

static bool take_label(struct assembler *a, char *ret)
{
	size_t n = peek_word(a, ret);

	if (n == 0 || a->p + n >= a->end || a->p[n] != ':')
		return false;
	a->p += n + 1;
	return true;
}

static const struct label *find_label(const struct assembler *a, const char *name)
{
	for (size_t i = 0; i < a->labels.len; i++)
		if (strcmp(a->labels.at[i].name, name) == 0)
			return &a->labels.at[i];
	return NULL;
}

static int take_line(struct assembler *a)
{
	char name[MOST_WORD];

	while (take_label(a, name)) {
		struct label *l;

		if (find_label(a, name) != NULL)
			return bad(a, "there is a label \"%s\" already", name);
		l = VEC_PUSH(&a->labels);
		if (l == NULL)
			return err_nomem(a->e);
		memcpy(l->name, name, sizeof(name));
		l->at = a->out->len;
	}
	skip_blanks(a);
	return a->p == a->end ? 0 : take_insn(a);
}

/* Where "exit" is no label of the text, it is the last such instruction. */
static const struct label *last_exit(const struct assembler *a, const char *name, struct label *ret)
{
	for (ret->at = a->out->len; strcmp(name, "exit") == 0 && ret->at-- > 0;)
		if (a->out->at[ret->at].op == INSN_exit)
			return ret;
	return NULL;
}

static int fill_jumps(struct assembler *a)
{
	for (size_t i = 0; i < a->jumps.len; i++) {
		const struct jump *j = &a->jumps.at[i];
		const struct label *l = find_label(a, j->name);
		struct label last = { 0 };
		int64_t by;

		if (l == NULL)
			l = last_exit(a, j->name, &last);
		by = l != NULL ? (int64_t)l->at - (int64_t)j->at - 1 : 0;
		a->line = j->line;
		if (l == NULL)
			return bad(a, "no label \"%s\"", j->name);
		if (!j->wide && (by < INT16_MIN || by > INT16_MAX))
			return bad(a, "label \"%s\" is too far away", j->name);
		if (j->wide)
			a->out->at[j->at].imm = (int32_t)by;
		else
			a->out->at[j->at].off = (int16_t)by;
	}
	return 0;
}

static int take_lines(struct assembler *a, const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		a->line++;
		a->p = text;
		a->end = text + strcspn(text, "#;\n");
		if (take_line(a) < 0)
			return a->e->code;
		text += n + (text[n] == '\n');
	}
	return fill_jumps(a);
}

int prog_asm(const char *text, struct insn_list *ret, struct err *e)
{
	struct assembler a = { .out = ret, .e = e };
	int r;

	*ret = (struct insn_list){ 0 };
	r = take_lines(&a, text);
	VEC_DONE(&a.labels);
	VEC_DONE(&a.jumps);
	if (r < 0)
		VEC_DONE(ret);
	return r;
}
