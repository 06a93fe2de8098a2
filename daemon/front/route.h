/*
 * api.def as a table: which handler answers what, what body and which query
 * parameters it takes.
 */
#ifndef FRONT_ROUTE_H
#define FRONT_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "wasmd/api.h"

enum body_kind { BODY_NONE, BODY_JSON, BODY_MODULE, BODY_STDIN };

struct request;

struct route {
	const char *method, *path;
	enum body_kind body;
	const char *query; /* known parameters, separated by blanks */
	void (*serve)(struct request *r);
};

/* The handlers, one per row of api.def, in serve_*.c. */
#define ROUTE(name, method, path, what) void serve_##name(struct request *r);
WASMD_ROUTES(ROUTE)
#undef ROUTE

/* The row for @method and @url, with what stands for {ref} in @ref. NULL when
 * there is none; @allow then lists the methods that the path has, "" for none. */
const struct route *route_match(const char *method, const char *url, char *ref, size_t ref_size,
				char *allow, size_t allow_size);
bool route_takes(const struct route *r, const char *query_key);

#endif
