/*
 * The interpreter: RFC 9669, one label per row of insns.def. The verifier
 * proved control flow and initialisation; every memory access and every
 * backward jump is still checked here.
 */
#include "policy/alu.h"
#include "policy/prog.h"
#include "wasmd/limits.h"

/* Where a function goes on when the one that it called returns. */
struct saved {
	const struct run_op *pc;
	uint64_t r[4]; /* r6 to r9 */
};

struct run {
	uint64_t ctx, ctx_len;
	uint64_t stack, stack_len; /* of all functions that run */
	bool ctx_write;
	uint8_t *frames; /* LIM_BPF_STACK bytes each; the end of the last is r10 */
	struct saved saved[LIM_BPF_FRAMES];
	size_t depth;
};

#define CALL_LOCAL 0x8d /* no opcode of the groups here: a label's number only */

/* The only road from a program's address to a host pointer; NULL: not its own. */
static inline void *mem_at(const struct run *m, uint64_t addr, uint64_t len, bool write)
{
	if (addr - m->ctx <= m->ctx_len - len && m->ctx_len >= len && (!write || m->ctx_write))
		return (void *)(uintptr_t)addr;
	if (addr - m->stack <= m->stack_len - len)
		return m->frames + (addr - m->stack);
	return NULL;
}

/* ---- atomics --------------------------------------------------------------- */

