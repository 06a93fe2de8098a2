/*
 * States: copied, joined, entered and left, and put into words.
 */
#include "policy/verify_state.h"

#include <inttypes.h>

#include "wasmd/fault.h"

struct reg reg_number(struct range r)
{
	return (struct reg){ .type = REG_NUMBER, .r = r };
}

static struct state *with_room(size_t frames)
{
	struct state *s = mem_new(1, sizeof(*s) + frames * sizeof(s->frame[0]));

	if (s != NULL)
		s->room = frames;
	return s;
}

struct state *state_new(void)
{
	struct state *s = with_room(1);

	if (s != NULL) {
		s->depth = 1;
		s->frame[0].reg[REG_FRAME] = (struct reg){ .type = REG_STACK, .r = range_one(0) };
	}
	return s;
}

struct slot *frame_stack(struct frame *f)
{
	if (f->stack == NULL)
		f->stack = mem_new(N_SLOTS, sizeof(*f->stack));
	return f->stack;
}

static bool copy_stack(struct frame *to, const struct frame *from)
{
	if (from->stack == NULL)
		return true;
	if (frame_stack(to) == NULL)
		return false;
	memcpy(to->stack, from->stack, N_SLOTS * sizeof(*to->stack));
	return true;
}

struct state *state_copy(const struct state *from)
{
	struct state *s = with_room(from->depth);

	if (s == NULL)
		return NULL;
	s->steps = from->steps;
	for (; s->depth < from->depth; s->depth++) {
		struct frame *to = &s->frame[s->depth];

		memcpy(to->reg, from->frame[s->depth].reg, sizeof(to->reg));
		if (!copy_stack(to, &from->frame[s->depth]))
			return state_free(s);
	}
	return s;
}

struct state *state_free(struct state *s)
{
	if (s != NULL)
		for (size_t i = 0; i < s->depth; i++)
			free(s->frame[i].stack);
	free(s);
	return NULL;
}

/* ---- joining --------------------------------------------------------------- */

static bool same_block(const struct reg *a, const struct reg *b)
{
	return a->frame == b->frame && a->map == b->map;
}

static struct reg join(const struct reg *a, const struct reg *b)
{
	struct reg r = *a;

	if (a->type == REG_UNSET || b->type == REG_UNSET)
		return (struct reg){ .type = REG_UNSET };
	if (a->type != b->type || !same_block(a, b))
		return (struct reg){ .type = REG_MIXED };
	r.id = a->id == b->id ? a->id : 0;
	r.r = range_join(a->r, b->r);
	return r;
}

/* What may be an address on one path is no number on any. */
static void join_slot(struct slot *into, const struct slot *from)
{
	const struct reg *a = &into->spilled, *b = &from->spilled;

	into->written &= from->written;
	if (a->type != b->type && (reg_is_secret(a) || reg_is_secret(b)))
		into->spilled = (struct reg){ .type = REG_MIXED };
	else
		into->spilled = join(a, b);
}

static void join_stack(struct frame *into, const struct frame *from)
{
	if (into->stack == NULL)
		return;
	if (from->stack == NULL) {
		free(into->stack);
		into->stack = NULL;
		return;
	}
	for (size_t i = 0; i < N_SLOTS; i++)
		join_slot(&into->stack[i], &from->stack[i]);
}

void state_join(struct state *into, const struct state *from)
{
	if (into->steps < from->steps)
		into->steps = from->steps;
	for (size_t i = 0; i < into->depth; i++) {
		for (size_t r = 0; r < N_REGS; r++)
			into->frame[i].reg[r] =
				join(&into->frame[i].reg[r], &from->frame[i].reg[r]);
		join_stack(&into->frame[i], &from->frame[i]);
	}
}

/* ---- functions ------------------------------------------------------------- */

static struct state *grown(struct state *s)
{
	size_t room = s->room * 2;
	struct state *p = mem_resize(s, 1, sizeof(*s) + room * sizeof(s->frame[0]));

	if (p == NULL)
		return state_free(s);
	p->room = room;
	return p;
}

struct state *state_push(struct state *s)
{
	struct frame *from, *to;

	if (s->depth == s->room)
		s = grown(s);
	if (s == NULL)
		return NULL;
	from = state_top(s);
	to = &s->frame[s->depth];
	*to = (struct frame){ 0 };
	for (size_t r = 1; r <= 5; r++)
		to->reg[r] = from->reg[r];
	to->reg[REG_FRAME] = (struct reg){
		.type = REG_STACK,
		.frame = (uint8_t)s->depth,
		.r = range_one(0),
	};
	s->depth++;
	return s;
}

void state_pop(struct state *s)
{
	struct frame *from = state_top(s), *to = from - 1;

	to->reg[0] = from->reg[0];
	for (size_t r = 1; r <= 5; r++)
		to->reg[r] = (struct reg){ .type = REG_UNSET };
	free(from->stack);
	from->stack = NULL;
	s->depth--;
}

static void settle(struct reg *r, uint32_t id, bool null)
{
	if (r->type != REG_MAYBE || r->id != id)
		return;
	if (null)
		*r = reg_number(range_one(0));
	else
		r->type = REG_VALUE;
}

void state_null(struct state *s, uint32_t id, bool null)
{
	for (size_t i = 0; i < s->depth; i++) {
		struct frame *f = &s->frame[i];

		for (size_t r = 0; r < N_REGS; r++)
			settle(&f->reg[r], id, null);
		for (size_t k = 0; f->stack != NULL && k < N_SLOTS; k++)
			settle(&f->stack[k].spilled, id, null);
	}
}

/* ---- words ------------------------------------------------------------------ */

void reg_text(const struct reg *r, char *buf, size_t size)
{
	static const char *const names[] = {
#define TYPE(id, text) [REG_##id] = (text),
		POLICY_REG_TYPES(TYPE)
#undef TYPE
	};
	bool number = r->type == REG_NUMBER, known = number || reg_is_pointer(r);

	if (!known || (number && r->r.umax == UINT64_MAX && r->r.smin == INT64_MIN))
		(void)snprintf(buf, size, "%s", names[r->type]);
	else if (range_is_one(r->r))
		(void)snprintf(buf, size, "%s%s%" PRId64, names[r->type], number ? ", " : " at ",
			       r->r.smin);
	else if (number && r->r.smin >= 0)
		(void)snprintf(buf, size, "%s, %" PRIu64 " to %" PRIu64, names[r->type], r->r.umin,
			       r->r.umax);
	else
		(void)snprintf(buf, size, "%s%s%" PRId64 " to %" PRId64, names[r->type],
			       number ? ", " : " at ", r->r.smin, r->r.smax);
}
