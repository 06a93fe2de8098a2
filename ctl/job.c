/*
 * What run and create share: finding the module, uploading a file, saying
 * under which policy, and creating the instance.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ctl/ctl.h"
#include "wasmd/policy.h"

#define JOB(field) offsetof(struct job, field)

/* clang-format off */
#define JOB_ROWS                                                                              \
	{ 0,   OPT_TEXT, "name",   "NAME", "what to call the instance", JOB(name) },          \
	{ 'v', OPT_LIST, "volume", "HOST:GUEST[:rw]",                                         \
	  "grant a directory, read-only unless :rw", JOB(flags.mounts) },                     \
	{ 'e', OPT_LIST, "env",    "NAME[=VALUE]", "set a variable, or pass our own",         \
	  JOB(flags.envs) },                                                                  \
	{ 0,   OPT_TEXT, "policy", "FILE", "the policy, instead of the flags that make one",  \
	  JOB(policy) },                                                                      \
	{ 0,   OPT_TEXT, "fuel",   "N", "how many instructions it may run (5e9)",             \
	  JOB(flags.fuel) },                                                                  \
	{ 0,   OPT_TEXT, "cpu",    "TIME", "how much cpu time it may use (2s)",               \
	  JOB(flags.cpu) },                                                                   \
	{ 0,   OPT_TEXT, "wall",   "TIME", "how long it may take (10s)", JOB(flags.wall) },   \
	{ 0,   OPT_TEXT, "memory", "SIZE", "how much memory it may have (64MiB)",             \
	  JOB(flags.memory) },                                                                \
	{ 0,   OPT_TEXT, "stack",  "SIZE", "how deep it may recurse (1MiB)",                  \
	  JOB(flags.stack) },                                                                 \
	{ 0,   OPT_TEXT, "disk",   "SIZE", "how much it may write to files (10MiB)",          \
	  JOB(flags.disk) },                                                                  \
	{ 0,   OPT_TEXT, "output", "SIZE", "how much it may print (1MiB)",                    \
	  JOB(flags.output) },                                                                \
	{ 0,   OPT_TEXT, "fds",    "N", "how many descriptors it may have open (64)",         \
	  JOB(flags.fds) },                                                                   \
	{ 0,   OPT_TEXT, "host-calls", "N", "how many calls it may make (1e6)",               \
	  JOB(flags.host_calls) },                                                            \
	{ 0,   OPT_LIST, "tmpfs",  "GUEST:SIZE", "grant an empty directory in memory",        \
	  JOB(flags.tmpfs) },                                                                 \
	{ 0,   OPT_LIST, "secret", "ENV=NAME", "set a variable to a secret that the daemon keeps", \
	  JOB(flags.secrets) },                                                               \
	{ 0,   OPT_TEXT, "clock-resolution", "TIME", "show it coarser clocks (1ms)",          \
	  JOB(flags.clock_resolution) },                                                      \
	{ 0,   OPT_FLAG, "no-random", NULL, "give it no random bytes", JOB(flags.no_random) },\
	{ 'i', OPT_FLAG, "interactive", NULL,                                                 \
	  "keep its standard input open for attach (run has it anyway, unless -d)",           \
	  JOB(interactive) },                                                                 \
	{ 0,   OPT_TEXT, "restart", "WHEN", "no, on-failure[:N] or always", JOB(restart) },   \
	{ 0,   OPT_FLAG, "reactor", NULL, "serve calls of its exports until it is stopped",   \
	  JOB(reactor) },                                                                     \
	{ 0,   OPT_FLAG, "print-policy", NULL,                                                \
	  "print the policy these flags make, and do no more", JOB(print_policy) }

const struct opt opts_create[] = { JOB_ROWS, OPT_END };
const struct opt opts_run[] = {
	{ 'd', OPT_FLAG, "detach", NULL, "print the instance's id and leave it running",
	  JOB(detach) },
	{ 't', OPT_FLAG, "tty", NULL, "insist that standard input is a terminal",
	  JOB(terminal) },
	{ 0,   OPT_FLAG, "rm", NULL, "forget the instance when it has ended", JOB(rm) },
	{ 0,   OPT_TEXT, "status-fd", "N", "write the ended instance as JSON to descriptor N",
	  JOB(status_fd) },
	JOB_ROWS,
	OPT_END,
};
/* clang-format on */

void job_done(struct job *j)
{
	free(j->flags.mounts.at);
	free(j->flags.tmpfs.at);
	free(j->flags.envs.at);
	free(j->flags.secrets.at);
}

