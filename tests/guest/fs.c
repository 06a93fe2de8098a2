/* fs OP PATH [PATH] [OP ...]: does each and prints how it ended: ok, or the
 * error in a word; a comma behind each. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags, 0666);

	return fd < 0 ? -1 : close(fd);
}

/* Takes its paths from @a; how many they were, or 0: no such operation. */
static int run(const char *op, char **a, int n, int *ret)
{
	static char target[4096];
	struct stat st;

	if (n >= 1 && strcmp(op, "stat") == 0)
		*ret = stat(a[0], &st);
	else if (n >= 1 && strcmp(op, "open") == 0)
		*ret = try_open(a[0], O_RDONLY);
	else if (n >= 1 && strcmp(op, "create") == 0)
		*ret = try_open(a[0], O_WRONLY | O_CREAT);
	else if (n >= 1 && strcmp(op, "mkdir") == 0)
		*ret = mkdir(a[0], 0777);
	else if (n >= 1 && strcmp(op, "unlink") == 0)
		*ret = unlink(a[0]);
	else if (n >= 1 && strcmp(op, "readlink") == 0)
		*ret = readlink(a[0], target, sizeof(target)) < 0 ? -1 : 0;
	else if (n >= 2 && strcmp(op, "rename") == 0)
		*ret = rename(a[0], a[1]);
	else if (n >= 2 && strcmp(op, "link") == 0)
		*ret = link(a[0], a[1]);
	else if (n >= 2 && strcmp(op, "symlink") == 0)
		*ret = symlink(a[0], a[1]);
	else
		return 0;
	return strcmp(op, "rename") == 0 || strstr(op, "link") == op || strcmp(op, "symlink") == 0
		       ? 2
		       : 1;
}

static const char *word(int e)
{
	return e == ENOENT	  ? "noent"
	       : e == EACCES	  ? "acces"
	       : e == ENOTDIR	  ? "notdir"
	       : e == ENOTCAPABLE ? "notcapable"
				  : strerror(e);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc;) {
		int rc = 0, n = run(argv[i], argv + i + 1, argc - i - 1, &rc);

		if (n == 0) {
			fprintf(stderr, "fs: %s?\n", argv[i]);
			return 1;
		}
		printf("%s,", rc == 0 ? "ok" : word(errno));
		i += n + 1;
	}
	puts("");
	return 0;
}
