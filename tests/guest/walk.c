/*
 * Walks the directories named and prints a line for each thing found: its
 * type (d, f, l, ?), its size if it is a file, its path.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int walk(const char *dir);

static int visit(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		fprintf(stderr, "walk: %s: %s\n", path, strerror(errno));
		return 1;
	}
	if (S_ISREG(st.st_mode))
		printf("f %lld %s\n", (long long)st.st_size, path);
	else
		printf("%c - %s\n",
		       S_ISDIR(st.st_mode)   ? 'd'
		       : S_ISLNK(st.st_mode) ? 'l'
					     : '?',
		       path);
	return S_ISDIR(st.st_mode) ? walk(path) : 0;
}

static int walk(const char *dir)
{
	char path[4096];
	struct dirent *d;
	DIR *f = opendir(dir);
	int status = 0;

	if (f == NULL) {
		fprintf(stderr, "walk: %s: %s\n", dir, strerror(errno));
		return 1;
	}
	while ((d = readdir(f)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		status |= visit(path);
	}
	closedir(f);
	return status;
}

int main(int argc, char **argv)
{
	int status = 0;

	for (int i = 1; i < argc; i++)
		status |= walk(argv[i]);
	return status;
}
