/*
 * Between the files of the verifier: rows and jumps (verify.c) -> an order in
 * which every loop is a stretch with one entry (verify_cfg.c) -> what holds at
 * each instruction (verify_step.c, verify_mem.c, verify_call.c).
 */
#ifndef POLICY_VERIFY_H
#define POLICY_VERIFY_H

#include "policy/prog.h"
#include "policy/verify_state.h"

/* A place in the order of execution. */
struct place {
	uint32_t insn;
	uint32_t end;  /* of a loop's head: the place behind its last; else 0 */
	uint32_t loop; /* the place of the head of the innermost loop around it, or NO_LOOP */
};
#define NO_LOOP UINT32_MAX

struct function {
	uint32_t entry;	   /* instruction */
	uint32_t from, to; /* places */
	bool active;	   /* is being walked: a call of it would not end */
};

struct verify {
	const struct insn *at;
	size_t n;
	unsigned flags;
	const struct prog_world *world;
	uint8_t *mid;	       /* per instruction: 1 for the second half of lddw */
	struct place *order;   /* n of them, the functions' one after the other */
	uint32_t *place_of;    /* per instruction */
	struct function *func; /* in the order of first mention; the first begins at 0 */
	size_t n_func, cap_func;
	struct state **wait; /* per instruction: what flows into it and was not yet taken */
	size_t waiting;
	struct state *ret; /* what the function that is walked returns with */
	uint64_t work, worst;
	uint32_t lookups; /* made so far: the last id of a MAYBE */
	struct err *e;
};

/* "instruction 7 (div): ...". Returns the error's code. */
__attribute__((format(printf, 3, 4), cold)) int verify_bad(struct verify *v, size_t i,
							   const char *fmt, ...);

/* Where control goes behind @i: at most two instructions, fewer when it ends. */
unsigned verify_next(const struct verify *v, size_t i, size_t ret[2]);

static inline bool insn_is_local_call(const struct insn *in)
{
	return in->op == INSN_call && in->src == 1;
}

MUST_CHECK int verify_order(struct verify *v);
MUST_CHECK int verify_states(struct verify *v);

/* One load, store or atomic operation; one call of a helper. */
MUST_CHECK int verify_mem(struct verify *v, size_t i, struct state *s);
MUST_CHECK int verify_helper(struct verify *v, size_t i, struct state *s);

/* Is [reg + off, + size) a block that may be read, or written? */
MUST_CHECK int verify_reach(struct verify *v, size_t i, struct state *s, unsigned reg, int64_t off,
			    uint64_t size, bool write);
/* All of it is written and holds no address. */
MUST_CHECK int verify_bytes(struct verify *v, size_t i, struct state *s, unsigned reg, int64_t off,
			    uint64_t size);

#endif
