/* Memory in blocks and words: n rounds of copying, filling and summing. */
#include "kernel.h"

#define SIZE 65536u

static uint8_t a[SIZE], b[SIZE];

KERNEL
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < SIZE; i++)
		a[i] = (uint8_t)(i * 31 + i / 256);
	for (uint32_t r = 0; r < n; r++) {
		const uint32_t *w = (const uint32_t *)(const void *)b;

		__builtin_memcpy(b, a, SIZE);
		__builtin_memmove(a + 1, a, SIZE - 1);
		__builtin_memset(b + r % 64 * 16, (int)r, 512);
		for (uint32_t i = 0; i < SIZE / 4; i += 4)
			sum += w[i] + (w[i + 1] ^ w[i + 2]) + w[i + 3];
		for (uint32_t i = 0; i < 4096; i++)
			a[i] ^= b[SIZE - 1 - i];
	}
	return sum;
}
