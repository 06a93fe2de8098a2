/*
 * Linear memories: address space reserved once and for all without access,
 * opened from the start as the memory grows, so that the base never moves.
 * Private mappings, never executable; a fork copies them.
 */
#include <sys/mman.h>

#include "vm/store.h"
#include "wasmd/limits.h"

static void memory_free(void *p)
{
	struct vm_memory *m = p;

	if (m->base != NULL)
		(void)munmap(m->base, m->reserved);
	free(m);
}

static void *reserve(uint64_t n)
{
	void *p = fault_hit() ? MAP_FAILED
			      : mmap(NULL, n, PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

/* All that the memory may ever need, or as much as there is above @min. */
static bool memory_reserve(struct vm_memory *m, uint64_t min)
{
	uint64_t want = (m->max != 0 ? m->max : 1) * VM_PAGE; /* an empty one has a place too */

	for (; want != 0 && want >= min; want = want / 2 / VM_PAGE * VM_PAGE) {
		m->base = reserve(want);
		if (m->base != NULL) {
			m->reserved = want;
			return true;
		}
	}
	return false;
}

/* Grows by @n bytes or answers false and leaves all as it was. */
static bool memory_open(struct vm_memory *m, uint64_t n)
{
	struct vm_store *s = m->st;

	if (n > m->reserved - m->size || n > s->lim.memory - s->memory_used)
		return false;
	if (n == 0)
		return true;
	if (fault_hit() || mprotect(m->base + m->size, n, PROT_READ | PROT_WRITE) != 0)
		return false;
	m->size += n;
	s->memory_used += n;
	if (s->memory_used > s->memory_peak)
		s->memory_peak = s->memory_used;
	return true;
}

int64_t memory_grow(struct vm_memory *m, uint64_t pages)
{
	uint64_t old = m->size / VM_PAGE;

	if (pages > m->max - old || !memory_open(m, pages * VM_PAGE))
		return -1;
	return (int64_t)old;
}

int vm_memory_new(struct vm_store *s, const struct vm_limits *pages, struct vm_memory **ret,
		  struct err *e)
{
	struct vm_memory *m;
	uint64_t max = pages->has_max ? pages->max : LIM_MEMORY_PAGES;

	if (pages->min > LIM_MEMORY_PAGES)
		return err_set(e, ERR_LIMIT, "memory of %llu pages: more than %u",
			       (unsigned long long)pages->min, LIM_MEMORY_PAGES);
	m = mem_new(1, sizeof(*m));
	if (m == NULL)
		return err_nomem(e);
	*m = (struct vm_memory){ .st = s, .type = *pages };
	m->max = max < LIM_MEMORY_PAGES ? max : LIM_MEMORY_PAGES;
	if (store_own(s, m, memory_free, e) != 0)
		return e->code;
	if (pages->min * VM_PAGE > s->lim.memory - s->memory_used) {
		(void)err_set(e, ERR_LIMIT,
			      "memory of %llu pages: the limit of %llu bytes is reached",
			      (unsigned long long)pages->min, (unsigned long long)s->lim.memory);
		return err_hint(e, "raise limits.memory, or link the module with a smaller one");
	}
	if (!memory_reserve(m, pages->min * VM_PAGE) || !memory_open(m, pages->min * VM_PAGE))
		return err_set(e, ERR_NOMEM, "no address space for a memory of %llu pages",
			       (unsigned long long)pages->min);
	*ret = m;
	return 0;
}

void *vm_memory_data(const struct vm_memory *m, uint64_t *ret_len)
{
	*ret_len = m->size;
	return m->base;
}

void *vm_caller_mem(struct vm_caller *c, uint64_t addr, uint64_t len)
{
	return mem_at(c->in->mem, addr, len);
}
