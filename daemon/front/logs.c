/* What instances say: see logs.h. */
#include "daemon/front/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "daemon/front/text.h"
#include "wasmd/limits.h"

struct log {
	int fd;
	size_t size;
	bool full;
};

bool log_path(const char *state, const char *tenant, const char *id, char *ret, size_t size)
{
	int n = snprintf(ret, size, "%s/logs/%s/%s.log", state, tenant, id);

	return n > 0 && (size_t)n < size;
}

/* After the last whole record of an earlier start: a crash may have cut one. */
static void go_on(struct log *l)
{
	struct log_frame head;

	while (pread(l->fd, &head, sizeof(head), (off_t)l->size) == (ssize_t)sizeof(head))
		l->size += sizeof(head) + head.len;
	if (lseek(l->fd, 0, SEEK_END) < (off_t)l->size)
		l->size -= sizeof(head) + head.len;
	(void)!ftruncate(l->fd, (off_t)l->size);
	l->full = l->size + sizeof(head) > LIM_LOG_BYTES;
}

int log_open(const char *state, const char *tenant, const char *id, struct log **ret, struct err *e)
{
	char path[LIM_PATH_BYTES];
	struct log *l = calloc(1, sizeof(*l));
	char *slash;

	if (l == NULL || !log_path(state, tenant, id, path, sizeof(path))) {
		free(l);
		return err_nomem(e);
	}
	slash = strrchr(path, '/');
	*slash = '\0';
	(void)mkdir(path, 0700);
	*slash = '/';
	l->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (l->fd < 0) {
		(void)err_set(e, ERR_IO, "the log of the instance: %s", strerror(errno));
		free(l);
		return e->code;
	}
	go_on(l);
	*ret = l;
	return 0;
}

static void put_frame(struct log *l, uint32_t stream, const void *bytes, size_t len)
{
	struct log_frame head = { now_real(), stream, (uint32_t)len };
	const struct iovec iov[] = { { &head, sizeof(head) }, { (void *)(uintptr_t)bytes, len } };
	ssize_t n = writev(l->fd, iov, 2);

	if (n != (ssize_t)(sizeof(head) + len)) {
		l->full = true; /* a full disk ends the log, not the daemon */
		if (n > 0)
			(void)!ftruncate(l->fd, (off_t)l->size);
		return;
	}
	l->size += (size_t)n;
}

void log_put(struct log *l, uint32_t stream, const void *bytes, size_t len)
{
	if (l->full)
		return;
	if (l->size + sizeof(struct log_frame) + len > LIM_LOG_BYTES) {
		put_frame(l, 0, NULL, 0);
		l->full = true;
		return;
	}
	put_frame(l, stream, bytes, len);
}

uint64_t log_end(const struct log *l, size_t len)
{
	const size_t head = sizeof(struct log_frame);

	if (l->full || len == 0)
		return l->size;
	return l->size + head + (l->size + head + len > LIM_LOG_BYTES ? 0 : len);
}

struct log *log_close(struct log *l)
{
	if (l != NULL)
		fd_clear(&l->fd);
	free(l);
	return NULL;
}

uint64_t log_size(const char *state, const char *tenant, const char *id)
{
	char path[LIM_PATH_BYTES];
	struct stat st;

	return log_path(state, tenant, id, path, sizeof(path)) && stat(path, &st) == 0
		       ? (uint64_t)st.st_size
		       : 0;
}

void log_remove(const char *state, const char *tenant, const char *id)
{
	char path[LIM_PATH_BYTES];

	if (log_path(state, tenant, id, path, sizeof(path)))
		(void)unlink(path);
}

/* ---- gathering ---------------------------------------------------------- */

int gather_new(struct gather **ret, struct err *e)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret != NULL ? 0 : err_nomem(e);
}

struct gather *gather_free(struct gather *g)
{
	if (g != NULL) {
		free(g->bytes[0]);
		free(g->bytes[1]);
	}
	free(g);
	return NULL;
}

static bool gather_room(struct gather *g, int at, size_t want)
{
	size_t cap = g->cap[at] != 0 ? g->cap[at] : 1024;
	char *p;

	while (cap < want)
		cap *= 2;
	if (cap == g->cap[at])
		return true;
	p = realloc(g->bytes[at], cap);
	if (p == NULL)
		return false;
	g->bytes[at] = p;
	g->cap[at] = cap;
	return true;
}

void gather_put(struct gather *g, uint32_t stream, const void *bytes, size_t len)
{
	int at = stream == 2;
	size_t room = LIM_RUN_OUTPUT - g->len[0] - g->len[1];

	if (len > room) {
		g->truncated = true;
		len = room;
	}
	if (len == 0)
		return;
	if (!gather_room(g, at, g->len[at] + len)) {
		g->truncated = true;
		return;
	}
	memcpy(g->bytes[at] + g->len[at], bytes, len);
	g->len[at] += len;
}
