/*
 * Policies as wasmctl sees them: read from a file and checked here, so that
 * an error names its line before anything is sent, or written out from the
 * flags of run and create.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ctl/ctl.h"
#include "wasmd/limits.h"
#include "wasmd/policy.h"

enum flag_kind { FLAG_TEXT, FLAG_COUNT, FLAG_FUEL };

/* The flags that stand for one limit each. */
static const struct limit_flag {
	const char *flag, *key;
	enum flag_kind kind;
	size_t at;
} limit_flags[] = {
#define LIMIT_FLAG(flag, key, kind) { flag, #key, kind, offsetof(struct policy_flags, key) }
	LIMIT_FLAG("--fuel", fuel, FLAG_FUEL),
	LIMIT_FLAG("--cpu", cpu, FLAG_TEXT),
	LIMIT_FLAG("--wall", wall, FLAG_TEXT),
	LIMIT_FLAG("--memory", memory, FLAG_TEXT),
	LIMIT_FLAG("--stack", stack, FLAG_TEXT),
	LIMIT_FLAG("--disk", disk, FLAG_TEXT),
	LIMIT_FLAG("--output", output, FLAG_TEXT),
	LIMIT_FLAG("--fds", fds, FLAG_COUNT),
	LIMIT_FLAG("--host-calls", host_calls, FLAG_COUNT),
#undef LIMIT_FLAG
};

static const char *flag_text(const struct policy_flags *f, const struct limit_flag *l)
{
	return *(const char *const *)((const char *)f + l->at);
}

const char *policy_flags_used(const struct policy_flags *f)
{
	const struct {
		const char *name;
		bool used;
	} rows[] = { { "-v", f->mounts.len > 0 },
		     { "--tmpfs", f->tmpfs.len > 0 },
		     { "--secret", f->secrets.len > 0 },
		     { "--clock-resolution", f->clock_resolution != NULL },
		     { "--no-random", f->no_random } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].used)
			return rows[i].name;
	for (size_t i = 0; i < ARRAY_LEN(limit_flags); i++)
		if (flag_text(f, &limit_flags[i]) != NULL)
			return limit_flags[i].flag;
	for (size_t i = 0; i < f->envs.len; i++)
		if (strchr(f->envs.at[i], '=') != NULL)
			return "-e NAME=VALUE";
	return NULL;
}

/* ---- values ------------------------------------------------------------- */

/* Digits with a point and an exponent, exactly: no double between them. */
int policy_count(const char *flag, const char *text, json_int_t *ret, struct err *e)
{
	uint64_t v = 0;
	long exp = 0, point = 0;
	bool digits = false, dot = false;
	const char *p = text;
	char *end;

	for (; (*p >= '0' && *p <= '9') || (*p == '.' && !dot); p++) {
		if (*p == '.') {
			dot = true;
			continue;
		}
		if (v > (uint64_t)(INT64_MAX - (*p - '0')) / 10)
			goto bad;
		v = v * 10 + (uint64_t)(*p - '0');
		digits = true;
		point += dot;
	}
	if ((*p == 'e' || *p == 'E') && p[1] >= '0' && p[1] <= '9') {
		exp = strtol(p + 1, &end, 10);
		p = end;
	}
	if (!digits || *p != '\0' || exp > 1000)
		goto bad;
	for (; point > exp; point--, v /= 10)
		if (v % 10 != 0)
			goto bad;
	for (; exp > point && v != 0; exp--, v *= 10)
		if (v > INT64_MAX / 10)
			goto bad;
	*ret = (json_int_t)v;
	return 0;
bad:
	return err_set(e, ERR_USAGE, "%s: \"%s\" is not a whole number below 2^63", flag, text);
}

static int add_text(json_t *object, const char *key, const char *text, const char *flag,
		    struct err *e)
{
	if (json_object_set_new(object, key, json_string(text)) == 0)
		return 0;
	return err_set(e, ERR_USAGE, "%s: \"%s\" is not UTF-8", flag, text);
}

