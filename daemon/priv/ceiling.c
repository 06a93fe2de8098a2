/*
 * The ceiling: what of the host a tenant's policies may name. Judged twice: by
 * the path's text before anybody opens it, and by where the opened directory
 * really is, so that a symbolic link carries nobody out.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/priv/priv.h"

/* @path is @root or lies below it, component-wise. Both are normal. */
static bool below(const char *path, const char *root)
{
	size_t n = strlen(root);

	if (strcmp(root, "/") == 0)
		return path[0] == '/';
	return strncmp(path, root, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* Absolute, without empty, "." or ".." components: means what it says. */
static bool is_normal(const char *s)
{
	if (strcmp(s, "/") == 0)
		return true;
	if (*s != '/')
		return false;
	while (*s == '/') {
		size_t n = strcspn(++s, "/");

		if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return false;
		s += n;
	}
	return true;
}

static int refuse(const struct config_tenant *t, const char *path, bool write, struct err *e)
{
	(void)err_set(e, ERR_PERM, "%s (%s) is above the ceiling of tenant \"%s\"", path,
		      write ? "rw" : "ro", t->name);
	return err_hint(e, "the administrator sets ceiling.mounts of the tenant in the "
			   "daemon's configuration");
}

int ceiling_names(const struct config_tenant *t, const char *path, bool write, struct err *e)
{
	if (!is_normal(path))
		return err_set(e, ERR_USAGE,
			       "host path \"%.200s\" must be absolute, without \".\", \"..\" or "
			       "empty components",
			       path);
	for (size_t i = 0; i < t->n_mounts; i++)
		if ((t->mounts[i].write || !write) && below(path, t->mounts[i].host))
			return 0;
	return refuse(t, path, write, e);
}

/* Where the directory behind @fd is, as the kernel names it. */
static bool whereabouts(int fd, char *buf, size_t size)
{
	char link[40];
	struct stat st;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, size);
	if (n <= 0 || (size_t)n >= size || buf[0] != '/')
		return false;
	buf[n] = '\0';
	return fstat(fd, &st) == 0 && st.st_nlink > 0; /* else it ends in " (deleted)" */
}

int ceiling_holds(const struct config_tenant *t, int dir, const char *path, bool write,
		  struct err *e)
{
	char at[LIM_PATH_BYTES], root[LIM_PATH_BYTES];

	if (!whereabouts(dir, at, sizeof(at)))
		return err_set(e, ERR_NOTFOUND, "%s was removed meanwhile", path);
	for (size_t i = 0; i < t->n_mounts; i++) {
		CLEANUP(close_p) int fd = -1;

		if (write && !t->mounts[i].write)
			continue;
		fd = open(t->mounts[i].host, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && whereabouts(fd, root, sizeof(root)) && below(at, root))
			return 0;
	}
	return refuse(t, path, write, e);
}
