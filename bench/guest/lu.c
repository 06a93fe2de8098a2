/* A matrix of n rows into a lower and an upper one, in place. */
#include "kernel.h"

#define MAX 512u

static double a[MAX][MAX];

KERNEL
{
	double sum = 0;

	n = n < MAX ? n : MAX;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < n; j++)
			a[i][j] = i == j ? 2.0 * n : (double)(int32_t)((i * 7 + j * 3) % n) / n;
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t j = 0; j < i; j++) {
			for (uint32_t k = 0; k < j; k++)
				a[i][j] -= a[i][k] * a[k][j];
			a[i][j] /= a[j][j];
		}
		for (uint32_t j = i; j < n; j++)
			for (uint32_t k = 0; k < i; k++)
				a[i][j] -= a[i][k] * a[k][j];
	}
	for (uint32_t i = 0; i < n; i++)
		sum += a[i][i] + a[i][n - 1];
	return (uint64_t)(sum * 1e6);
}
