/*
 * The interpreter: RFC 9669, one label per row of insns.def. The verifier
 * proved control flow and initialisation; every memory access and every
 * backward jump is still checked here.
 */
#include <endian.h>

#include "policy/prog.h"
#include "wasmd/limits.h"

struct run {
	uint64_t ctx, ctx_len;
	uint64_t stack;
	bool ctx_write;
	uint8_t *frame; /* LIM_BPF_STACK bytes; its end is r10 */
};

/* The only road from a program's address to a host pointer; NULL: not its own. */
static inline void *mem_at(const struct run *m, uint64_t addr, uint64_t len, bool write)
{
	if (addr - m->ctx <= m->ctx_len - len && m->ctx_len >= len && (!write || m->ctx_write))
		return (void *)(uintptr_t)addr;
	if (addr - m->stack <= LIM_BPF_STACK - len)
		return m->frame + (addr - m->stack);
	return NULL;
}

/* ---- what the odd instructions mean ------------------------------------- */

static uint64_t div64(uint64_t a, uint64_t b, bool is_signed)
{
	if (b == 0)
		return 0;
	if (!is_signed)
		return a / b;
	return b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
}

static uint64_t mod64(uint64_t a, uint64_t b, bool is_signed)
{
	if (b == 0)
		return a;
	if (!is_signed)
		return a % b;
	return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static uint32_t div32(uint32_t a, uint32_t b, bool is_signed)
{
	if (b == 0)
		return 0;
	if (!is_signed)
		return a / b;
	return b == UINT32_MAX ? -a : (uint32_t)((int32_t)a / (int32_t)b);
}

static uint32_t mod32(uint32_t a, uint32_t b, bool is_signed)
{
	if (b == 0)
		return a;
	if (!is_signed)
		return a % b;
	return b == UINT32_MAX ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
}

/* mov with a sign extension of @bits (0: none). */
static uint64_t extend(uint64_t v, int bits)
{
	switch (bits) {
	case 8:
		return (uint64_t)(int64_t)(int8_t)v;
	case 16:
		return (uint64_t)(int64_t)(int16_t)v;
	case 32:
		return (uint64_t)(int64_t)(int32_t)v;
	default:
		return v;
	}
}

static uint64_t to_le(uint64_t v, int32_t width)
{
	return width == 16 ? htole16((uint16_t)v) : width == 32 ? htole32((uint32_t)v) : htole64(v);
}

static uint64_t to_be(uint64_t v, int32_t width)
{
	return width == 16 ? htobe16((uint16_t)v) : width == 32 ? htobe32((uint32_t)v) : htobe64(v);
}

static uint64_t swap(uint64_t v, int32_t width)
{
	return width == 16   ? __builtin_bswap16((uint16_t)v)
	       : width == 32 ? __builtin_bswap32((uint32_t)v)
			     : __builtin_bswap64(v);
}

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

/* ---- the loop ------------------------------------------------------------ */

#define NEXT()	 goto * (++pc)->label
#define DST	 r[pc->dst]
#define SRC	 r[pc->src]
#define IMM	 ((uint64_t)(int64_t)pc->imm)
#define IMM32	 ((uint32_t)pc->imm)
#define AT(base) ((base) + (uint64_t)(int64_t)pc->off)
#define ALU(name, x64, x32)                                    \
	do_##name##64_k:                                       \
	{                                                      \
		uint64_t a = DST, b = IMM;                     \
		DST = (x64);                                   \
	}                                                      \
	NEXT();                                                \
	do_##name##64_x:                                       \
	{                                                      \
		uint64_t a = DST, b = SRC;                     \
		DST = (x64);                                   \
	}                                                      \
	NEXT();                                                \
	do_##name##32_k:                                       \
	{                                                      \
		uint32_t a = (uint32_t)DST, b = IMM32;         \
		DST = (uint32_t)(x32);                         \
	}                                                      \
	NEXT();                                                \
	do_##name##32_x:                                       \
	{                                                      \
		uint32_t a = (uint32_t)DST, b = (uint32_t)SRC; \
		DST = (uint32_t)(x32);                         \
	}                                                      \
	NEXT()
/* Only a backward jump can repeat work: it pays for what it may repeat. */
#define JUMP(n)                                                         \
	do {                                                            \
		int32_t by = (n);                                       \
		if (by < 0 && (steps += (uint32_t)-by) > LIM_BPF_STEPS) \
			return RUN_STEPS;                               \
		pc += by;                                               \
		NEXT();                                                 \
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
	NEXT()
#define JCC2(name, cond)                        \
	JCC(name, uint64_t, int64_t, cond, 64); \
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
	};
	_Alignas(8) uint8_t frame[LIM_BPF_STACK];
	const struct run_op *pc;
	uint64_t r[11], steps = 0;
	struct run m;

	if (ret_labels != NULL) {
		*ret_labels = labels;
		return RUN_OK;
	}
	m = (struct run){ .ctx = (uintptr_t)env->ctx, .ctx_len = env->ctx_len,
			  .ctx_write = env->ctx_write, .stack = (uintptr_t)frame,
			  .frame = frame };
	if (prog->stack)
		memset(frame, 0, sizeof(frame));
	r[1] = m.ctx;
	r[2] = m.ctx_len;
	r[10] = m.stack + LIM_BPF_STACK;
	pc = prog->at;
	goto *pc->label;

	ALU(add, a + b, a + b);
	ALU(sub, a - b, a - b);
	ALU(mul, a * b, a * b);
	ALU(div, div64(a, b, pc->off), div32(a, b, pc->off));
	ALU(mod, mod64(a, b, pc->off), mod32(a, b, pc->off));
	ALU(or, a | b, a | b);
	ALU(and, a & b, a & b);
	ALU(xor, a ^ b, a ^ b);
	ALU(lsh, a << (b & 63), a << (b & 31));
	ALU(rsh, a >> (b & 63), a >> (b & 31));
	ALU(arsh, (uint64_t)((int64_t)a >> (b & 63)), (uint32_t)((int32_t)a >> (b & 31)));
	do_mov64_k: DST = IMM; NEXT();
	do_mov32_k: DST = IMM32; NEXT();
	do_mov64_x: DST = extend(SRC, pc->off); NEXT();
	do_mov32_x: DST = (uint32_t)extend(SRC, pc->off); NEXT();
	do_neg64: DST = -DST; NEXT();
	do_neg32: DST = (uint32_t)-(uint32_t)DST; NEXT();
	do_le: DST = to_le(DST, pc->imm); NEXT();
	do_be: DST = to_be(DST, pc->imm); NEXT();
	do_bswap: DST = swap(DST, pc->imm); NEXT();
	do_lddw: DST = (uint32_t)pc->imm | (uint64_t)(uint32_t)pc[1].imm << 32; pc++; NEXT();

	do_ja: JUMP(pc->off);
	do_ja32: JUMP(pc->imm);
	JCC2(jeq, a == b);
	JCC2(jne, a != b);
	JCC2(jgt, a > b);
	JCC2(jge, a >= b);
	JCC2(jlt, a < b);
	JCC2(jle, a <= b);
	JCC2(jset, (a & b) != 0);
	JCC2(jsgt, sa > sb);
	JCC2(jsge, sa >= sb);
	JCC2(jslt, sa < sb);
	JCC2(jsle, sa <= sb);

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
	do_exit: *ret_r0 = r[0]; return RUN_OK;
}
/* clang-format on */

enum run_end prog_run(const struct verified_prog *prog, const struct run_env *env, uint64_t *ret_r0)
{
	return run(prog, env, ret_r0, NULL);
}

/* The second half of lddw has no code of its own: its label is never used. */
void prog_decode(const struct insn *from, size_t n, struct run_op *to)
{
	const void *const *labels = NULL;

	(void)run(NULL, NULL, NULL, &labels);
	for (size_t i = 0; i < n; i++)
		to[i] = (struct run_op){ .label = labels[from[i].op],
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
#undef JCC2
#undef LOAD
#undef STORE
