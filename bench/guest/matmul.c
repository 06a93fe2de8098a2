/* Floats and addresses: the product of two square matrices. */
#include "kernel.h"

#define MAX 320u

static double a[MAX][MAX], b[MAX][MAX], c[MAX][MAX];

static void fill(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < n; j++) {
			a[i][j] = (double)(i * 3 + j) / n;
			b[i][j] = (double)(i + j * 5) / n;
		}
}

KERNEL
{
	double sum = 0;

	n = n < MAX ? n : MAX;
	fill(n);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < n; j++) {
			double s = 0;

			for (uint32_t k = 0; k < n; k++)
				s += a[i][k] * b[k][j];
			c[i][j] = s;
		}
	for (uint32_t i = 0; i < n; i++)
		sum += c[i][i];
	return (uint64_t)sum;
}
