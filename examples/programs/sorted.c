/* Prints its arguments in order: something for a compiler to compile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
	qsort(argv + 1, (size_t)argc - 1, sizeof(*argv), by_text);
	for (int i = 1; i < argc; i++)
		printf("%d %s\n", i, argv[i]);
	return 0;
}
