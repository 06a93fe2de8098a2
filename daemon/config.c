/*
 * Reads the administrator's file: shape, names, uids. Judges nothing.
 */
#include "daemon/config.h"

#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "wasmd/policy.h"

#define CONFIG_MAX_BYTES   (1u << 20) /* thousands of tenants fit */
#define CONFIG_MAX_TENANTS 4096u      /* private uids are numbered by tenant */
#define CONFIG_MAX_LIST	   1024u      /* clients, groups, mounts of one tenant */

/* Where in the document we are, for sentences: "tenants[2].uid". */
struct at {
	char path[112];
};

static struct at at_key(const struct at *up, const char *key)
{
	struct at a;

	(void)snprintf(a.path, sizeof(a.path), "%.60s%s%.30s", up->path,
		       up->path[0] != '\0' ? "." : "", key);
	return a;
}

static struct at at_index(const struct at *up, size_t i)
{
	struct at a;

	(void)snprintf(a.path, sizeof(a.path), "%.80s[%zu]", up->path, i);
	return a;
}

static int wrong(const struct at *a, const char *expected, struct err *e)
{
	return err_set(e, ERR_USAGE, "configuration: %s: expected %s",
		       a->path[0] != '\0' ? a->path : "the document", expected);
}

/* Refuses keys that are not among the NULL-terminated @known. */
static int only_keys(json_t *obj, const char *const *known, const struct at *a, struct err *e)
{
	const char *key;
	json_t *v;

	if (!json_is_object(obj))
		return wrong(a, "an object", e);
	json_object_foreach(obj, key, v)
	{
		size_t i = 0, n = 0;

		while (known[n] != NULL)
			n++;
		while (i < n && strcmp(known[i], key) != 0)
			i++;
		if (i < n)
			continue;
		struct at k = at_key(a, key);
		(void)err_set(e, ERR_USAGE, "configuration: %s is not known", k.path);
		return e->code;
	}
	return 0;
}

static int read_string(json_t *v, const struct at *a, char **ret, struct err *e)
{
	const char *s = json_string_value(v);

	if (s == NULL || *s == '\0' || strlen(s) != json_string_length(v))
		return wrong(a, "a string", e);
	free(*ret);
	*ret = strdup(s);
	return *ret == NULL ? err_nomem(e) : 0;
}

/* A tenant that lists nobody is its own only client. */
static int own_client(struct config_tenant *t, struct err *e)
{
	if (t->clients != NULL)
		return 0;
	t->clients = calloc(1, sizeof(*t->clients));
	if (t->clients == NULL)
		return err_nomem(e);
	t->clients[0] = t->uid;
	t->n_clients = 1;
	return 0;
}

/* A number, or the name of a user; its primary group goes to *@ret_gid. */
static int read_user(json_t *v, const struct at *a, uid_t *ret, gid_t *ret_gid, struct err *e)
{
	const struct passwd *pw;

	if (json_is_integer(v)) {
		json_int_t n = json_integer_value(v);

		if (n < 0 || n >= UINT32_MAX)
			return wrong(a, "a uid", e);
		*ret = (uid_t)n;
		pw = getpwuid(*ret);
		*ret_gid = pw != NULL ? pw->pw_gid : (gid_t)n;
		return 0;
	}
	if (!json_is_string(v))
		return wrong(a, "a uid or the name of a user", e);
	pw = getpwnam(json_string_value(v));
	if (pw == NULL)
		return err_set(e, ERR_USAGE, "configuration: %s: there is no user \"%s\"", a->path,
			       json_string_value(v));
	*ret = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return 0;
}

static int read_group(json_t *v, const struct at *a, gid_t *ret, struct err *e)
{
	const struct group *gr;

	if (json_is_integer(v)) {
		json_int_t n = json_integer_value(v);

		if (n < 0 || n >= UINT32_MAX)
			return wrong(a, "a gid", e);
		*ret = (gid_t)n;
		return 0;
	}
	gr = json_is_string(v) ? getgrnam(json_string_value(v)) : NULL;
	if (gr == NULL)
		return wrong(a, "a gid or the name of a group", e);
	*ret = gr->gr_gid;
	return 0;
}

/* Room for the list @v of at most CONFIG_MAX_LIST elements, or NULL and *e. */
static void *list_room(json_t *v, size_t size, const struct at *a, struct err *e)
{
	void *p;

	if (!json_is_array(v) || json_array_size(v) > CONFIG_MAX_LIST) {
		(void)wrong(a, "a list of at most 1024 elements", e);
		return NULL;
	}
	p = calloc(json_array_size(v) + 1, size);
	if (p == NULL)
		(void)err_nomem(e);
	return p;
}

