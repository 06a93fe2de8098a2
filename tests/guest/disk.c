/*
 * disk OP..: does to files what its arguments say, in order, and prints an
 * error for each thing that fails. A, B.. are open files.
 *
 *   open A PATH     open, made if need be     trunc A PATH    the same, emptied
 *   append A PATH   the same, for appending   read A N        N bytes
 *   write A N       N bytes, where A stands   pwrite A AT N   N bytes at AT
 *   seek A AT       stand at AT               size A N        set the size
 *   alloc A AT N    allocate                  close A
 *   unlink PATH     link N PATH               a symbolic link to N bytes of text
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fds[26];
static char bytes[1 << 16];

static int *file(const char *name)
{
	return &fds[(name[0] - 'A') % 26];
}

static long move(int fd, off_t n, int reads)
{
	while (n > 0) {
		size_t some = n < (off_t)sizeof(bytes) ? (size_t)n : sizeof(bytes);
		ssize_t r = reads ? read(fd, bytes, some) : write(fd, bytes, some);

		if (r <= 0)
			return r;
		n -= r;
	}
	return 0;
}

static long make_link(off_t n, const char *path)
{
	static char text[4096];

	memset(text, 'x', sizeof(text));
	text[n < (off_t)sizeof(text) ? n : (off_t)sizeof(text) - 1] = '\0';
	return symlink(text, path);
}

static long in_error(int e)
{
	errno = e;
	return e != 0 ? -1 : 0;
}

/* What the operation at @a answers; negative: errno says why. *ret_n: words. */
static long one(char **a, int *ret_n)
{
	const char *op = a[0];
	int *f = file(a[1]);

	*ret_n = 3;
	if (strcmp(op, "open") == 0)
		return *f = open(a[2], O_RDWR | O_CREAT, 0644);
	if (strcmp(op, "trunc") == 0)
		return *f = open(a[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (strcmp(op, "append") == 0)
		return *f = open(a[2], O_RDWR | O_CREAT | O_APPEND, 0644);
	if (strcmp(op, "read") == 0 || strcmp(op, "write") == 0)
		return move(*f, atoll(a[2]), op[0] == 'r');
	if (strcmp(op, "seek") == 0)
		return lseek(*f, atoll(a[2]), SEEK_SET) < 0 ? -1 : 0;
	if (strcmp(op, "size") == 0)
		return ftruncate(*f, atoll(a[2]));
	if (strcmp(op, "link") == 0)
		return make_link(atoll(a[1]), a[2]);
	*ret_n = 4;
	if (strcmp(op, "pwrite") == 0)
		return pwrite(*f, bytes, (size_t)atoll(a[3]), atoll(a[2]));
	if (strcmp(op, "alloc") == 0)
		return in_error(posix_fallocate(*f, atoll(a[2]), atoll(a[3])));
	*ret_n = 2;
	if (strcmp(op, "close") == 0)
		return close(*f);
	if (strcmp(op, "unlink") == 0)
		return unlink(a[1]);
	fprintf(stderr, "disk: there is no %s\n", op);
	exit(2);
}

int main(int argc, char **argv)
{
	int n = 0;

	memset(bytes, 'b', sizeof(bytes));
	for (int i = 1; i < argc; i += n)
		if (one(argv + i, &n) < 0)
			printf("%s: %s\n", argv[i], strerror(errno));
	return 0;
}