/* A host path as the daemon needs it: absolute, seen from here. */
static int host_path(const char *path, size_t n, char **ret, struct err *e)
{
	CLEANUP(free_p) char *given = strndup(path, n);

	if (given == NULL)
		return err_nomem(e);
	*ret = given[0] == '/' ? strdup(given) : realpath(given, NULL);
	if (*ret == NULL)
		return err_set(e, ERR_USAGE, "-v: the host path \"%s\": %s", given,
			       strerror(errno));
	return 0;
}

static int bad_mount(const char *text, struct err *e)
{
	err_set(e, ERR_USAGE, "-v: \"%s\" is not HOST:GUEST, HOST:GUEST:ro or HOST:GUEST:rw", text);
	return err_hint(e, "GUEST is an absolute path; without :rw the mount is read-only; a "
			   "path with a colon needs a policy's file");
}

static int add_mount(json_t *mounts, const char *text, struct err *e)
{
	const char *colon = strchr(text, ':'), *guest = colon != NULL ? colon + 1 : "", *second;
	const char *access = "ro";
	CLEANUP(free_p) char *host = NULL;
	size_t n;
	json_t *m;

	second = strchr(guest, ':');
	n = second != NULL ? (size_t)(second - guest) : strlen(guest);
	if (second != NULL)
		access = second + 1;
	if (colon == text || guest[0] != '/' ||
	    (strcmp(access, "ro") != 0 && strcmp(access, "rw") != 0))
		return bad_mount(text, e);
	if (host_path(text, (size_t)(colon - text), &host, e) != 0)
		return e->code;
	m = json_pack("{s:s, s:s%, s:s}", "host", host, "guest", guest, n, "access", access);
	if (m == NULL)
		return err_set(e, ERR_USAGE, "-v: \"%s\" is not UTF-8", text);
	return json_array_append_new(mounts, m) == 0 ? 0 : err_nomem(e);
}

/* GUEST:SIZE, an empty directory in memory. */
static int add_tmpfs(json_t *mounts, const char *text, struct err *e)
{
	const char *colon = strrchr(text, ':');
	json_t *m;

	if (text[0] != '/' || colon == NULL || colon[1] == '\0') {
		err_set(e, ERR_USAGE, "--tmpfs: \"%s\" is not GUEST:SIZE", text);
		return err_hint(e, "write it as /tmp:16MiB");
	}
	m = json_pack("{s:s, s:s%}", "tmpfs", colon + 1, "guest", text, (size_t)(colon - text));
	if (m == NULL)
		return err_set(e, ERR_USAGE, "--tmpfs: \"%s\" is not UTF-8", text);
	return json_array_append_new(mounts, m) == 0 ? 0 : err_nomem(e);
}

/* ENV=NAME: what the daemon keeps under a name, in a variable. */
static int add_secret(json_t *secret, const char *text, struct err *e)
{
	const char *eq = strchr(text, '=');
	CLEANUP(free_p) char *name = NULL;

	if (eq == NULL || eq == text || eq[1] == '\0') {
		err_set(e, ERR_USAGE, "--secret: \"%s\" is not VARIABLE=NAME", text);
		return err_hint(e, "NAME is that of the secret, not its value");
	}
	name = strndup(text, (size_t)(eq - text));
	if (name == NULL)
		return err_nomem(e);
	if (json_object_set_new(secret, name, json_string(eq + 1)) != 0)
		return err_set(e, ERR_USAGE, "--secret: \"%s\" is not UTF-8", text);
	return 0;
}

static int add_env(json_t *pass, json_t *set, const char *text, struct err *e)
{
	const char *eq = strchr(text, '=');
	CLEANUP(free_p) char *name = NULL;

	if (eq == text || text[0] == '\0')
		return err_set(e, ERR_USAGE, "-e: \"%s\" has no name", text);
	if (eq == NULL)
		return json_array_append_new(pass, json_string(text)) == 0
			       ? 0
			       : err_set(e, ERR_USAGE, "-e: \"%s\" is not UTF-8", text);
	name = strndup(text, (size_t)(eq - text));
	if (name == NULL)
		return err_nomem(e);
	if (json_object_set_new(set, name, json_string(eq + 1)) != 0)
		return err_set(e, ERR_USAGE, "-e: \"%s\" is not UTF-8", text);
	return 0;
}

