/* Small arrays and branches: flips of all permutations of n. */
#include "kernel.h"

static int32_t perm[16], start[16], count[16];

static int32_t flips(int32_t n)
{
	int32_t f = 0, k;

	for (int32_t i = 0; i < n; i++)
		perm[i] = start[i];
	while ((k = perm[0]) != 0) {
		for (int32_t i = 0, j = k; i < j; i++, j--) {
			int32_t t = perm[i];

			perm[i] = perm[j];
			perm[j] = t;
		}
		f++;
	}
	return f;
}

/* The next permutation by rotating prefixes; false at the end. */
static int next(int32_t n)
{
	for (int32_t r = 1; r < n; r++) {
		int32_t first = start[0];

		for (int32_t i = 0; i < r; i++)
			start[i] = start[i + 1];
		start[r] = first;
		if (--count[r] > 0)
			return 1;
		count[r] = r + 1;
	}
	return 0;
}

KERNEL
{
	int32_t most = 0, sum = 0, sign = 1, m = (int32_t)(n < 12 ? n : 12);

	for (int32_t i = 0; i < m; i++) {
		start[i] = i;
		count[i] = i + 1;
	}
	do {
		int32_t f = flips(m);

		most = f > most ? f : most;
		sum += sign * f;
		sign = -sign;
	} while (next(m));
	return (uint64_t)most << 32 | (uint32_t)sum;
}
