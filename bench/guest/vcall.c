/* Calls through a table: n rounds over objects of several kinds. */
#include "kernel.h"

struct shape {
	uint32_t (*area)(const struct shape *);
	uint32_t a, b;
};

static uint32_t square(const struct shape *s)
{
	return s->a * s->a;
}

static uint32_t oblong(const struct shape *s)
{
	return s->a * s->b;
}

static uint32_t wedge(const struct shape *s)
{
	return s->a * s->b / 2 + 1;
}

static uint32_t blob(const struct shape *s)
{
	return (s->a ^ s->b) + 3;
}

static struct shape shapes[64];

KERNEL
{
	static uint32_t (*const kinds[])(const struct shape *) = { square, oblong, wedge, blob };
	uint64_t sum = 0;

	for (uint32_t i = 0; i < 64; i++)
		shapes[i] = (struct shape){ kinds[(i * i + i / 3) % 4], i, i * 3 + 1 };
	for (uint32_t r = 0; r < n * 1000; r++)
		for (uint32_t i = 0; i < 64; i++)
			sum += shapes[i].area(&shapes[i]);
	return sum;
}
