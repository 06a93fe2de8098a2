/*
 * What the validator's files share. validate.c checks the module around the
 * bodies, validate_const.c constant expressions, validate_fn.c walks bodies,
 * validate_op.c types one instruction by the algorithm of the specification's
 * appendix (7.3).
 */
#ifndef VM_VALIDATE_H
#define VM_VALIDATE_H

#include "vm/body.h"
#include "wasmd/err.h"
#include "wasmd/limits.h"

/* An operand whose type unreachable code leaves open. */
#define T_ANY 0

/* An open block. The types are borrowed from the module. */
struct ctl {
	const uint8_t *in, *out;
	uint32_t n_in, n_out;
	uint32_t height; /* of the operand stack below its parameters */
	uint8_t op;
	bool dead; /* the rest of it cannot be reached */
};

/* A row of ops.def as the walk wants it. */
struct sig {
	uint8_t imm, align, odd; /* odd: in and out say nothing */
	uint8_t known;		 /* false: a hole in the table */
	uint8_t n_in, n_out;
	uint8_t in[3], out;
};

/* Locals from @first on, up to the next run, are of one type. */
struct local_run {
	uint32_t first;
	uint8_t type;
};

/* The first locals are looked up directly, the rest by bisection: no body can
 * make us write more than it has bytes. */
#define FLAT_LOCALS 1024u

struct val {
	struct rd r; /* the body, offsets from the module's first byte */
	const struct vm_module *m;
	struct err *e;
	uint32_t func, op;
	bool named;	   /* op is what a latched fault belongs to */
	const uint8_t *at; /* the instruction being checked */
	uint8_t *ops;
	size_t n_ops, cap_ops;
	size_t base; /* height of the innermost block */
	VEC(struct ctl) ctls;
	VEC(struct local_run) runs;
	uint32_t n_locals;
	uint8_t flat[FLAT_LOCALS];
	struct sig sig[OP_ROWS];
};

/* "offset 0x1f3, function 12, i32.add: ..."; latches in the cursor too, so that
 * r.bad alone tells whether the walk goes on. */
__attribute__((format(printf, 3, 4), cold)) void val_fail(struct val *v, int code, const char *fmt,
							  ...);

/* validate_op.c: instructions up to the end of the outermost block. */
void val_walk(struct val *v);

/* validate_block.c: blocks, branches and what else ends straight code. */
void val_open(struct val *v, uint8_t op, struct ctl c);
void val_block(struct val *v, const struct imms *im);
void val_else(struct val *v);
void val_end(struct val *v);
void val_br(struct val *v, uint32_t depth);
void val_br_if(struct val *v, uint32_t depth);
void val_br_table(struct val *v, const struct imms *im);
void val_return(struct val *v);
void val_dead(struct val *v);

/* validate_fn.c: every body of the module. */
int val_bodies(struct vm_module *m, struct err *e);

/* validate_const.c: @s yields one value of @type and reads only the first
 * @n_globals globals. Functions it names become declared. */
struct const_ctx {
	struct vm_module *m;
	struct err *e;
	const char *what; /* "global", for the sentence */
	uint32_t index;	  /* of it */
	uint32_t n_globals;
};

int val_const(const struct const_ctx *c, struct span s, uint8_t type);

#endif