/* ---- the document ------------------------------------------------------- */

/* A limit that no flag names is that of the built-in policy, written out. */
static void default_limit(json_t *limits, const char *key, uint64_t v, const char *const *units,
			  const uint64_t *scale, size_t n)
{
	char text[48];
	size_t i = 0;

	if (v == 0 || v == UINT64_MAX)
		return;
	while (i + 1 < n && v % scale[i] != 0)
		i++;
	(void)snprintf(text, sizeof(text), "%llu%s", (unsigned long long)(v / scale[i]), units[i]);
	json_object_set_new(limits, key, json_string(text));
}

static void default_bytes(json_t *limits, const char *key, uint64_t v)
{
	static const char *const units[] = { "GiB", "MiB", "KiB", "B" };
	static const uint64_t scale[] = { 1u << 30, 1u << 20, 1u << 10, 1 };

	default_limit(limits, key, v, units, scale, ARRAY_LEN(units));
}

static void default_time(json_t *limits, const char *key, uint64_t v)
{
	static const char *const units[] = { "s", "ms", "us", "ns" };
	static const uint64_t scale[] = { 1000000000, 1000000, 1000, 1 };

	default_limit(limits, key, v, units, scale, ARRAY_LEN(units));
}

static void default_count(json_t *limits, const char *key, uint64_t v)
{
	if (v != 0 && v <= INT64_MAX)
		json_object_set_new(limits, key, json_integer((json_int_t)v));
}

static void default_limits(json_t *l, const struct policy_limits *d)
{
	default_bytes(l, "memory", d->memory);
	if (d->fuel == UINT64_MAX)
		json_object_set_new(l, "fuel", json_string("unmetered"));
	default_count(l, "fuel", d->fuel);
	default_time(l, "cpu", d->cpu_ns);
	default_time(l, "wall", d->wall_ns);
	default_bytes(l, "stack", d->stack);
	default_count(l, "fds", d->fds);
	default_bytes(l, "output", d->output);
	default_bytes(l, "disk", d->disk);
	default_count(l, "host_calls", d->host_calls);
}

static int fill_limit(json_t *limits, const struct limit_flag *l, const char *text, struct err *e)
{
	json_int_t n;

	if (l->kind == FLAG_TEXT || (l->kind == FLAG_FUEL && strcmp(text, "unmetered") == 0))
		return add_text(limits, l->key, text, l->flag, e);
	if (policy_count(l->flag, text, &n, e) != 0)
		return err_hint(e, "write it as 5000000000 or 5e9%s",
				l->kind == FLAG_FUEL ? ", or say unmetered" : "");
	return json_object_set_new(limits, l->key, json_integer(n)) == 0 ? 0 : err_nomem(e);
}

static int fill_limits(json_t *limits, const struct policy_flags *f, struct err *e)
{
	struct policy *minimal = NULL;

	if (policy_parse(policy_minimal(), strlen(policy_minimal()), &minimal, e) != 0)
		return e->code;
	default_limits(limits, &minimal->limits);
	policy_free(minimal);
	for (size_t i = 0; i < ARRAY_LEN(limit_flags); i++) {
		const char *text = flag_text(f, &limit_flags[i]);

		if (text != NULL && fill_limit(limits, &limit_flags[i], text, e) != 0)
			return e->code;
	}
	return 0;
}

static int fill_mounts(json_t *mounts, const struct policy_flags *f, struct err *e)
{
	for (size_t i = 0; i < f->mounts.len; i++)
		if (add_mount(mounts, f->mounts.at[i], e) != 0)
			return e->code;
	for (size_t i = 0; i < f->tmpfs.len; i++)
		if (add_tmpfs(mounts, f->tmpfs.at[i], e) != 0)
			return e->code;
	return 0;
}

