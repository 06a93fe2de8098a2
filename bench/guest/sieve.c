/* Bytes in a tight loop: the primes below n million. */
#include "kernel.h"

#define MAX 8000000u

static uint8_t composite[MAX];

KERNEL
{
	uint32_t end = n * 1000000u < MAX ? n * 1000000u : MAX;
	uint64_t primes = 0;

	for (uint32_t i = 2; i < end; i++) {
		if (composite[i])
			continue;
		primes++;
		for (uint32_t j = i * 2; j < end; j += i)
			composite[j] = 1;
	}
	return primes;
}
