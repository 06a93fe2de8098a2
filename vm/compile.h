/*
 * Compiling one body in one pass: what the compiler's files share. The wasm
 * operand stack exists here only: an entry names a local, a constant, or the
 * slot that belongs to its height. Memory faults latch in the struct comp.
 */
#ifndef VM_COMPILE_H
#define VM_COMPILE_H

#include "vm/body.h"
#include "vm/code.h"

#define COMP_NONE     UINT32_MAX
#define COMP_FEW      4u     /* locals that ENTER_FEW clears */
#define COMP_CONSTS   32u    /* constants kept in a frame; copied at every call */
#define COMP_LOOK     4096u  /* instructions between two looks at fuel and stop flag */
#define COMP_ENTRIES  8u     /* touched in the time of one instruction */
#define COMP_COST_MAX 60000u /* and a thousand moves still fit 16 bits */

enum val_kind { VAL_TEMP, VAL_LOCAL, VAL_CONST };

struct val {
	enum val_kind kind;
	uint32_t local;
	uint64_t k; /* as the slot would hold it */
};

/* A block being compiled. Branches to it that are not yet bound are chained
 * through their target cells, index + 1, ending with 0. */
struct label {
	uint32_t base; /* height below the parameters */
	uint32_t n_params, n_results;
	uint32_t head;	  /* cell a loop begins at, else COMP_NONE */
	uint32_t patches; /* branches to the end */
	uint32_t orelse;  /* branches to the else arm */
	uint32_t stub;	  /* of the br_table at hand: index + 1 */
};

struct comp {
	struct vm_code *code;
	const struct vm_module *m;
	struct rd r;
	uint32_t at; /* offset of the instruction at hand */
	VEC(union cell) cells;
	VEC(struct code_place) places;
	VEC(uint32_t) targets; /* cells that hold a cell's index, pointers at last */
	VEC(struct val) stack;
	VEC(struct label) labels;
	uint32_t *named; /* per local: how many stack entries name it */
	uint64_t consts[COMP_CONSTS];
	uint32_t n_consts, cap_consts;
	uint32_t n_params, n_results, n_locals;
	uint32_t first_temp; /* slot of height 0 */
	uint32_t max_height;
	uint32_t settled;	    /* so many entries from the bottom name no local */
	uint32_t last;		    /* cell whose result may still be redirected, or COMP_NONE */
	uint32_t acc, facc;	    /* slots whose values the accumulators hold, or COMP_NONE */
	uint32_t acc_was, facc_was; /* before the last cell wrote them */
	uint32_t prev, prev_was;    /* the cells emitted last, if no label lies between */
	uint32_t loop;		    /* head of the loop that lp leads to, or COMP_NONE */
	uint32_t cost;		    /* instructions since fuel was last charged */
	uint32_t dead;		    /* 0: reachable; else 1 + depth of blocks opened since */
	uint32_t max_cells;
	uint64_t work, max_work; /* stack entries moved, settled or searched */
	uint64_t charged;
	struct code_payer *payer; /* or NULL */
	uint32_t look;		  /* instructions until fuel and stop flag are looked at */
	enum { COMP_OK, COMP_NOMEM, COMP_FRAME, COMP_CELLS, COMP_WORK, COMP_STOPPED } bad;
};

/* How an instruction is lowered: by @fn, with what its row says. */
struct lower {
	void (*fn)(struct comp *c, const struct lower *l, const struct imms *im);
	uint16_t code;
	uint8_t n_in, n_out; /* of a SLOW row; bytes: n_in of an INT or CMP, n_out of an access */
	bool is_float;	     /* operands, or what is stored, may be in facc */
};

/* ---- compile_emit.c: cells ----------------------------------------------- */
uint32_t emit(struct comp *c, unsigned op, uint32_t a, uint32_t b, uint32_t k);
void emitted(struct comp *c, unsigned op, uint32_t a);
void forget_registers(struct comp *c);
union cell take_back(struct comp *c); /* the cell @last leads to */
void emit_word(struct comp *c, uint64_t word);
void emit_pair(struct comp *c, uint32_t x, uint32_t y);
void emit_move(struct comp *c, uint32_t to, uint32_t from);
void emit_place(struct comp *c); /* the next cell can trap */
void emit_chain(struct comp *c, uint32_t *chain);
void emit_target(struct comp *c, struct label *l);
void emit_charge(struct comp *c);
void bind_here(struct comp *c, uint32_t *chain);
uint32_t take_cost(struct comp *c);

/* ---- compile_emit.c: the operand stack ----------------------------------- */
uint32_t temp(const struct comp *c, uint32_t height);
void push(struct comp *c, struct val v);
uint32_t push_temp(struct comp *c);
struct val pop(struct comp *c);
uint32_t pop_slot(struct comp *c);
void push_result(struct comp *c, uint32_t cell); /* @cell's a is the new top */
void settle(struct comp *c, uint32_t n);	 /* top @n into their own slots */
void settle_locals(struct comp *c);
void save_local(struct comp *c, uint32_t x);
void reset_stack(struct comp *c, uint32_t height, uint32_t n);
bool is_last(const struct comp *c, uint32_t height); /* the last cell made it */
void store_val(struct comp *c, uint32_t to, struct val v, uint32_t height);

/* A local that goes up or down by a number. */
static inline bool is_count(union cell w)
{
	return (w.op == C_i32_add_k || w.op == C_i32_add_ak) && w.a == w.b;
}

/* ---- compile_ctl.c ------------------------------------------------------- */
#define LOWER(name) void lower_##name(struct comp *, const struct lower *, const struct imms *)
LOWER(block);
LOWER(loop);
LOWER(if);
LOWER(else);
LOWER(end);
LOWER(br);
LOWER(br_if);
LOWER(br_table);
LOWER(return);
LOWER(unreachable);
LOWER(call);
LOWER(call_indirect);
#undef LOWER

#endif
