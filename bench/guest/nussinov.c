/* Pairs in a folded sequence of n bases: the greater of several, in a table. */
#include "kernel.h"

#define MAX 512

static int32_t table[MAX][MAX], seq[MAX];

static int32_t best(int32_t a, int32_t b)
{
	return a >= b ? a : b;
}

KERNEL
{
	int32_t m = (int32_t)(n < MAX ? n : MAX);

	for (int32_t i = 0; i < m; i++)
		seq[i] = (i * i + i / 5) % 4;
	for (int32_t i = m - 1; i >= 0; i--)
		for (int32_t j = i + 1; j < m; j++) {
			table[i][j] = best(table[i][j], table[i][j - 1]);
			if (i + 1 < m)
				table[i][j] = best(table[i][j], table[i + 1][j]);
			if (i + 1 < m && i < j - 1)
				table[i][j] = best(table[i][j],
						   table[i + 1][j - 1] + (seq[i] + seq[j] == 3));
			for (int32_t k = i + 1; k < j; k++)
				table[i][j] = best(table[i][j], table[i][k] + table[k + 1][j]);
		}
	return (uint64_t)table[0][m - 1];
}
