/*
 * The states of a glob's automaton and what follows from them without a byte:
 * between the matcher that goes from set to set and the one that goes by masks.
 */
#ifndef POLICY_GLOB_SIM_H
#define POLICY_GLOB_SIM_H

#include "policy/glob.h"
#include "policy/glob_ops.h"

/* Operations that wait for a byte. */
struct states {
	uint16_t at[GLOB_OPS];
	size_t n;
};

struct sim {
	const struct glob *g;
	uint32_t seen[GLOB_OPS]; /* the round in which a state was entered */
	uint32_t round;
	bool matched; /* in this round */
};

struct glob_op glob_op_at(const struct glob *g, size_t i);
bool glob_takes(const struct glob *g, struct glob_op op, uint8_t c);

/* Before the first round; nothing is entered. */
void sim_start(struct sim *s, const struct glob *g);
/* Enters @start and all that follows from it without a byte. */
void sim_enter(struct sim *s, struct states *to, uint16_t start);

/* ---- by masks --------------------------------------------------------------- */

#define GLOB_BITS 64u /* operations that take a byte, behind the prefix */

/* Bit i is the i-th operation that takes a byte. From those that took one, the
 * next set is: the bits behind them (chain), they again (loop), and for the few
 * from which something else follows (odd) the row of follow. */
struct glob_masks {
	uint64_t start, chain, loop, odd, accept;
	bool empty;	     /* it matches the prefix alone */
	uint8_t column[256]; /* byte -> index in takes */
	uint64_t *takes;     /* per column: bits that take such a byte */
	uint64_t follow[];   /* one per bit, then the columns */
};

/* Feeds @path behind the prefix, then, with @below, a slash. */
void glob_run_masks(const struct glob_masks *m, const char *path, size_t len, bool below,
		    bool *ret_match, bool *ret_alive);

#endif
