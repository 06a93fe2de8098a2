/* api.def as a table: see route.h. */
#include "daemon/front/route.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
/* What api.def does not say of a route because only the daemon needs it. */
#define BODIES(B)                                          \
	B(module_load,     BODY_MODULE, "name")            \
	B(module_list,     BODY_NONE,   "")                \
	B(module_show,     BODY_NONE,   "")                \
	B(module_remove,   BODY_NONE,   "")                \
	B(info,            BODY_NONE,   "")                \
	B(instance_create, BODY_JSON,   "")                \
	B(instance_list,   BODY_NONE,   "all")             \
	B(instance_show,   BODY_NONE,   "")                \
	B(instance_remove, BODY_NONE,   "force")           \
	B(instance_start,  BODY_NONE,   "")                \
	B(instance_stop,   BODY_NONE,   "grace")           \
	B(instance_kill,   BODY_NONE,   "")                \
	B(instance_pause,  BODY_NONE,   "")                \
	B(instance_resume, BODY_NONE,   "")                \
	B(instance_restart, BODY_NONE,  "grace")           \
	B(instance_attach, BODY_NONE,   "")                \
	B(instance_call,   BODY_JSON,   "")                \
	B(instance_prune,  BODY_NONE,   "modules")         \
	B(instance_wait,   BODY_NONE,   "")                \
	B(instance_logs,   BODY_NONE,   "stream follow since tail timestamps") \
	B(events,          BODY_NONE,   "follow since")    \
	B(run,             BODY_STDIN,  "module arg env policy")
/* clang-format on */

enum {
#define B(name, kind, query) BODY_OF_##name = (kind),
	BODIES(B)
#undef B
};
#define B(name, kind, query) static const char query_of_##name[] = query;
BODIES(B)
#undef B

static const struct route routes[] = {
#define ROUTE(name, method, path, what) \
	{ #method, path, (enum body_kind)BODY_OF_##name, query_of_##name, serve_##name },
	WASMD_ROUTES(ROUTE)
#undef ROUTE
};

/* Whether @url has the shape of @path; @ref gets the segment at {ref}. */
static bool path_matches(const char *path, const char *url, char *ref, size_t ref_size)
{
	while (*path != '\0') {
		size_t n;

		if (strncmp(path, "{ref}", 5) != 0) {
			if (*path++ != *url++)
				return false;
			continue;
		}
		n = strcspn(url, "/");
		if (n == 0 || n >= ref_size)
			return false;
		memcpy(ref, url, n);
		ref[n] = '\0';
		path += 5;
		url += n;
	}
	return *url == '\0';
}

static void allow_add(char *allow, size_t size, const char *method)
{
	size_t n = strlen(allow);

	(void)snprintf(allow + n, size - n, "%s%s", n > 0 ? ", " : "", method);
}

const struct route *route_match(const char *method, const char *url, char *ref, size_t ref_size,
				char *allow, size_t allow_size)
{
	allow[0] = '\0';
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		ref[0] = '\0';
		if (!path_matches(routes[i].path, url, ref, ref_size))
			continue;
		if (strcmp(routes[i].method, method) == 0)
			return &routes[i];
		allow_add(allow, allow_size, routes[i].method);
	}
	return NULL;
}

bool route_takes(const struct route *r, const char *query_key)
{
	size_t len = strlen(query_key);

	for (const char *p = r->query; *p != '\0';) {
		size_t n = strcspn(p, " ");

		if (n == len && strncmp(p, query_key, n) == 0)
			return true;
		p += n + strspn(p + n, " ");
	}
	return false;
}
