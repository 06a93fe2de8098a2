/*
 * A program as people compile it, for tests that cut it short or flip its
 * bits: formatted output, an allocator, floats, tables of functions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double *v = malloc(sizeof(*v) * (size_t)(argc + 1));

	for (int i = 0; i < argc; i++)
		v[i] = (double)strlen(argv[i]) / 3;
	qsort(v, (size_t)argc, sizeof(*v), by_value);
	for (int i = 0; i < argc; i++)
		printf("%s %.3f\n", argv[i], v[i]);
	free(v);
	return 0;
}
