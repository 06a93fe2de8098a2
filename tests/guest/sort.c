/* Sorts the lines of standard input to standard output, by bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *text;
static size_t len;

static int read_all(void)
{
	size_t cap = 0, n = 1;

	while (n > 0) {
		if (len + 65536 > cap) {
			cap = cap != 0 ? cap * 2 : 1 << 20;
			text = realloc(text, cap + 1);
			if (text == NULL)
				return -1;
		}
		n = fread(text + len, 1, 65536, stdin);
		len += n;
	}
	return ferror(stdin) ? -1 : 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Cuts the text into lines; answers how many. */
static size_t split(char ***ret)
{
	size_t n = 0, cap = 0;
	char **at = NULL, *p = text;

	text[len] = '\0';
	while (p < text + len) {
		char *end = strchr(p, '\n');

		if (n == cap) {
			cap = cap != 0 ? cap * 2 : 1024;
			at = realloc(at, cap * sizeof(*at));
			if (at == NULL)
				exit(2);
		}
		at[n++] = p;
		if (end == NULL)
			break;
		*end = '\0';
		p = end + 1;
	}
	*ret = at;
	return n;
}

int main(void)
{
	char **lines;
	size_t n;

	if (read_all() < 0) {
		perror("sort");
		return 2;
	}
	n = split(&lines);
	qsort(lines, n, sizeof(*lines), compare);
	for (size_t i = 0; i < n; i++)
		if (puts(lines[i]) < 0)
			return 2;
	return fflush(stdout) == 0 ? 0 : 2;
}