static int read_clients(json_t *v, const struct at *a, struct config_tenant *t, struct err *e)
{
	t->clients = list_room(v, sizeof(*t->clients), a, e);
	if (t->clients == NULL)
		return e->code;
	for (size_t i = 0; i < json_array_size(v); i++) {
		struct at ai = at_index(a, i);
		gid_t unused;

		if (read_user(json_array_get(v, i), &ai, &t->clients[i], &unused, e) < 0)
			return e->code;
		t->n_clients++;
	}
	return 0;
}

static int read_groups(json_t *v, const struct at *a, struct config_tenant *t, struct err *e)
{
	t->groups = list_room(v, sizeof(*t->groups), a, e);
	if (t->groups == NULL)
		return e->code;
	for (size_t i = 0; i < json_array_size(v); i++) {
		struct at ai = at_index(a, i);

		if (read_group(json_array_get(v, i), &ai, &t->groups[i], e) < 0)
			return e->code;
		t->n_groups++;
	}
	return 0;
}

/* Absolute, without empty, "." or ".." components, no slash at the end. */
static bool path_is_normal(const char *s)
{
	if (strcmp(s, "/") == 0)
		return true;
	if (strlen(s) >= LIM_PATH_BYTES)
		return false;
	while (*s == '/') {
		size_t n = strcspn(++s, "/");

		if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += n;
	}
	return *s == '\0';
}

static int read_mount(json_t *v, const struct at *a, struct config_mount *m, struct err *e)
{
	static const char *const keys[] = { "host", "access", NULL };
	struct at host = at_key(a, "host"), access = at_key(a, "access");
	const char *acc = json_string_value(json_object_get(v, "access"));

	if (only_keys(v, keys, a, e) < 0 ||
	    read_string(json_object_get(v, "host"), &host, &m->host, e) < 0)
		return e->code;
	if (!path_is_normal(m->host))
		return wrong(&host, "an absolute path without \".\", \"..\" or a last slash", e);
	if (acc == NULL || (strcmp(acc, "ro") != 0 && strcmp(acc, "rw") != 0))
		return wrong(&access, "\"ro\" or \"rw\"", e);
	m->write = strcmp(acc, "rw") == 0;
	return 0;
}

static const struct config_compile most_compile = { LIM_COMPILE_CPU_S, LIM_COMPILE_WALL_S,
						    LIM_COMPILE_MIB, LIM_COMPILES };

static int read_compile(json_t *v, const struct at *a, struct config_compile *c, struct err *e)
{
	static const char *const keys[] = { "cpu_s", "wall_s", "memory_mib", "at_once", NULL };
	uint32_t *const to[] = { &c->cpu_s, &c->wall_s, &c->mib, &c->at_once };

	if (only_keys(v, keys, a, e) < 0)
		return e->code;
	for (size_t i = 0; keys[i] != NULL; i++) {
		json_t *n = json_object_get(v, keys[i]);
		struct at an = at_key(a, keys[i]);
		char expected[64];

		if (n == NULL)
			continue;
		(void)snprintf(expected, sizeof(expected), "a whole number from 1 to %u", *to[i]);
		if (!json_is_integer(n) || json_integer_value(n) < 1 ||
		    json_integer_value(n) > *to[i]) /* the default is the most */
			return wrong(&an, expected, e);
		*to[i] = (uint32_t)json_integer_value(n);
	}
	return 0;
}

static int read_ceiling(json_t *v, const struct at *a, struct config_tenant *t, struct err *e)
{
	static const char *const keys[] = { "mounts", "fds", "compile", NULL };
	json_t *mounts = json_object_get(v, "mounts"), *fds = json_object_get(v, "fds");
	json_t *compile = json_object_get(v, "compile");
	struct at am = at_key(a, "mounts"), af = at_key(a, "fds"), ac = at_key(a, "compile");

	if (only_keys(v, keys, a, e) < 0)
		return e->code;
	if (fds != NULL && !json_is_boolean(fds))
		return wrong(&af, "true or false", e);
	t->fds = json_is_true(fds);
	if (compile != NULL && read_compile(compile, &ac, &t->compile, e) < 0)
		return e->code;
	if (mounts == NULL)
		return 0;
	t->mounts = list_room(mounts, sizeof(*t->mounts), &am, e);
	if (t->mounts == NULL)
		return e->code;
	for (size_t i = 0; i < json_array_size(mounts); i++) {
		struct at ai = at_index(&am, i);

		t->n_mounts++;
		if (read_mount(json_array_get(mounts, i), &ai, &t->mounts[i], e) < 0)
			return e->code;
	}
	return 0;
}

