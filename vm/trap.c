/*
 * What a trap tells: which instruction of which function, and who called.
 * The place is looked for only now: compiled code keeps (cell, offset) pairs
 * of what can trap, in order.
 */
#include "vm/store.h"

const char *vm_trap_text(enum vm_trap t)
{
	static const char *const text[] = { [VM_TRAP_NONE] = "no trap",
#define TRAP(name, words) [VM_TRAP_##name] = words,
					    WASMD_TRAPS(TRAP)
#undef TRAP
	};

	return t < VM_TRAP_COUNT ? text[t] : "unknown trap";
}

uint32_t body_offset(const struct body *b, const union cell *at)
{
	uint32_t cell = (uint32_t)(at - b->cells), lo = 0, hi = b->n_places;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (b->places[mid].cell <= cell)
			lo = mid;
		else
			hi = mid;
	}
	return b->n_places != 0 ? b->places[lo].offset : 0;
}

/* A function whose body could not be compiled stands at its first byte. */
static struct vm_frame frame_of(const struct vm_func *f, const union cell *at)
{
	const struct vm_instance *in = f->in;
	uint32_t own = (uint32_t)(f - in->own);
	const struct body *b = in->code->bodies[own];
	struct vm_frame ret = { .func = own + in->code->m->n_imported[VM_FUNC] };
	struct span name = mod_func_name(in->code->m, ret.func);

	ret.offset = in->code->m->funcs.at[ret.func].body.at;
	if (b != NULL && at >= b->cells && at < b->cells + b->n_cells)
		ret.offset = body_offset(b, at);
	ret.name = name.len != 0 ? (const char *)name.p : NULL;
	ret.name_len = name.len;
	return ret;
}

/* A direct call leaves it to its last cell to say which function it is. */
static const struct vm_func *func_of(const struct ctl *c)
{
	return c->func != NULL ? c->func : &c->in->own[c->ip[-1].x];
}

/* A return address lies behind the call's cells, hence the - 1. */
void trap_collect(const struct vm_store *s, enum vm_trap t, struct vm_trap_info *ret)
{
	const union cell *at = s->at;

	*ret = (struct vm_trap_info){ .trap = t };
	for (const struct ctl *c = s->csp; c >= s->ctl; at = c->ip - 1, c--) {
		const struct vm_func *f = func_of(c);

		if (f->in == &s->root)
			continue;
		ret->depth++;
		if (ret->n_frames < ARRAY_LEN(ret->frames))
			ret->frames[ret->n_frames++] = frame_of(f, at);
	}
}

void vm_trap_format(const struct vm_trap_info *t, char *buf, size_t size)
{
	const struct vm_frame *f = &t->frames[0];

	if (t->n_frames == 0)
		(void)snprintf(buf, size, "%s", vm_trap_text(t->trap));
	else if (f->name == NULL)
		(void)snprintf(buf, size, "%s at offset 0x%x in func %u", vm_trap_text(t->trap),
			       f->offset, f->func);
	else
		(void)snprintf(buf, size, "%s at offset 0x%x in func %u <%.*s>",
			       vm_trap_text(t->trap), f->offset, f->func, (int)f->name_len,
			       f->name);
}
