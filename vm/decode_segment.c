/*
 * The sections that carry: element segments, code, data segments (spec 5.5.12
 * to 5.5.15).
 */
#include "vm/decode.h"

/* Bits of an element segment's first number (spec 5.5.12). */
enum { ELEM_NOT_ACTIVE = 1, ELEM_EXPLICIT = 2, ELEM_EXPRS = 4 };

static void dec_elem_funcs(struct dec *d, struct mod_elem *s)
{
	s->n = dec_count(d, "elements", 0, LIM_TABLE_ELEMS);
	if (!dec_ok(d))
		return;
	s->funcs = arena_alloc(d->m->arena, s->n, sizeof(*s->funcs));
	if (s->funcs == NULL) {
		(void)err_nomem(d->e);
		return;
	}
	for (uint32_t i = 0; i < s->n && dec_ok(d); i++)
		s->funcs[i] = leb_u32(&d->r);
}

static void dec_elem_exprs(struct dec *d, struct mod_elem *s)
{
	s->n = dec_count(d, "elements", 0, LIM_TABLE_ELEMS);
	if (!dec_ok(d))
		return;
	s->inits = arena_alloc(d->m->arena, s->n, sizeof(*s->inits));
	if (s->inits == NULL) {
		(void)err_nomem(d->e);
		return;
	}
	for (uint32_t i = 0; i < s->n && dec_ok(d); i++)
		s->inits[i] = dec_expr(d);
}

/* Functions have a kind, of which there is one; expressions have a type. */
static void dec_elem_type(struct dec *d, struct mod_elem *s)
{
	const uint8_t *at = d->r.p;

	if (s->exprs)
		s->type = reftype_read(&d->r);
	else if (rd_u8(&d->r) != 0)
		rd_fail_at(&d->r, at, "malformed element kind");
}

static void dec_elem(struct dec *d)
{
	struct mod_elem *s = DEC_PUSH(d, &d->m->elems);
	const uint8_t *at = d->r.p;
	uint32_t flags = leb_u32(&d->r);

	if (s == NULL)
		return;
	if (flags > 7)
		rd_fail_at(&d->r, at, "malformed element segment flags");
	s->type = VM_FUNCREF;
	s->exprs = flags & ELEM_EXPRS;
	if (flags & ELEM_NOT_ACTIVE)
		s->mode = flags & ELEM_EXPLICIT ? SEG_DECLARATIVE : SEG_PASSIVE;
	else if (flags & ELEM_EXPLICIT)
		s->table = leb_u32(&d->r);
	if (s->mode == SEG_ACTIVE)
		s->offset = dec_expr(d);
	if (flags & (ELEM_NOT_ACTIVE | ELEM_EXPLICIT))
		dec_elem_type(d, s);
	if (s->exprs)
		dec_elem_exprs(d, s);
	else
		dec_elem_funcs(d, s);
}

void dec_elems(struct dec *d)
{
	uint32_t n = dec_count(d, "element segments", 0, LIM_SEGMENTS);

	for (uint32_t i = 0; i < n && dec_ok(d); i++)
		dec_elem(d);
}

void dec_data_count(struct dec *d)
{
	d->m->n_data_count = leb_u32(&d->r);
}

void dec_code(struct dec *d)
{
	uint32_t first = d->m->n_imported[VM_FUNC], n, len;

	d->m->code = (struct span){ d->r.p, (uint32_t)rd_left(&d->r), (uint32_t)rd_at(&d->r) };
	n = dec_count(d, "function bodies", 0, LIM_FUNCS);
	d->n_codes = n;
	if (dec_ok(d) && n != d->m->funcs.len - first)
		rd_fail(&d->r, "function and code section have inconsistent lengths");
	for (uint32_t i = 0; i < n && dec_ok(d); i++) {
		len = leb_u32(&d->r);
		if (len > LIM_BODY_BYTES && len <= rd_left(&d->r))
			dec_limit(d, "bytes of one function", len, LIM_BODY_BYTES);
		d->m->funcs.at[first + i].body = dec_bytes(d, len);
	}
}

static void dec_data(struct dec *d)
{
	struct mod_data *s = DEC_PUSH(d, &d->m->datas);
	const uint8_t *at = d->r.p;
	uint32_t flags = leb_u32(&d->r);

	if (s == NULL)
		return;
	if (flags > 2)
		rd_fail_at(&d->r, at, "malformed data segment flags");
	s->mode = flags == 1 ? SEG_PASSIVE : SEG_ACTIVE;
	if (flags == 2)
		s->memory = leb_u32(&d->r);
	if (s->mode == SEG_ACTIVE)
		s->offset = dec_expr(d);
	s->bytes = dec_bytes(d, leb_u32(&d->r));
}

void dec_datas(struct dec *d)
{
	uint32_t n = dec_count(d, "data segments", 0, LIM_SEGMENTS);

	for (uint32_t i = 0; i < n && dec_ok(d); i++)
		dec_data(d);
}