static int read_identity(json_t *v, const struct at *a, struct config_tenant *t, struct err *e)
{
	json_t *uid = json_object_get(v, "uid"), *user = json_object_get(v, "user");
	json_t *gid = json_object_get(v, "gid");
	struct at au = at_key(a, uid != NULL ? "uid" : "user"), ag = at_key(a, "gid");

	if ((uid != NULL) == (user != NULL))
		return wrong(a, "either \"uid\" or \"user\"", e);
	if (read_user(uid != NULL ? uid : user, &au, &t->uid, &t->gid, e) < 0)
		return e->code;
	if (t->uid == 0)
		return err_set(e, ERR_USAGE,
			       "configuration: %s: no instance touches files as root; name "
			       "another user",
			       au.path);
	return gid != NULL ? read_group(gid, &ag, &t->gid, e) : 0;
}

static int read_tenant(json_t *v, const struct at *a, struct config_tenant *t, struct err *e)
{
	static const char *const keys[] = { "name",   "uid",	 "user",    "gid",
					    "groups", "clients", "ceiling", NULL };
	static const struct {
		const char *key;
		int (*read)(json_t *, const struct at *, struct config_tenant *, struct err *);
	} parts[] = {
		{ "groups", read_groups },
		{ "clients", read_clients },
		{ "ceiling", read_ceiling },
	};
	struct at an = at_key(a, "name");

	if (only_keys(v, keys, a, e) < 0 ||
	    read_string(json_object_get(v, "name"), &an, &t->name, e) < 0)
		return e->code;
	if (strlen(t->name) >= LIM_NAME || strchr(t->name, '/') != NULL)
		return wrong(&an, "a name of less than 128 bytes without a slash", e);
	if (read_identity(v, a, t, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct at ap = at_key(a, parts[i].key);
		json_t *part = json_object_get(v, parts[i].key);

		if (part != NULL && parts[i].read(part, &ap, t, e) < 0)
			return e->code;
	}
	return own_client(t, e);
}

static int read_tenants(json_t *v, struct config *c, struct err *e)
{
	struct at a = { "tenants" };

	if (!json_is_array(v) || json_array_size(v) > CONFIG_MAX_TENANTS)
		return wrong(&a, "a list of at most 4096 tenants", e);
	c->tenants = calloc(json_array_size(v) + 1, sizeof(*c->tenants));
	if (c->tenants == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < json_array_size(v); i++) {
		struct config_tenant *t = &c->tenants[c->n_tenants++];
		struct at ai = at_index(&a, i);

		t->index = (uint32_t)i;
		t->compile = most_compile;
		if (read_tenant(json_array_get(v, i), &ai, t, e) < 0)
			return e->code;
		for (size_t j = 0; j < i; j++)
			if (strcmp(c->tenants[j].name, t->name) == 0)
				return err_set(e, ERR_USAGE,
					       "configuration: %s: \"%s\" is there twice", ai.path,
					       t->name);
	}
	return 0;
}

uint32_t config_fence(const char *name)
{
#define F(id, text, bit)             \
	if (strcmp(name, text) == 0) \
		return bit;
	POLICY_FENCES(F)
#undef F
	return 0;
}

static int read_degraded(json_t *v, struct config *c, struct err *e)
{
	struct at a = { "allow_degraded" };

	if (!json_is_array(v))
		return wrong(&a, "a list of fences", e);
	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *s = json_string_value(json_array_get(v, i));
		struct at ai = at_index(&a, i);
		uint32_t bit = s != NULL ? config_fence(s) : 0;

		if (bit == 0)
			return wrong(&ai, "seccomp, landlock, namespaces, rlimits or cgroup", e);
		c->degraded |= bit;
	}
	return 0;
}

static int read_mode(json_t *v, struct config *c, struct err *e)
{
	struct at a = { "socket_mode" };
	const char *s = json_string_value(v);
	char *end = NULL;
	unsigned long mode = s != NULL ? strtoul(s, &end, 8) : 0;

	if (s == NULL || *s == '\0' || *end != '\0' || mode > 0777 || (mode & 0111) != 0)
		return wrong(&a, "an octal mode as a string, such as \"0660\"", e);
	c->socket_mode = (uint32_t)mode;
	return 0;
}

