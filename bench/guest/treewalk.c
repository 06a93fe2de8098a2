/*
 * treewalk DIR: lists the tree below DIR and looks at each thing in it, by its
 * name in its directory, as fts and find do. Prints files, their bytes, and the
 * milliseconds of processor time it took.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#ifdef __wasi__
#include <wasi/api.h>
#endif

static uint64_t files, bytes;

static void walk(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (d == NULL) {
		perror(name);
		exit(1);
	}
	while ((e = readdir(d)) != NULL) {
		struct stat st;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			perror(e->d_name);
			exit(1);
		}
		if (S_ISDIR(st.st_mode)) {
			walk(fd, e->d_name);
			continue;
		}
		files++;
		bytes += (uint64_t)st.st_size;
	}
	closedir(d);
}

static double now_ms(void)
{
#ifdef __wasi__
	__wasi_timestamp_t t = 0;

	(void)__wasi_clock_time_get(2, 1, &t); /* the process's clock, as preview 1 has it */
	return (double)t / 1e6;
#else
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
#endif
}

int main(int argc, char **argv)
{
	double began;

	if (argc < 2)
		return 2;
	began = now_ms();
	walk(AT_FDCWD, argv[1]);
	printf("%llu %llu %.2f\n", (unsigned long long)files, (unsigned long long)bytes,
	       now_ms() - began);
	return 0;
}
