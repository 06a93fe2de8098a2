/*
 * Arguments and environment on their way from the front to a worker, and the
 * sealed memfds that everything unchanging travels in.
 */
#include "daemon/task.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "wasmd/bytes.h"
#include "wasmd/limits.h"

#define TASK_VERSION 1u
#define TASK_HEAD    12u
#define SEALS	     (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int sealed_memfd(const char *name, const void *bytes, size_t len, int *ret_fd)
{
	CLEANUP(close_p) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, bytes, len);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* Counts and measures a NULL-terminated list. */
static void list_size(const char *const *list, size_t *n, size_t *bytes)
{
	for (; list != NULL && *list != NULL; list++) {
		*n += 1;
		*bytes += strlen(*list) + 1;
	}
}

static char *list_put(char *to, const char *const *list)
{
	for (; list != NULL && *list != NULL; list++)
		to = stpcpy(to, *list) + 1;
	return to;
}

int task_write(const char *const *args, const char *const *env, int *ret_fd, struct err *e)
{
	size_t n_args = 0, n_env = 0, bytes = TASK_HEAD;
	CLEANUP(free_p) char *buf = NULL;
	int r;

	list_size(args, &n_args, &bytes);
	list_size(env, &n_env, &bytes);
	if (bytes > LIM_TASK_BYTES || n_args + n_env > LIM_TASK_STRINGS)
		return err_set(e, ERR_LIMIT,
			       "arguments and environment have %zu strings in %zu bytes; at most "
			       "%u in %u are taken",
			       n_args + n_env, bytes, LIM_TASK_STRINGS, LIM_TASK_BYTES);
	buf = malloc(bytes);
	if (buf == NULL)
		return err_nomem(e);
	uint32_t head[3] = { TASK_VERSION, (uint32_t)n_args, (uint32_t)n_env };
	memcpy(buf, head, TASK_HEAD);
	(void)list_put(list_put(buf + TASK_HEAD, args), env);
	r = sealed_memfd("task", buf, bytes, ret_fd);
	return r < 0 ? err_set(e, ERR_IO, "writing the task: %s", strerror(-r)) : 0;
}

/* @n strings from the cursor, and a closing NULL. */
static void list_take(struct rd *r, const char **list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const char *s = (const char *)r->p;
		const char *end = memchr(s, '\0', rd_left(r));

		if (end == NULL)
			rd_fail(r, "unterminated string");
		else
			(void)rd_bytes(r, (size_t)(end - s) + 1);
		list[i] = r->bad == NULL ? s : NULL;
	}
	list[n] = NULL;
}

static int task_parse(struct task *t, size_t len, struct err *e)
{
	struct rd r = rd_of(t->bytes, len);
	uint32_t version = rd_u32le(&r), n_args = rd_u32le(&r), n_env = rd_u32le(&r);

	if (version != TASK_VERSION || n_args > LIM_TASK_STRINGS || n_env > LIM_TASK_STRINGS)
		return err_set(e, ERR_PEER, "the task has an unknown head");
	t->args = calloc(n_args + 1, sizeof(*t->args));
	t->env = calloc(n_env + 1, sizeof(*t->env));
	if (t->args == NULL || t->env == NULL)
		return err_nomem(e);
	list_take(&r, t->args, n_args);
	list_take(&r, t->env, n_env);
	if (r.bad != NULL || rd_left(&r) != 0)
		return err_set(e, ERR_PEER, "the task's strings end at the wrong place");
	return 0;
}

int task_read(int fd, struct task *ret, struct err *e)
{
	struct task t = { 0 };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || st.st_size < (off_t)TASK_HEAD || st.st_size > LIM_TASK_BYTES)
		return err_set(e, ERR_PEER, "the task is no memfd of a task's size");
	t.bytes = malloc((size_t)st.st_size);
	if (t.bytes == NULL)
		return err_nomem(e);
	if (pread(fd, t.bytes, (size_t)st.st_size, 0) != st.st_size)
		r = err_set(e, ERR_PEER, "the task could not be read: %s", strerror(errno));
	else
		r = task_parse(&t, (size_t)st.st_size, e);
	if (r < 0) {
		task_done(&t);
		return r;
	}
	*ret = t;
	return 0;
}

void task_done(struct task *t)
{
	free(t->args);
	free(t->env);
	free(t->bytes);
	*t = (struct task){ 0 };
}
