/*
 * Tables: rows of references that grow within the store's limit.
 */
#include "vm/store.h"
#include "wasmd/limits.h"

static void table_free(void *p)
{
	struct vm_table *t = p;

	free(t->at);
	free(t);
}

static uint64_t table_max(const struct vm_table *t)
{
	uint64_t max = t->type.limits.has_max ? t->type.limits.max : LIM_TABLE_ELEMS;

	return max < LIM_TABLE_ELEMS ? max : LIM_TABLE_ELEMS;
}

/* Doubles, so that growing one by one stays linear. */
static bool table_room(struct vm_table *t, uint64_t want)
{
	uint64_t cap = (uint64_t)t->cap * 2 > want ? (uint64_t)t->cap * 2 : want;
	void *p;

	if (want <= t->cap)
		return true;
	p = mem_resize(t->at, cap, sizeof(*t->at));
	if (p == NULL)
		return false;
	t->at = p;
	t->cap = (uint32_t)cap;
	return true;
}

int64_t table_grow(struct vm_table *t, uint64_t n, union slot init)
{
	struct vm_store *s = t->st;
	uint32_t old = t->size;

	if (n > table_max(t) - old || n > s->lim.table - s->table_used)
		return -1;
	if (!table_room(t, old + n))
		return -1;
	for (uint32_t i = 0; i < n; i++)
		t->at[old + i] = init;
	t->size = old + (uint32_t)n;
	s->table_used += n;
	return old;
}

int vm_table_new(struct vm_store *s, const struct vm_table_type *type, union vm_value init,
		 struct vm_table **ret, struct err *e)
{
	uint64_t n = type->limits.min;
	struct vm_table *t;

	if (n > LIM_TABLE_ELEMS || n > s->lim.table - s->table_used)
		return err_set(e, ERR_LIMIT, "table of %llu entries: the limit of %llu is reached",
			       (unsigned long long)n, (unsigned long long)s->lim.table);
	t = mem_new(1, sizeof(*t));
	if (t == NULL)
		return err_nomem(e);
	*t = (struct vm_table){ .st = s, .type = *type };
	if (store_own(s, t, table_free, e) != 0)
		return e->code;
	if (table_grow(t, n, (union slot){ .ref = init.ref }) < 0)
		return err_nomem(e);
	*ret = t;
	return 0;
}
