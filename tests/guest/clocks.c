/* Prints of each clock its resolution and some times, in ns, and whether
 * random numbers can be had. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void show(const char *name, clockid_t id)
{
	struct timespec t = { 0 };

	(void)clock_getres(id, &t);
	printf("%s %lld", name, t.tv_sec * 1000000000LL + t.tv_nsec);
	for (int i = 0; i < 20; i++) {
		(void)clock_gettime(id, &t);
		printf(" %lld", t.tv_sec * 1000000000LL + t.tv_nsec);
	}
	puts("");
}

int main(void)
{
	char b[16];

	show("realtime", CLOCK_REALTIME);
	show("monotonic", CLOCK_MONOTONIC);
	printf("random %s\n", getentropy(b, sizeof(b)) == 0 ? "ok" : strerror(errno));
	return 0;
}
