/*
 * fill DIR FILES BYTES: as many files of so many bytes each, then one more by
 * setting its size. Prints what it wrote, or the error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char buf[4096];
	int files = argc > 3 ? atoi(argv[2]) : 0, bytes = argc > 3 ? atoi(argv[3]) : 0;
	char name[256];
	int fd = -1;

	memset(buf, 'f', sizeof(buf));
	for (int i = 0; i < files; i++) {
		snprintf(name, sizeof(name), "%s/%d", argv[1], i);
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		for (int left = bytes; left > 0; left -= (int)sizeof(buf)) {
			size_t n = left < (int)sizeof(buf) ? (size_t)left : sizeof(buf);

			if (fd < 0 || write(fd, buf, n) != (ssize_t)n) {
				fprintf(stderr, "fill: %s: %s\n", name, strerror(errno));
				return 1;
			}
		}
		close(fd);
	}
	printf("wrote %d\n", files * bytes);
	fflush(stdout);
	snprintf(name, sizeof(name), "%s/sized", argv[1]);
	fd = open(name, O_WRONLY | O_CREAT, 0644);
	if (fd < 0 || ftruncate(fd, bytes) != 0)
		fprintf(stderr, "fill: sized: %s\n", strerror(errno));
	return 0;
}
