/*
 * The gate's program as people read it: eBPF as text with labels, the
 * operations that each part judges and the line of the rule that each
 * instruction comes from, all as comments. asm.c reads it back.
 */
#include <inttypes.h>

#include "policy/lower.h"
#include "wasmd/fault.h"

struct listing {
	FILE *out;
	const struct policy *p;
	const struct gate_lowered *g;
	bool *target;  /* per instruction: something jumps to it */
	uint32_t rule; /* that was named last */
};

/* Where the jump @at leads, or SIZE_MAX: it is none. */
static size_t jump_target(const struct gate_lowered *g, size_t at)
{
	const struct insn *in = &g->code.at[at];
	const char *operands = form_info(insn_info(in->op).form).operands;
	int64_t by = strchr(operands, 'j') != NULL   ? in->off
		     : strchr(operands, 'k') != NULL ? in->imm
						     : INT64_MIN;

	return by != INT64_MIN ? (size_t)((int64_t)at + 1 + by) : SIZE_MAX;
}

static size_t width(const struct insn *in)
{
	return insn_info(in->op).form == FORM_LDDW ? 2 : 1;
}

static void find_targets(struct listing *l)
{
	for (size_t i = 0; i < l->g->code.len; i += width(&l->g->code.at[i])) {
		size_t to = jump_target(l->g, i);

		if (to < l->g->code.len)
			l->target[to] = true;
	}
}

static void put_ops(struct listing *l, uint64_t ops)
{
	static const char *const names[] = {
#define GATE(name, sets, syscalls) #name,
		WASMD_GATE_OPS(GATE)
#undef GATE
	};
	size_t column = 0;

	for (unsigned op = 0; op < GATE_OP_COUNT; op++) {
		if ((ops >> op & 1) == 0)
			continue;
		if (column + strlen(names[op]) > 80)
			column = 0;
		column += (size_t)fprintf(l->out, "%s%s", column == 0 ? "\n; " : ", ", names[op]);
	}
	(void)fprintf(l->out, "\n");
}

/* The rule is named where it begins, and where it goes on after another. */
static void put_rule(struct listing *l, uint32_t rule)
{
	if (rule == l->rule)
		return;
	l->rule = rule;
	if (rule < l->p->n_rules)
		(void)fprintf(l->out, "\t; rule \"%s\", line %" PRIu32, l->p->rules[rule].id,
			      l->p->rules[rule].line);
}

static size_t put_insn(struct listing *l, size_t at)
{
	const struct insn *in = &l->g->code.at[at];
	size_t to = jump_target(l->g, at), n;
	char text[96], *last;

	n = prog_disasm(in, l->g->code.len - at, text, sizeof(text));
	last = strrchr(text, ' ');
	if (l->target[at])
		(void)fprintf(l->out, "L%zu:\n", at);
	if (to < l->g->code.len && last != NULL)
		(void)fprintf(l->out, "\t%.*s L%zu", (int)(last - text), text, to);
	else
		(void)fprintf(l->out, "\t%s", text);
	put_rule(l, l->g->rules.at[at]);
	(void)fprintf(l->out, "\n");
	return n;
}

static void put_all(struct listing *l, uint64_t worst)
{
	size_t part = 0;

	(void)fprintf(l->out, "; policy %s: %zu instructions, at most %" PRIu64 " are run\n",
		      l->p->name, l->g->code.len, worst);
	for (size_t i = 0; i < l->g->code.len;) {
		if (part < l->g->parts.len && l->g->parts.at[part].at == i) {
			put_ops(l, l->g->parts.at[part++].ops);
			l->rule = POLICY_NO_RULE;
		}
		i += put_insn(l, i);
	}
}

static int listing_text(const struct policy *p, const struct gate_lowered *g, uint64_t worst,
			char **ret, struct err *e)
{
	struct listing l = { .p = p, .g = g, .rule = POLICY_NO_RULE };
	char *text = NULL;
	size_t size;
	bool ok;

	l.target = mem_new(g->code.len, sizeof(*l.target));
	l.out = l.target != NULL ? open_memstream(&text, &size) : NULL;
	if (l.out != NULL) {
		find_targets(&l);
		put_all(&l, worst);
	}
	ok = l.out != NULL && fclose(l.out) == 0;
	free(l.target);
	if (!ok) {
		free(text);
		return err_nomem(e);
	}
	*ret = text;
	return 0;
}

/* Takes the instructions out of @g. */
static int fill(const struct policy *p, struct gate_lowered *g, struct policy_program *ret,
		struct err *e)
{
	struct verified_prog *prog = NULL;
	struct prog_world world;
	size_t globs = 0;

	for (size_t i = 0; i < p->n_rules; i++)
		globs += p->rules[i].path != NULL;
	world = prog_world_gate(globs);
	if (prog_verify(g->code.at, g->code.len, &world, 0, &prog, e) < 0)
		return err_prefix(e, "the gate's program");
	ret->worst = prog_worst(prog);
	(void)prog_free(prog);
	if (listing_text(p, g, ret->worst, &ret->text, e) < 0)
		return e->code;
	ret->code = g->code.at;
	ret->len = g->code.len * sizeof(g->code.at[0]);
	g->code.at = NULL;
	return 0;
}

int policy_program(const struct policy *p, struct policy_program *ret, struct err *e)
{
	struct gate_lowered g = { 0 };

	*ret = (struct policy_program){ 0 };
	if (lower_gate(p, &g, e) == 0)
		(void)fill(p, &g, ret, e);
	gate_lowered_done(&g);
	return e->code;
}

void policy_program_done(struct policy_program *g)
{
	free(g->code);
	free(g->text);
	*g = (struct policy_program){ 0 };
}
