/*
 * Arguments and environment: lists of strings, in two calls each.
 */
#include "vm/wasi/guest.h"

static enum werr put_sizes(struct call *c, const char *const *list)
{
	uint64_t n = 0, bytes = 0;
	enum werr e;

	for (; list != NULL && list[n] != NULL; n++)
		bytes += strlen(list[n]) + 1;
	if (n > UINT32_MAX || bytes > UINT32_MAX)
		return WE_OVERFLOW;
	e = guest_put_u32(c, c->a[0], (uint32_t)n);
	return e != WE_OK ? e : guest_put_u32(c, c->a[1], (uint32_t)bytes);
}

/* Pointers at a[0], the strings with their NULs at a[1]. */
static enum werr put_strings(struct call *c, const char *const *list)
{
	uint64_t at = c->a[1];
	enum werr e = WE_OK;

	for (uint64_t i = 0; e == WE_OK && list != NULL && list[i] != NULL; i++) {
		uint64_t len = strlen(list[i]) + 1;

		e = guest_put(c, at, list[i], len);
		if (e == WE_OK)
			e = guest_put_u32(c, c->a[0] + 4 * i, (uint32_t)at);
		at += len;
	}
	return e != WE_OK ? e : call_moved(c, at - c->a[1]);
}

enum werr call_args_sizes_get(struct call *c)
{
	return put_sizes(c, c->w->cfg.args);
}

enum werr call_args_get(struct call *c)
{
	return put_strings(c, c->w->cfg.args);
}

enum werr call_environ_sizes_get(struct call *c)
{
	return put_sizes(c, c->w->cfg.env);
}

enum werr call_environ_get(struct call *c)
{
	return put_strings(c, c->w->cfg.env);
}
