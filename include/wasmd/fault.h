/*
 * The hostile world, built in: with -Dfaults=true the nth allocation fails,
 * so that a test can walk n upward and run every out-of-memory exit once.
 * All allocation in vm/ and policy/ goes through these three.
 */
#ifndef WASMD_FAULT_H
#define WASMD_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef WASMD_FAULTS
/* Counts down to the failure; ~0u: never. One in a program, whoever includes this. */
__attribute__((weak)) unsigned wasmd_fault_after = ~0u;

static inline bool fault_hit(void)
{
	return wasmd_fault_after != ~0u && wasmd_fault_after-- == 0;
}
#else
static inline bool fault_hit(void)
{
	return false;
}
#endif

/* Zeroed memory for @n objects of @size bytes, or NULL. */
static inline void *mem_new(size_t n, size_t size)
{
	return fault_hit() ? NULL : calloc(n != 0 ? n : 1, size);
}

/* As reallocarray(3): the old block stands when this fails. */
static inline void *mem_resize(void *p, size_t n, size_t size)
{
	return fault_hit() ? NULL : reallocarray(p, n != 0 ? n : 1, size);
}

#endif