static int read_document(json_t *doc, struct config *c, struct err *e)
{
	static const char *const keys[] = { "tenants",	    "front_user",     "socket_mode",
					    "socket_group", "allow_degraded", NULL };
	struct at top = { "" }, fu = { "front_user" }, sg = { "socket_group" };
	json_t *v;

	if (only_keys(doc, keys, &top, e) < 0)
		return e->code;
	if ((v = json_object_get(doc, "tenants")) != NULL && read_tenants(v, c, e) < 0)
		return e->code;
	if ((v = json_object_get(doc, "front_user")) != NULL &&
	    read_string(v, &fu, &c->front_user, e) < 0)
		return e->code;
	if ((v = json_object_get(doc, "socket_group")) != NULL &&
	    read_string(v, &sg, &c->socket_group, e) < 0)
		return e->code;
	if ((v = json_object_get(doc, "socket_mode")) != NULL && read_mode(v, c, e) < 0)
		return e->code;
	if ((v = json_object_get(doc, "allow_degraded")) != NULL && read_degraded(v, c, e) < 0)
		return e->code;
	return 0;
}

static struct config *config_new(struct err *e)
{
	struct config *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->front_user = strdup("wasmd");
	if (c == NULL || c->front_user == NULL) {
		(void)err_nomem(e);
		return config_free(c);
	}
	c->socket_mode = 0660;
	return c;
}

static int config_parse(const char *text, size_t len, struct config **ret, struct err *e)
{
	json_error_t je;
	json_t *doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	struct config *c;
	int r;

	if (doc == NULL)
		return err_set(e, ERR_USAGE, "configuration: line %d, column %d: %s", je.line,
			       je.column, je.text);
	c = config_new(e);
	r = c != NULL ? read_document(doc, c, e) : e->code;
	json_decref(doc);
	if (r < 0) {
		(void)config_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int config_read(int fd, struct config **ret, struct err *e)
{
	CLEANUP(free_p) char *text = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size < 0 || st.st_size > CONFIG_MAX_BYTES)
		return err_set(e, ERR_USAGE, "configuration: no file of at most 1 MiB");
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL)
		return err_nomem(e);
	if (pread(fd, text, (size_t)st.st_size, 0) != st.st_size)
		return err_set(e, ERR_IO, "configuration: it cannot be read");
	return config_parse(text, (size_t)st.st_size, ret, e);
}

/* One tenant, the user themselves; false when memory is short. */
static bool add_self(struct config *c, uid_t uid, gid_t gid)
{
	const struct passwd *pw = getpwuid(uid);
	struct config_tenant *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return false;
	c->tenants = t;
	c->n_tenants = 1;
	t->uid = uid;
	t->gid = gid;
	t->compile = most_compile;
	t->name = strdup(pw != NULL ? pw->pw_name : CONFIG_SELF_TENANT);
	t->clients = calloc(1, sizeof(*t->clients));
	t->mounts = calloc(1, sizeof(*t->mounts));
	if (t->name == NULL || t->clients == NULL || t->mounts == NULL)
		return false;
	t->clients[0] = uid;
	t->n_clients = t->n_mounts = 1;
	t->mounts[0].host = strdup("/");
	t->mounts[0].write = true;
	return t->mounts[0].host != NULL;
}

int config_default(uid_t uid, gid_t gid, struct config **ret, struct err *e)
{
	struct config *c = config_new(e);

	if (c == NULL)
		return e->code;
	if (uid != 0 && !add_self(c, uid, gid)) {
		(void)config_free(c);
		return err_nomem(e);
	}
	if (uid != 0)
		c->socket_mode = 0600;
	*ret = c;
	return 0;
}

int config_read_or_default(int fd, struct config **ret, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size == 0)
		return config_default(getuid(), getgid(), ret, e);
	return config_read(fd, ret, e);
}

static void tenant_done(struct config_tenant *t)
{
	for (size_t i = 0; i < t->n_mounts; i++)
		free(t->mounts[i].host);
	free(t->mounts);
	free(t->clients);
	free(t->groups);
	free(t->name);
}

struct config *config_free(struct config *c)
{
	if (c == NULL)
		return NULL;
	for (size_t i = 0; i < c->n_tenants; i++)
		tenant_done(&c->tenants[i]);
	free(c->tenants);
	free(c->front_user);
	free(c->socket_group);
	free(c);
	return NULL;
}

static bool lists(const struct config_tenant *t, uid_t client)
{
	for (size_t i = 0; i < t->n_clients; i++)
		if (t->clients[i] == client)
			return true;
	return false;
}

const struct config_tenant *config_tenant_for(const struct config *c, uid_t client,
					      const char *name)
{
	for (size_t i = 0; i < c->n_tenants; i++) {
		const struct config_tenant *t = &c->tenants[i];

		if (lists(t, client) && (name == NULL || strcmp(name, t->name) == 0))
			return t;
	}
	return NULL;
}