#define ATOMIC(width)                                                                            \
	static bool atomic##width(const struct run *m, const struct run_op *in, uint64_t r[11])  \
	{                                                                                        \
		uint64_t addr = r[in->dst] + (uint64_t)(int64_t)in->off;                         \
		uint##width##_t *at = mem_at(m, addr, sizeof(*at), true);                        \
		uint##width##_t old, v = (uint##width##_t)r[in->src], want;                      \
                                                                                                 \
		if (at == NULL || addr % sizeof(*at) != 0)                                       \
			return false;                                                            \
		if (in->imm == 0xf1) {                                                           \
			want = (uint##width##_t)r[0];                                            \
			(void)__atomic_compare_exchange_n(at, &want, v, false, __ATOMIC_SEQ_CST, \
							  __ATOMIC_SEQ_CST);                     \
			r[0] = want;                                                             \
			return true;                                                             \
		}                                                                                \
		old = in->imm == 0xe1		 ? __atomic_exchange_n(at, v, __ATOMIC_SEQ_CST)  \
		      : (in->imm & 0xf0) == 0x00 ? __atomic_fetch_add(at, v, __ATOMIC_SEQ_CST)   \
		      : (in->imm & 0xf0) == 0x40 ? __atomic_fetch_or(at, v, __ATOMIC_SEQ_CST)    \
		      : (in->imm & 0xf0) == 0x50 ? __atomic_fetch_and(at, v, __ATOMIC_SEQ_CST)   \
						 : __atomic_fetch_xor(at, v, __ATOMIC_SEQ_CST);  \
		if (in->imm & 1)                                                                 \
			r[in->src] = old;                                                        \
		return true;                                                                     \
	}
ATOMIC(32)
ATOMIC(64)
#undef ATOMIC

static bool call(const struct helper_env *help, int32_t id, uint64_t r[11])
{
	return help != NULL && helper_info(id).fn(help, &r[1], &r[0]);
}

/* ---- functions ------------------------------------------------------------- */

static bool enter(struct run *m, const struct run_op *pc, uint64_t r[11])
{
	struct saved *to = &m->saved[m->depth];

	if (m->depth + 1 == LIM_BPF_FRAMES)
		return false;
	to->pc = pc;
	memcpy(to->r, &r[6], sizeof(to->r));
	m->depth++;
	memset(m->frames + m->stack_len, 0, LIM_BPF_STACK);
	m->stack_len += LIM_BPF_STACK;
	r[10] = m->stack + m->stack_len;
	return true;
}

static const struct run_op *leave(struct run *m, uint64_t r[11])
{
	const struct saved *from = &m->saved[--m->depth];

	memcpy(&r[6], from->r, sizeof(from->r));
	m->stack_len -= LIM_BPF_STACK;
	r[10] = m->stack + m->stack_len;
	return from->pc;
}

/* ---- the loop ------------------------------------------------------------ */

#define NEXT()	 goto * (++pc)->label
#define DST	 r[pc->dst]
#define SRC	 r[pc->src]
#define IMM	 ((uint64_t)(int64_t)pc->imm)
#define IMM32	 ((uint32_t)pc->imm)
#define AT(base) ((base) + (uint64_t)(int64_t)pc->off)
#define ALU(name, op, x64, x32)                                \
	do_##name##64_k:                                       \
	{                                                      \
		uint64_t a = DST, b = IMM;                     \
		bool s = pc->off != 0;                         \
		(void)s;                                       \
		DST = (x64);                                   \
	}                                                      \
	NEXT();                                                \
	do_##name##64_x:                                       \
	{                                                      \
		uint64_t a = DST, b = SRC;                     \
		bool s = pc->off != 0;                         \
		(void)s;                                       \
		DST = (x64);                                   \
	}                                                      \
	NEXT();                                                \
	do_##name##32_k:                                       \
	{                                                      \
		uint32_t a = (uint32_t)DST, b = IMM32;         \
		bool s = pc->off != 0;                         \
		(void)s;                                       \
		DST = (uint32_t)(x32);                         \
	}                                                      \
	NEXT();                                                \
	do_##name##32_x:                                       \
	{                                                      \
		uint32_t a = (uint32_t)DST, b = (uint32_t)SRC; \
		bool s = pc->off != 0;                         \
		(void)s;                                       \
		DST = (uint32_t)(x32);                         \
	}                                                      \
	NEXT();
/* Only a backward jump, or a call, can repeat work. The verifier proved that
 * there are fewer of them than that. */
#define JUMP(n)                                        \
	do {                                           \
		int32_t by = (n);                      \
		if (by < 0 && ++steps > LIM_BPF_STEPS) \
			return RUN_STEPS;              \
		pc += by;                              \
		NEXT();                                \
	} while (0)
#define JCC(name, utype, stype, cond, sfx)            \
	do_##name##sfx##_k:                           \
	{                                             \
		utype a = (utype)DST, b = (utype)IMM; \
		stype sa = (stype)a, sb = (stype)b;   \
		(void)sa;                             \
		(void)sb;                             \
		if (cond)                             \
			JUMP(pc->off);                \
	}                                             \
	NEXT();                                       \
	do_##name##sfx##_x:                           \
	{                                             \
		utype a = (utype)DST, b = (utype)SRC; \
		stype sa = (stype)a, sb = (stype)b;   \
		(void)sa;                             \
		(void)sb;                             \
		if (cond)                             \
			JUMP(pc->off);                \
	}                                             \
	NEXT();
#define COND(name, op, cond, negation)         \
	JCC(name, uint64_t, int64_t, cond, 64) \
	JCC(name, uint32_t, int32_t, cond, 32)
#define LOAD(name, type, wide)                                         \
	do_##name:                                                     \
	{                                                              \
		type v;                                                \
		const void *p = mem_at(&m, AT(SRC), sizeof(v), false); \
		if (p == NULL)                                         \
			return RUN_BAD_ACCESS;                         \
		memcpy(&v, p, sizeof(v));                              \
		DST = (uint64_t)(wide)v;                               \
	}                                                              \
	NEXT()
#define STORE(name, type, value)                                \
	do_##name:                                              \
	{                                                       \
		type v = (type)(value);                         \
		void *p = mem_at(&m, AT(DST), sizeof(v), true); \
		if (p == NULL)                                  \
			return RUN_BAD_ACCESS;                  \
		memcpy(p, &v, sizeof(v));                       \
	}                                                       \
	NEXT()

/* clang-format off */
/* With @ret_labels only says where the code of each opcode is. */
static enum run_end run(const struct verified_prog *prog, const struct run_env *env,
			uint64_t *ret_r0, const void *const **ret_labels)
{
	static const void *const labels[256] = {
#define I(code, id, text, group, form) [code] = &&do_##id,
		POLICY_INSNS(I)
#undef I
		[CALL_LOCAL] = &&do_call_local,
	};
	_Alignas(8) uint8_t frames[LIM_BPF_FRAMES * LIM_BPF_STACK];
	const struct run_op *pc;
	uint64_t r[11] = { 0 }, steps = 0;
	struct run m;

	if (ret_labels != NULL) {
		*ret_labels = labels;
		return RUN_OK;
	}
	m.ctx = (uintptr_t)env->ctx;
	m.ctx_len = env->ctx_len;
	m.ctx_write = env->ctx_write;
	m.stack = (uintptr_t)frames;
	m.stack_len = LIM_BPF_STACK;
	m.frames = frames;
	m.depth = 0;
	if (prog->stack)
		memset(frames, 0, LIM_BPF_STACK);
	r[1] = m.ctx;
	r[2] = m.ctx_len;
	r[10] = m.stack + LIM_BPF_STACK;
	pc = prog->at;
	goto *pc->label;

	POLICY_ALUS(ALU)
	do_mov64_k: DST = IMM; NEXT();
	do_mov32_k: DST = IMM32; NEXT();
	do_mov64_x: DST = alu_extend(SRC, pc->off); NEXT();
	do_mov32_x: DST = (uint32_t)alu_extend(SRC, pc->off); NEXT();
	do_neg64: DST = -DST; NEXT();
	do_neg32: DST = (uint32_t)-(uint32_t)DST; NEXT();
	do_le: DST = alu_le(DST, pc->imm); NEXT();
	do_be: DST = alu_be(DST, pc->imm); NEXT();
	do_bswap: DST = alu_swap(DST, pc->imm); NEXT();
	do_lddw: DST = (uint32_t)pc->imm | (uint64_t)(uint32_t)pc[1].imm << 32; pc++; NEXT();

	do_ja: JUMP(pc->off);
	do_ja32: JUMP(pc->imm);
	POLICY_CONDS(COND)

	LOAD(ldxb, uint8_t, uint64_t);
	LOAD(ldxh, uint16_t, uint64_t);
	LOAD(ldxw, uint32_t, uint64_t);
	LOAD(ldxdw, uint64_t, uint64_t);
	LOAD(ldxsb, int8_t, int64_t);
	LOAD(ldxsh, int16_t, int64_t);
	LOAD(ldxsw, int32_t, int64_t);
	STORE(stb, uint8_t, IMM);
	STORE(sth, uint16_t, IMM);
	STORE(stw, uint32_t, IMM);
	STORE(stdw, uint64_t, IMM);
	STORE(stxb, uint8_t, SRC);
	STORE(stxh, uint16_t, SRC);
	STORE(stxw, uint32_t, SRC);
	STORE(stxdw, uint64_t, SRC);
	do_atomic32: if (!atomic32(&m, pc, r)) return RUN_BAD_ACCESS; NEXT();
	do_atomic64: if (!atomic64(&m, pc, r)) return RUN_BAD_ACCESS; NEXT();

	do_call: if (!call(env->help, pc->imm, r)) return RUN_HELPER; NEXT();
	do_call_local: if (!enter(&m, pc, r) || ++steps > LIM_BPF_STEPS) return RUN_STEPS; JUMP(pc->imm);
	do_exit: if (m.depth > 0) { pc = leave(&m, r); NEXT(); }
	*ret_r0 = r[0]; return RUN_OK;
}
/* clang-format on */

enum run_end prog_run(const struct verified_prog *prog, const struct run_env *env, uint64_t *ret_r0)
{
	return run(prog, env, ret_r0, NULL);
}

static uint8_t label_of(const struct insn *in)
{
	return in->op == INSN_call && in->src == 1 ? CALL_LOCAL : in->op;
}

/* The second half of lddw has no code of its own: its label is never used. */
void prog_decode(const struct insn *from, size_t n, struct run_op *to)
{
	const void *const *labels = NULL;

	(void)run(NULL, NULL, NULL, &labels);
	for (size_t i = 0; i < n; i++)
		to[i] = (struct run_op){ .label = labels[label_of(&from[i])],
					 .imm = from[i].imm,
					 .off = from[i].off,
					 .dst = from[i].dst,
					 .src = from[i].src };
}

#undef NEXT
#undef DST
#undef SRC
#undef IMM
#undef IMM32
#undef AT
#undef ALU
#undef JUMP
#undef JCC
#undef COND
#undef LOAD
#undef STORE
