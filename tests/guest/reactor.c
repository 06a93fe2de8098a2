/* A library whose exports are called; built with -mexec-model=reactor. */
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))

static int ready;

__attribute__((constructor)) static void begin(void)
{
	ready = 41;
}

EXPORT("next") int next(void)
{
	return ++ready;
}

EXPORT("add") int32_t add(int32_t a, int32_t b)
{
	return (int32_t)((uint32_t)a + (uint32_t)b);
}

EXPORT("add64") int64_t add64(int64_t a, int64_t b)
{
	return a + b;
}

EXPORT("half") double half(double x)
{
	return x / 2;
}

EXPORT("halff") float halff(float x)
{
	return x / 2;
}

EXPORT("nothing") void nothing(void)
{
}

EXPORT("fault") void fault(void)
{
	__builtin_trap();
}

EXPORT("spin") void spin(void)
{
	for (volatile int i = 0;; i++)
		;
}