static int fill_variables(json_t *env, const struct policy_flags *f, struct err *e)
{
	json_t *secret;

	for (size_t i = 0; i < f->envs.len; i++)
		if (add_env(json_object_get(env, "pass"), json_object_get(env, "set"),
			    f->envs.at[i], e) != 0)
			return e->code;
	if (f->secrets.len == 0)
		return 0;
	secret = json_object();
	if (json_object_set_new(env, "secret", secret) != 0)
		return err_nomem(e);
	for (size_t i = 0; i < f->secrets.len; i++)
		if (add_secret(secret, f->secrets.at[i], e) != 0)
			return e->code;
	return 0;
}

static int fill_clock(json_t *doc, const struct policy_flags *f, struct err *e)
{
	json_t *clock;

	if (f->clock_resolution == NULL)
		return 0;
	clock = json_object();
	if (json_object_set_new(doc, "clock", clock) != 0)
		return err_nomem(e);
	return add_text(clock, "resolution", f->clock_resolution, "--clock-resolution", e);
}

static int fill(json_t *doc, const struct policy_flags *f, struct err *e)
{
	if (fill_limits(json_object_get(doc, "limits"), f, e) != 0 ||
	    fill_variables(json_object_get(doc, "env"), f, e) != 0 ||
	    fill_mounts(json_object_get(doc, "mounts"), f, e) != 0)
		return e->code;
	return fill_clock(doc, f, e);
}

/* The position in a document that nobody has seen gives way to the flag. */
static int blame_flag(const char *flag, struct err *e)
{
	const char *rest = strstr(e->msg, ": ");

	if (rest != NULL && strncmp(e->msg, "line ", 5) == 0)
		memmove(e->msg, rest + 2, strlen(rest + 2) + 1);
	return err_prefix(e, "%s", flag);
}

/* Which flag made what "$.limits.cpu" and the like name; NULL: none. */
static const char *flag_of(const char *said, const struct policy_flags *f)
{
	static const struct {
		const char *at, *flag;
	} rows[] = { { "$.env.secret", "--secret" },
		     { "$.env", "-e" },
		     { "$.clock", "--clock-resolution" } };
	const char *limit = strstr(said, "$.limits."), *mount = strstr(said, "$.mounts[");

	for (size_t i = 0; limit != NULL && i < ARRAY_LEN(limit_flags); i++) {
		size_t n = strlen(limit_flags[i].key);

		if (strncmp(limit + 9, limit_flags[i].key, n) == 0)
			return limit_flags[i].flag;
	}
	if (mount != NULL)
		return strtoul(mount + 9, NULL, 10) < f->mounts.len ? "-v" : "--tmpfs";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strstr(said, rows[i].at) != NULL)
			return rows[i].flag;
	return strstr(said, "$.mounts") != NULL ? "-v" : NULL;
}

static int check_document(const char *text, const struct policy_flags *f, struct err *e)
{
	struct policy *p = NULL;
	const char *flag;

	if (policy_parse(text, strlen(text), &p, e) == 0) {
		policy_free(p);
		return 0;
	}
	flag = flag_of(e->msg, f);
	return flag != NULL ? blame_flag(flag, e) : err_prefix(e, "the flags make no policy");
}

int policy_from_flags(const struct policy_flags *f, char **ret_text, struct err *e)
{
	CLEANUP(free_p) char *text = NULL;
	json_t *doc;

	if (policy_flags_used(f) == NULL && f->envs.len == 0) {
		*ret_text = strdup(policy_minimal());
		return *ret_text != NULL ? 0 : err_nomem(e);
	}
	doc = json_pack("{s:s, s:b, s:b, s:{s:[], s:{}}, s:{}, s:[], s:s}", "name", "flags", "args",
			1, "random", !f->no_random, "env", "pass", "set", "limits", "mounts",
			"default", "granted");
	if (doc == NULL)
		return err_nomem(e);
	if (fill(doc, f, e) == 0) {
		text = json_dumps(doc, JSON_INDENT(2));
		if (text == NULL)
			err_nomem(e);
	}
	json_decref(doc);
	if (e->code != 0 || check_document(text, f, e) != 0)
		return e->code;
	*ret_text = text;
	text = NULL;
	return 0;
}

