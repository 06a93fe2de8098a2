/* An interpreter within: a small machine that counts primes below n. */
#include "kernel.h"

enum op { SET, ADD, REM, LESS, ZERO, JUMP, UNLESS, STOP };

struct insn {
	uint8_t op, a, b, c;
};

/* r1: candidate, r2: divisor, r3: scratch, r4: found, r5: limit */
static const struct insn code[] = {
	{ SET, 1, 2, 0 },     { LESS, 3, 1, 5 },    { UNLESS, 3, 14, 0 }, { SET, 2, 2, 0 },
	{ LESS, 3, 2, 1 },    { UNLESS, 3, 11, 0 }, { REM, 3, 1, 2 },	  { ZERO, 3, 3, 0 },
	{ UNLESS, 3, 15, 0 }, { ADD, 1, 1, 6 },	    { JUMP, 1, 0, 0 },	  { ADD, 4, 4, 6 },
	{ ADD, 1, 1, 6 },     { JUMP, 1, 0, 0 },    { STOP, 4, 0, 0 },	  { ADD, 2, 2, 6 },
	{ JUMP, 4, 0, 0 },
};

static int64_t r[8];

static uint32_t step(uint32_t pc)
{
	struct insn i = code[pc++];

	switch (i.op) {
	case SET:
		r[i.a] = i.b;
		break;
	case ADD:
		r[i.a] = r[i.b] + r[i.c];
		break;
	case REM:
		r[i.a] = r[i.b] % r[i.c];
		break;
	case LESS:
		r[i.a] = r[i.b] < r[i.c];
		break;
	case ZERO:
		r[i.a] = r[i.b] == 0;
		break;
	case JUMP:
		return i.a;
	case UNLESS:
		return r[i.a] != 0 ? pc : i.b;
	}
	return pc;
}

KERNEL
{
	uint32_t pc = 0;

	for (int i = 0; i < 8; i++)
		r[i] = 0;
	r[5] = n;
	r[6] = 1;
	while (code[pc].op != STOP)
		pc = step(pc);
	return (uint64_t)r[code[pc].a];
}
