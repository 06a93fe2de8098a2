/* Shortest ways between all of n nodes: loads, sums, the lesser of two. */
#include "kernel.h"

#define MAX 256u

static int32_t path[MAX][MAX];

KERNEL
{
	uint64_t sum = 0;

	n = n < MAX ? n : MAX;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < n; j++)
			path[i][j] = (i + j) % 13 == 0 || (i + j) % 7 == 0
					     ? 999
					     : (int32_t)(i * j % 7 + 1);
	for (uint32_t k = 0; k < n; k++)
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t j = 0; j < n; j++) {
				int32_t over = path[i][k] + path[k][j];

				path[i][j] = path[i][j] < over ? path[i][j] : over;
			}
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < n; j++)
			sum = sum * 31 + (uint32_t)path[i][j];
	return sum;
}