int api_path(const char *kind, const char *ref, const char *tail, char **ret, struct err *e)
{
	CLEANUP(free_p) char *safe = client_escape(ref);

	if (ref[0] == '\0')
		return err_set(e, ERR_USAGE, "a name cannot be empty");
	if (safe == NULL || asprintf(ret, "/v1/%s/%s%s", kind, safe, tail) < 0)
		return err_nomem(e);
	return 0;
}

int query_string(const char *const (*pairs)[2], size_t n, const char *before, char **ret,
		 struct err *e)
{
	size_t size;
	FILE *f = open_memstream(ret, &size);
	const char *sep = "?";
	int bad = 0;

	if (f == NULL)
		return err_nomem(e);
	(void)fputs(before, f);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(free_p) char *safe = NULL;

		if (pairs[i][1] == NULL)
			continue;
		safe = client_escape(pairs[i][1]);
		bad |= safe == NULL;
		(void)fprintf(f, "%s%s=%s", sep, pairs[i][0], safe != NULL ? safe : "");
		sep = "&";
	}
	return fclose(f) == 0 && !bad ? 0 : err_nomem(e);
}

/* ---- modules ------------------------------------------------------------ */

static bool is_file(const char *module)
{
	size_t n = strlen(module);

	return strchr(module, '/') != NULL || (n > 5 && strcmp(module + n - 5, ".wasm") == 0);
}

static int open_module(const char *file, int *ret_fd, struct err *e)
{
	CLEANUP(close_p) int fd = -1;
	struct stat st;

	if (strcmp(file, "-") == 0)
		fd = dup(STDIN_FILENO);
	else
		fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOTFOUND, "there is no file %s", file);
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_set(e, ERR_IO, "the module's file %s: %s", file, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_MALFORMED, "%s is a directory, not a module", file);
	*ret_fd = fd_take(&fd);
	return 0;
}

int module_upload(struct ctl *ctl, const char *file, const char *name, json_t **ret, struct err *e)
{
	CLEANUP(close_p) int fd = -1;
	CLEANUP(free_p) char *safe = client_escape(name != NULL ? name : "");
	CLEANUP(free_p) char *path = NULL;
	struct client_request rq = { .method = "POST", .type = "application/wasm", .stream = true };
	struct client_reply reply;

	if (safe == NULL ||
	    asprintf(&path, "/v1/modules%s%s", safe[0] != '\0' ? "?name=" : "", safe) < 0)
		return err_nomem(e);
	if (open_module(file, &fd, e) != 0 || ctl_connect(ctl, e) != 0)
		return e->code;
	rq.path = path;
	rq.body_fd = fd;
	if (client_call(ctl->client, &rq, &reply, e) != 0)
		return err_prefix(e, "%s", strcmp(file, "-") == 0 ? "standard input" : file);
	if (show_text(reply.json, "digest")[0] == '\0') {
		json_decref(reply.json);
		return err_set(e, ERR_PEER, "the daemon's answer names no digest");
	}
	*ret = reply.json;
	return 0;
}

/* A name of ours that is near to one that is not there. */
static void suggest(struct ctl *ctl, const char *module, struct err *e)
{
	struct err ignored = { 0 };
	const char *names[256], *near;
	json_t *answer = NULL, *m, *list;
	size_t i, n = 0;

	if (e->code != ERR_NOTFOUND || strstr(e->hint, "did you mean") != NULL ||
	    strncmp(module, "sha256:", 7) == 0 ||
	    client_get(ctl->client, "/v1/modules", &answer, &ignored) != 0)
		return;
	list = json_object_get(answer, "modules");
	json_array_foreach(list, i, m) if (n < ARRAY_LEN(names)) names[n++] = view_modules.name(m);
	near = policy_nearest(module, names, n);
	if (near != NULL)
		(void)snprintf(e->hint, sizeof(e->hint),
			       "did you mean \"%.100s\"? wasmctl module ls lists them", near);
	json_decref(answer);
}

/* What the API calls the module: uploads a file first. */
static int name_module(struct ctl *ctl, const char *module, json_t **ret, struct err *e)
{
	json_t *uploaded;

	if (!is_file(module)) {
		*ret = json_string(module);
		return *ret != NULL ? 0 : err_set(e, ERR_USAGE, "the module's name is not UTF-8");
	}
	if (module_upload(ctl, module, NULL, &uploaded, e) != 0)
		return e->code;
	*ret = json_incref(json_object_get(uploaded, "digest"));
	json_decref(uploaded);
	return 0;
}

/* ---- the request ---------------------------------------------------------- */

static int fill_args(json_t *body, int argc, char **argv, struct err *e)
{
	json_t *args = json_array();

	if (argc > 0 && strcmp(argv[0], "--") == 0) {
		argc--;
		argv++;
	}
	for (int i = 0; i < argc; i++)
		if (json_array_append_new(args, json_string(argv[i])) != 0) {
			json_decref(args);
			return err_set(e, ERR_USAGE, "argument %d is not UTF-8", i + 1);
		}
	return json_object_set_new(body, "args", args) == 0 ? 0 : err_nomem(e);
}

