/*
 * Programs: eBPF instructions as RFC 9669 has them, the verifier that is the
 * only maker of a struct verified_prog, and the interpreter that takes
 * nothing else.
 */
#ifndef POLICY_PROG_H
#define POLICY_PROG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/ctx.def"
#include "policy/helpers.def"
#include "policy/insns.def"
#include "wasmd/cleanup.h"
#include "wasmd/err.h"
#include "wasmd/gate.h"

struct insn {
	uint8_t op;
	uint8_t dst : 4, src : 4;
	int16_t off;
	int32_t imm;
};
_Static_assert(sizeof(struct insn) == 8, "eBPF's wire form");

enum insn_op {
#define I(code, id, text, group, form) INSN_##id = (code),
	POLICY_INSNS(I)
#undef I
};

enum insn_group {
	GROUP_BASE32,
	GROUP_BASE64,
	GROUP_DIVMUL32,
	GROUP_DIVMUL64,
	GROUP_ATOMIC32,
	GROUP_ATOMIC64,
};

enum insn_form {
	FORM_NONE,
#define FORM(name, operands, reads, writes, src, off, imm) FORM_##name,
	POLICY_FORMS(FORM)
#undef FORM
};

struct form_info {
	const char *operands, *reads, *writes;
	char src, off, imm;
};

struct insn_info {
	const char *text; /* NULL: no such instruction */
	enum insn_group group;
	enum insn_form form;
};

struct atomic_info {
	const char *text, *reads, *writes; /* text NULL: no such operation */
};

struct insn_info insn_info(uint8_t op);
struct form_info form_info(enum insn_form form);
struct atomic_info atomic_info(int32_t imm);

/* ---- helpers ------------------------------------------------------------ */

enum helper_id {
#define HELPER(num, name, args, ret) HELPER_##name = (num),
	POLICY_HELPERS(HELPER)
#undef HELPER
};

struct glob;

/* What helpers may look at while one request is judged. */
struct helper_env {
	const struct gate_req *req;
	const struct glob *globs;
	size_t n_globs;
};

/* False ends the program: an argument is not what the row asks for. */
typedef bool helper_fn(const struct helper_env *env, const uint64_t args[5], uint64_t *ret);

struct helper_info {
	const char *name, *args; /* name NULL: no such helper */
	helper_fn *fn;
};

struct helper_info helper_info(int32_t id);

/* ---- verify ------------------------------------------------------------- */

/* Bytes of the context that a program may read at any offset in them. */
struct ctx_field {
	const char *name;
	uint32_t at, len;
	bool write;
};

struct map_info {
	uint32_t key_size, value_size;
	bool direct; /* has one value, which lddw may point into */
};

/* What a program finds around itself. */
struct prog_world {
	const struct ctx_field *fields;
	size_t n_fields;
	const struct map_info *maps;
	size_t n_maps, n_globs;
	bool tell_len; /* r2 is ctx_len at the start, as the conformance vectors expect */
	uint64_t ctx_len;
};

/* Of struct gate_req: the fields of ctx.def. */
struct prog_world prog_world_gate(size_t n_globs);

struct verified_prog; /* passed every check; the only thing that runs */

/* Accepts what RFC 9669 defines though no policy needs it: zero divisors, wide
 * shifts. For the conformance vectors. */
#define VERIFY_LAX 1u
/* Nothing about what registers and memory hold: the interpreter's own checks
 * must do. For the tests that show they do. */
#define VERIFY_SHAPE 2u

/* The instructions are copied. The sentence names instruction and register. */
MUST_CHECK int prog_verify(const struct insn *at, size_t n, const struct prog_world *world,
			   unsigned flags, struct verified_prog **ret, struct err *e);
struct verified_prog *prog_free(struct verified_prog *p);

/* Instructions that it runs at most, as proved. */
uint64_t prog_worst(const struct verified_prog *p);

/* ---- run ---------------------------------------------------------------- */

enum run_end { RUN_OK, RUN_BAD_ACCESS, RUN_STEPS, RUN_HELPER };

struct run_env {
	void *ctx; /* r1 points here, r2 holds ctx_len */
	uint64_t ctx_len;
	bool ctx_write;
	const struct helper_env *help; /* NULL: any call ends the program */
};

/* Runs to `exit`; *ret_r0 is written on RUN_OK only. Never loops for ever. */
MUST_CHECK enum run_end prog_run(const struct verified_prog *p, const struct run_env *env,
				 uint64_t *ret_r0);

/* The name of an instruction: "mov", "sdiv32", "lock fetch add". */
void prog_mnemonic(const struct insn *in, char *buf, size_t size);
/* One instruction as text, jumps as +n. Returns the slots it took (1 or 2). */
size_t prog_disasm(const struct insn *at, size_t left, char *buf, size_t size);

/* An instruction decoded ahead: where its code is, its registers apart. */
struct run_op {
	const void *label;
	int32_t imm;
	int16_t off;
	uint8_t dst, src;
};

/* The makings of a verified program; nobody but verify.c and run.c looks. */
struct verified_prog {
	size_t n;
	uint64_t worst;
	bool stack; /* mentions r10: the stack must be zeroed */
	struct run_op at[];
};

/* Decodes @n instructions, each of which has a row. */
void prog_decode(const struct insn *from, size_t n, struct run_op *to);

#endif
