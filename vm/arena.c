/*
 * Bump allocation in chunks: what a module needs is freed in one go. No single
 * object can be given back.
 */
#include "vm/module.h"

#define CHUNK (16u << 10)

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(16) uint8_t bytes[];
};

struct arena {
	struct chunk *last;
};

struct arena *arena_new(void)
{
	return mem_new(1, sizeof(struct arena));
}

/* A chunk for at least @need bytes becomes the one to fill. */
static struct chunk *chunk_add(struct arena *a, size_t need)
{
	size_t size = need > CHUNK ? need : CHUNK;
	struct chunk *c = mem_new(1, sizeof(*c) + size);

	if (c == NULL)
		return NULL;
	c->next = a->last;
	c->size = size;
	a->last = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
	struct chunk *c = a->last;
	size_t need;
	void *p;

	if (__builtin_mul_overflow(n, size, &need) || need > SIZE_MAX / 2)
		return NULL;
	need = (need + 15) & ~(size_t)15;
	if (c == NULL || need > c->size - c->used)
		c = chunk_add(a, need);
	if (c == NULL)
		return NULL;
	p = c->bytes + c->used;
	c->used += need;
	return p;
}

struct arena *arena_free(struct arena *a)
{
	struct chunk *c, *next;

	if (a == NULL)
		return NULL;
	for (c = a->last; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
	return NULL;
}