static int find_policy(const struct job *j, char **ret, size_t *ret_len, struct err *e)
{
	const char *flag = policy_flags_used(&j->flags);

	if (j->policy != NULL && flag != NULL) {
		err_set(e, ERR_USAGE, "--policy and %s: the policy's file decides that", flag);
		return err_hint(e, "say it in the file, or leave --policy away");
	}
	if (j->policy != NULL)
		return policy_from_file(j->policy, ret, ret_len, e);
	if (policy_from_flags(&j->flags, ret, e) != 0)
		return e->code;
	*ret_len = strlen(*ret);
	return 0;
}

/* Without flags and file nothing is sent: the daemon's built-in policy is it. */
static int fill_policy(json_t *body, const struct job *j, const char *text, size_t len,
		       struct err *e)
{
	json_t *env;

	if (policy_env(&j->flags, text, len, &env, e) != 0)
		return e->code;
	if (json_object_size(env) > 0)
		json_object_set(body, "env", env);
	json_decref(env);
	if (j->policy == NULL && policy_flags_used(&j->flags) == NULL && j->flags.envs.len == 0)
		return 0;
	return json_object_set_new(body, "policy", json_stringn(text, len)) == 0
		       ? 0
		       : err_set(e, ERR_POLICY, "the policy is not UTF-8");
}

static int check_restart(const char *when, struct err *e)
{
	size_t n = strlen("on-failure");
	bool counted = strncmp(when, "on-failure:", n + 1) == 0;
	const char *times = counted ? when + n + 1 : "1";

	if (strcmp(when, "no") == 0 || strcmp(when, "always") == 0 ||
	    strcmp(when, "on-failure") == 0 ||
	    (counted && times[0] != '\0' && times[strspn(times, "0123456789")] == '\0'))
		return 0;
	err_set(e, ERR_USAGE, "--restart: \"%s\" is not no, on-failure, on-failure:N or always",
		when);
	return err_hint(e, "on-failure:3 starts it again three times at most");
}

/* Keys that are sent only when they are asked for: an older daemon knows none. */
static int fill_life(json_t *body, const struct job *j, struct err *e)
{
	int bad = 0;

	if (j->restart != NULL && check_restart(j->restart, e) != 0)
		return e->code;
	if (j->restart != NULL)
		bad |= json_object_set_new(body, "restart", json_string(j->restart));
	if (j->open_stdin)
		bad |= json_object_set_new(body, "stdin", json_string("open"));
	if (j->reactor)
		bad |= json_object_set_new(body, "reactor", json_true());
	return bad == 0 ? 0 : err_nomem(e);
}

static int fill_body(json_t *body, const struct job *j, const char *policy, size_t len, int argc,
		     char **argv, struct err *e)
{
	if (fill_policy(body, j, policy, len, e) != 0 || fill_args(body, argc, argv, e) != 0)
		return e->code;
	if (j->name != NULL && json_object_set_new(body, "name", json_string(j->name)) != 0)
		return err_set(e, ERR_USAGE, "--name is not UTF-8");
	return fill_life(body, j, e);
}

static int send_create(struct ctl *ctl, json_t *body, const char *module, json_t **ret,
		       struct err *e)
{
	json_t *name = NULL;

	if (ctl_connect(ctl, e) != 0 || name_module(ctl, module, &name, e) != 0)
		return e->code;
	json_object_set_new(body, "module", name);
	if (client_post(ctl->client, "/v1/instances", body, ret, e) != 0) {
		suggest(ctl, module, e);
		return e->code;
	}
	if (show_text(*ret, "id")[0] != '\0')
		return 0;
	json_decref(*ret);
	return err_set(e, ERR_PEER, "the daemon's answer names no id");
}

int job_create(struct ctl *ctl, const struct job *j, int argc, char **argv, json_t **ret_instance,
	       struct err *e)
{
	CLEANUP(free_p) char *policy = NULL;
	json_t *body;
	size_t len = 0;

	*ret_instance = NULL;
	if (find_policy(j, &policy, &len, e) != 0)
		return e->code;
	if (j->print_policy) {
		(void)fwrite(policy, 1, len, stdout);
		if (len > 0 && policy[len - 1] != '\n')
			(void)fputc('\n', stdout);
		return 0;
	}
	body = json_object();
	if (body == NULL)
		return err_nomem(e);
	if (fill_body(body, j, policy, len, argc - 1, argv + 1, e) == 0)
		(void)send_create(ctl, body, argv[0], ret_instance, e);
	json_decref(body);
	return e->code;
}
