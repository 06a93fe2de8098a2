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

/* Makes room for @n more entries; table_extend then cannot fail. */
bool table_reserve(struct vm_table *t, uint64_t n)
{
	const struct vm_store *s = t->st;

	return n <= table_max(t) - t->size && n <= s->lim.table - s->table_used &&
	       table_room(t, t->size + n);
}

void table_extend(struct vm_table *t, uint32_t n, union slot init)
{
	for (uint32_t i = 0; i < n; i++)
		t->at[t->size + i] = init;
	t->size += n;
	t->st->table_used += n;
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
	if (!table_reserve(t, n))
		return err_nomem(e);
	table_extend(t, (uint32_t)n, (union slot){ .ref = init.ref });
	*ret = t;
	return 0;
}
