/* Clocks go forward, sleeping sleeps, random numbers differ. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long ms(clockid_t id)
{
	struct timespec t;

	return clock_gettime(id, &t) < 0 ? -1 : t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

int main(void)
{
	const struct timespec nap = { 0, 30000000 };
	long long before = ms(CLOCK_MONOTONIC), wall = ms(CLOCK_REALTIME);
	struct pollfd p = { .fd = 1, .events = POLLOUT };
	char a[16] = { 0 }, b[16] = { 0 };

	if (nanosleep(&nap, NULL) < 0 || ms(CLOCK_MONOTONIC) - before < 30)
		return 1;
	if (wall < 1700000000000LL || ms(CLOCK_REALTIME) < wall)
		return 2;
	if (getentropy(a, 16) < 0 || getentropy(b, 16) < 0 || memcmp(a, b, 16) == 0)
		return 3;
	if (poll(&p, 1, 1000) != 1 || (p.revents & POLLOUT) == 0)
		return 4;
	puts("time: ok");
	return 0;
}
