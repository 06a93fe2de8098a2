/*
 * A body as text: the instructions, and behind those that it comes from the
 * compiled code. For people; nothing reads it.
 */
#include "vm/body.h"
#include "vm/code.h"
#include "vm/disasm.h"

#define LINE 400

/* clang-format off */
static const char *const names[C_ALL] = {
#define NAME(id, n, end) [C_##id] = #id,
#define JOIN2(a, x, b)		   #a " " #x " " #b,
#define JOIN3(a, x, b, y, c)	   #a " " #x " " #b " " #y " " #c,
#define JOIN4(a, x, b, y, c, z, d) #a " " #x " " #b " " #y " " #c " " #z " " #d,
	CODE_NAMES
	CODE_JOINS2(JOIN_NONE, JOIN2)
	CODE_JOINS3(JOIN_NONE, JOIN3)
	CODE_JOINS4(JOIN_NONE, JOIN4)
#undef NAME
#undef JOIN2
#undef JOIN3
#undef JOIN4
};

/* What stands first in a join. */
static const uint16_t firsts[C_ALL] = {
#define NAME(id, n, end) C_##id,
#define JOIN2(a, ...) C_##a,
	CODE_NAMES
	CODE_JOINS2(JOIN_NONE, JOIN2)
	CODE_JOINS3(JOIN_NONE, JOIN2)
	CODE_JOINS4(JOIN_NONE, JOIN2)
#undef NAME
#undef JOIN2
};
/* clang-format on */

struct dump {
	const struct body *b;
	struct rd r; /* the instruction to come */
	vm_line_fn *line;
	void *arg;
};

static void print_text(struct dump *d, uint32_t up_to)
{
	char text[LINE], line[LINE + 16];

	while (rd_left(&d->r) > 0 && rd_at(&d->r) < up_to) {
		uint32_t at = (uint32_t)rd_at(&d->r);

		if (!vm_disasm(&d->r, text, sizeof(text)))
			return;
		(void)snprintf(line, sizeof(line), "%06x  %s", at, text);
		d->line(d->arg, line);
	}
}

/* Cell @i; how many it and its operands are. */
static uint32_t print_cell(struct dump *d, uint32_t i)
{
	const union cell *w = &d->b->cells[i];
	union cell plain[2] = { *w, { .u64 = 0 } };
	char line[LINE];
	uint32_t n;
	int len;

	if (i + 1 < d->b->n_cells)
		plain[1] = w[1];
	plain[0].op = firsts[w->op];
	n = code_cells(plain);
	len = snprintf(line, sizeof(line), "        %5u  %-28s %5u %5u %5u", i, names[w->op], w->a,
		       w->b, w->c);
	for (uint32_t k = 1; k < n && k < 4 && len > 0 && (size_t)len < sizeof(line); k++)
		len += snprintf(line + len, sizeof(line) - (size_t)len, "  %llx",
				(unsigned long long)w[k].u64);
	d->line(d->arg, line);
	return n;
}

static void print_locals(struct dump *d)
{
	for (uint32_t groups = leb_u32(&d->r); groups > 0; groups--) {
		(void)leb_u32(&d->r);
		(void)valtype_read(&d->r);
	}
}

/* Between two places lie the cells of what stands between them. */
static void print_body(struct dump *d)
{
	uint32_t cell = 0;

	for (uint32_t i = 1; i <= d->b->n_places; i++) {
		bool last = i == d->b->n_places;
		uint32_t end = last ? d->b->n_cells : d->b->places[i].cell;

		print_text(d, last ? UINT32_MAX : d->b->places[i].offset);
		while (cell < end)
			cell += print_cell(d, cell);
	}
}

int vm_code_dump(struct vm_code *c, uint32_t func, vm_line_fn *line, void *arg, struct err *e)
{
	uint32_t imported = c->m->n_imported[VM_FUNC], own = func - imported;
	struct dump d = { .line = line, .arg = arg };
	char head[64];

	if (func < imported || func >= c->m->funcs.len)
		return err_set(e, ERR_INVALID, "function %u is imported or not there", func);
	if (c->bodies[own] == NULL && code_compile_body(c, own, NULL, e) != 0)
		return e->code;
	d.b = c->bodies[own];
	d.r = span_rd(c->m, c->m->funcs.at[func].body);
	(void)snprintf(head, sizeof(head), "function %u: %zu bytes, %u cells", func, rd_left(&d.r),
		       d.b->n_cells);
	line(arg, head);
	print_locals(&d);
	print_body(&d);
	return 0;
}
