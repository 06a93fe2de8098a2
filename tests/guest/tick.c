/* tick N MS STATUS: a line every MS milliseconds, N of them, then the status. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 10, ms = argc > 2 ? atoi(argv[2]) : 100;
	const struct timespec nap = { ms / 1000, ms % 1000 * 1000000L };

	for (int i = 1; i <= n; i++) {
		printf("tick %d\n", i);
		(void)fflush(stdout);
		(void)nanosleep(&nap, NULL);
	}
	return argc > 3 ? atoi(argv[3]) : 0;
}
