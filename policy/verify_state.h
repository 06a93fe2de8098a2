/*
 * What the verifier knows at one place of a program: a type and a range for
 * each register, which bytes of the stack were written, and what was spilled
 * there. States meet where paths do; nothing is ever pruned.
 */
#ifndef POLICY_VERIFY_STATE_H
#define POLICY_VERIFY_STATE_H

#include <stddef.h>

#include "policy/prog.h"
#include "policy/range.h"
#include "wasmd/limits.h"

#define N_REGS	  11u
#define REG_FRAME 10u
#define N_SLOTS	  (LIM_BPF_STACK / 8)

/* TYPE(id, "as messages say it") */
#define POLICY_REG_TYPES(TYPE)                         \
	TYPE(UNSET, "not written yet")                 \
	TYPE(MIXED, "of different kinds on its paths") \
	TYPE(NUMBER, "a number")                       \
	TYPE(CTX, "a pointer into the context")        \
	TYPE(STACK, "a pointer into the stack")        \
	TYPE(MAP, "a map")                             \
	TYPE(VALUE, "a pointer into a map's value")    \
	TYPE(MAYBE, "a pointer into a map's value or null")

enum reg_type {
#define TYPE(id, text) REG_##id,
	POLICY_REG_TYPES(TYPE)
#undef TYPE
};

struct reg {
	uint8_t type;	/* enum reg_type */
	uint8_t frame;	/* STACK: whose, 0 for the outermost */
	uint16_t map;	/* MAP, VALUE, MAYBE: its number */
	uint32_t id;	/* MAYBE: copies of one lookup's result share it; 0: none does */
	struct range r; /* of the number, or of the offset from where the pointer's block begins */
};

/* Eight bytes of stack. */
struct slot {
	struct reg spilled; /* UNSET: nothing that is known beyond its bytes */
	uint8_t written;    /* a bit per byte */
};

struct frame {
	struct reg reg[N_REGS];
	struct slot *stack; /* N_SLOTS, the lowest address first; NULL: none written */
};

struct state {
	uint64_t steps;	    /* instructions run to come here, at most */
	size_t depth, room; /* frames; the last one runs */
	struct frame frame[];
};

/* These return NULL when memory is short. */
MUST_CHECK struct state *state_new(void);
MUST_CHECK struct state *state_copy(const struct state *from);
struct state *state_free(struct state *s);

/* Widens @into by @from; both stand at the same place of the same function. */
void state_join(struct state *into, const struct state *from);

static inline struct frame *state_top(struct state *s)
{
	return &s->frame[s->depth - 1];
}

/* Enters a function, with r1 to r5; @s moves, or is freed when memory is
 * short. Leaves it, with r0. */
MUST_CHECK struct state *state_push(struct state *s);
void state_pop(struct state *s);

/* The stack of @f, made on first use; NULL when memory is short. */
MUST_CHECK struct slot *frame_stack(struct frame *f);

/* Every copy of lookup @id's result is now known to be null, or not to be. */
void state_null(struct state *s, uint32_t id, bool null);

struct reg reg_number(struct range r);

static inline bool reg_is_pointer(const struct reg *r)
{
	return r->type > REG_NUMBER;
}

/* Might a program learn an address from these bytes? */
static inline bool reg_is_secret(const struct reg *r)
{
	return r->type == REG_MIXED || reg_is_pointer(r);
}

/* "a number, 0 to 255"; "a pointer into the stack at -8". */
void reg_text(const struct reg *r, char *buf, size_t size);

#endif
