/* Secrets of a policy: see secrets.h. */
#include "daemon/front/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/front/text.h"
#include "wasmd/limits.h"

char **secrets_free(char **list)
{
	for (char **s = list; s != NULL && *s != NULL; s++) {
		explicit_bzero(*s, strlen(*s));
		free(*s);
	}
	free(list);
	return NULL;
}

static int bad(struct err *e, enum err_code code, const char *want, const char *tenant,
	       const char *why)
{
	(void)err_set(e, code, "the secret \"%s\" for %.*s: %s", strchr(want, '=') + 1,
		      (int)strcspn(want, "="), want, why);
	return err_hint(
		e,
		"the administrator keeps its value in secrets/%s/%s of the state directory, "
		"mode 0600, owned as that directory is",
		tenant, strchr(want, '=') + 1);
}

/* Opens the file of @want; it must be one that nobody else reads. */
static int open_secret(const char *state, const char *tenant, const char *want, int *ret_fd,
		       size_t *ret_len, struct err *e)
{
	char path[LIM_PATH_BYTES + 1];
	CLEANUP(close_p) int fd = -1;
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/secrets/%s/%s", state, tenant,
		     strchr(want, '=') + 1) >= (int)sizeof(path))
		return bad(e, ERR_LIMIT, want, tenant, "its path is too long");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return bad(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, want, tenant,
			   strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
		return bad(e, ERR_PERM, want, tenant, "it is no file that only its owner reads");
	if (st.st_size > LIM_SECRET_BYTES)
		return bad(e, ERR_LIMIT, want, tenant, "it has more than 64 KiB");
	*ret_len = (size_t)st.st_size;
	*ret_fd = fd_take(&fd);
	return 0;
}

/* Puts "NAME=" and the value into @buf; one newline at its end is cut. */
static int fill(char *buf, size_t size, const char *want, int fd)
{
	size_t at = strcspn(want, "=") + 1;
	ssize_t n;

	memcpy(buf, want, at);
	n = read(fd, buf + at, size - at);
	if (n < 0 || memchr(buf + at, '\0', (size_t)n) != NULL)
		return -EINVAL;
	if (n > 0 && buf[at + (size_t)n - 1] == '\n')
		buf[at + (size_t)n - 1] = '\0';
	return 0;
}

static int read_one(const char *state, const char *tenant, const char *want, char **ret,
		    struct err *e)
{
	CLEANUP(close_p) int fd = -1;
	size_t len = 0, room;

	if (open_secret(state, tenant, want, &fd, &len, e) < 0)
		return e->code;
	room = strcspn(want, "=") + 1 + len;
	*ret = calloc(1, room + 1);
	if (*ret == NULL)
		return err_nomem(e);
	if (fill(*ret, room, want, fd) < 0)
		return bad(e, ERR_IO, want, tenant, "it cannot be read, or holds a zero byte");
	return 0;
}

int secrets_read(const char *state, const char *tenant, const char *const *wanted, char ***ret,
		 struct err *e)
{
	size_t n = strv_len(wanted);
	char **list = calloc(n + 1, sizeof(*list));

	if (list == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++)
		if (read_one(state, tenant, wanted[i], &list[i], e) < 0) {
			(void)secrets_free(list);
			return e->code;
		}
	*ret = list;
	return 0;
}
