/* The native side: runs a kernel once, prints seconds and its answer. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "guest/kernel.h"

int main(int argc, char **argv)
{
	uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
	struct timespec a, b;
	uint64_t r;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	r = kernel(n);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	(void)printf("%.6f %llu\n",
		     (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9,
		     (unsigned long long)r);
	return 0;
}
