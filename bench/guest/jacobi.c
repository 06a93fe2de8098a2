/* A stencil of five points over two grids, n steps. */
#include "kernel.h"

#define N 120

static double a[N][N], b[N][N];

static void smooth(double (*to)[N], double (*from)[N])
{
	for (int i = 1; i < N - 1; i++)
		for (int j = 1; j < N - 1; j++)
			to[i][j] = 0.2 * (from[i][j] + from[i][j - 1] + from[i][j + 1] +
					  from[i + 1][j] + from[i - 1][j]);
}

KERNEL
{
	double sum = 0;

	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
			a[i][j] = b[i][j] = (double)(i * (j + 2) + 2) / N;
	for (uint32_t t = 0; t < n; t++) {
		smooth(b, a);
		smooth(a, b);
	}
	for (int i = 0; i < N; i++)
		sum += a[i][i];
	return (uint64_t)(sum * 1e6);
}
