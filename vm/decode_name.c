/*
 * Function names, for people: from the "name" custom section (spec appendix,
 * 7.4.1), else from an export. A damaged section only costs the names.
 */
#include "vm/body.h"
#include "wasmd/utf8.h"

/* The next "index, name" pair of a name map. */
static uint32_t name_assoc(struct rd *r, struct span *ret)
{
	uint32_t index = leb_u32(r), len = leb_u32(r);
	uint32_t at = (uint32_t)rd_at(r);
	const uint8_t *p = rd_bytes(r, len);

	*ret = (struct span){ .p = p, .len = p != NULL ? len : 0, .at = at };
	return index;
}

static struct span name_in_map(struct rd r, uint32_t func)
{
	uint32_t n = leb_u32(&r);
	struct span s;

	for (uint32_t i = 0; i < n && r.bad == NULL; i++)
		if (name_assoc(&r, &s) == func && s.len > 0 && utf8_ok(s.p, s.len))
			return s;
	return (struct span){ 0 };
}

/* Subsection 1 holds the names of functions. */
static struct span name_in_section(const struct vm_module *m, uint32_t func)
{
	struct rd r = span_rd(m, m->names), sub;
	struct span s = { 0 };
	uint32_t len;
	uint8_t id;

	while (rd_left(&r) > 0 && s.len == 0) {
		id = rd_u8(&r);
		len = leb_u32(&r);
		sub = r;
		if (rd_bytes(&r, len) == NULL)
			break;
		sub.end = r.p;
		if (id == 1)
			s = name_in_map(sub, func);
	}
	return s;
}

struct span mod_func_name(const struct vm_module *m, uint32_t func)
{
	struct span s = { 0 };

	if (m->names.len > 0)
		s = name_in_section(m, func);
	for (size_t i = 0; i < m->exports.len && s.len == 0; i++)
		if (m->exports.at[i].kind == VM_FUNC && m->exports.at[i].index == func)
			s = m->exports.at[i].name;
	return s;
}