/* ---- files -------------------------------------------------------------- */

static int read_policy(int fd, char *text, size_t *ret_len, const char *file, struct err *e)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, LIM_POLICY_BYTES + 1 - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_POLICY, "%s: %s", file, strerror(errno));
		len += (size_t)n;
		if (len > LIM_POLICY_BYTES)
			return err_set(e, ERR_POLICY, "%s: a policy has %u bytes at most", file,
				       LIM_POLICY_BYTES);
	}
	text[len] = '\0';
	*ret_len = len;
	return 0;
}

void policy_place(const char *file, struct err *e)
{
	unsigned line, column;
	int n = 0;
	char rest[sizeof(e->msg)];

	if (sscanf(e->msg, "line %u, column %u%n", &line, &column, &n) != 2 || n == 0) {
		err_prefix(e, "%s", file);
		return;
	}
	n += (int)strspn(e->msg + n, ",: ");
	memcpy(rest, e->msg + n, sizeof(rest) - (size_t)n);
	(void)snprintf(e->msg, sizeof(e->msg), "%.120s:%u:%u: %.160s", file, line, column, rest);
}

int policy_from_file(const char *file, char **ret_text, size_t *ret_len, struct err *e)
{
	CLEANUP(close_p) int fd = open(file, O_RDONLY | O_CLOEXEC);
	CLEANUP(free_p) char *text = NULL;
	struct policy *p = NULL;
	size_t len = 0;

	if (fd < 0)
		return err_set(e, ERR_POLICY, "the policy's file %s: %s", file, strerror(errno));
	text = malloc(LIM_POLICY_BYTES + 2);
	if (text == NULL)
		return err_nomem(e);
	if (read_policy(fd, text, &len, file, e) != 0)
		return e->code;
	if (policy_parse(text, len, &p, e) != 0) {
		policy_place(file, e);
		return e->code;
	}
	policy_free(p);
	*ret_text = text;
	*ret_len = len;
	text = NULL;
	return 0;
}

/* ---- the environment ------------------------------------------------------ */

static bool passes(const struct policy *p, const char *name)
{
	for (size_t i = 0; p->env_pass != NULL && p->env_pass[i] != NULL; i++)
		if (strcmp(p->env_pass[i], name) == 0)
			return true;
	return false;
}

static int add_value(json_t *env, const char *name, struct err *e)
{
	const char *value = getenv(name);

	if (value == NULL)
		return 0;
	if (json_object_set_new(env, name, json_string(value)) != 0)
		return err_set(e, ERR_USAGE, "the value of $%s is not UTF-8", name);
	return 0;
}

static int fill_env(const struct policy_flags *f, const struct policy *p, json_t *env,
		    struct err *e)
{
	for (size_t i = 0; i < f->envs.len; i++)
		if (strchr(f->envs.at[i], '=') == NULL && !passes(p, f->envs.at[i])) {
			err_set(e, ERR_USAGE, "-e %s: the policy does not let it pass",
				f->envs.at[i]);
			return err_hint(e, "add it to env.pass of the policy");
		}
	for (size_t i = 0; p->env_pass != NULL && p->env_pass[i] != NULL; i++)
		if (add_value(env, p->env_pass[i], e) != 0)
			return e->code;
	return 0;
}

int policy_env(const struct policy_flags *f, const char *text, size_t len, json_t **ret_env,
	       struct err *e)
{
	struct policy *p = NULL;
	json_t *env = json_object();

	if (env == NULL)
		return err_nomem(e);
	if (policy_parse(text, len, &p, e) != 0) {
		json_decref(env);
		return e->code;
	}
	(void)fill_env(f, p, env, e);
	policy_free(p);
	if (e->code != 0) {
		json_decref(env);
		return e->code;
	}
	*ret_env = env;
	return 0;
}
