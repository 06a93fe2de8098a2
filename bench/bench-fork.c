/*
 * The bare reference for a start: a process blocked in read wakes on a pipe
 * and forks; the time from the writer's clock reading to the child's first.
 * Prints p50 and p99 in microseconds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 2000

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Forks once per order; each child answers with the time it took to exist. */
static int forker(int orders, int answers)
{
	uint64_t asked, took;

	while (read(orders, &asked, sizeof(asked)) == (ssize_t)sizeof(asked)) {
		pid_t pid = fork();

		if (pid == 0) {
			took = now_ns() - asked;
			_exit(write(answers, &took, sizeof(took)) != (ssize_t)sizeof(took));
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 1;
	}
	return 0;
}

int main(void)
{
	static uint64_t took[ROUNDS];
	int to[2], from[2];
	pid_t pid;

	if (pipe(to) != 0 || pipe(from) != 0 || (pid = fork()) < 0)
		return 1;
	if (pid == 0) {
		(void)close(to[1]);
		_exit(forker(to[0], from[1]));
	}
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t t = now_ns();

		if (write(to[1], &t, sizeof(t)) != (ssize_t)sizeof(t) ||
		    read(from[0], &took[i], sizeof(took[i])) != (ssize_t)sizeof(took[i]))
			return 1;
	}
	(void)close(to[1]);
	(void)waitpid(pid, NULL, 0);
	qsort(took, ROUNDS, sizeof(took[0]), by_value);
	printf("%.1f %.1f\n", (double)took[ROUNDS / 2] / 1e3,
	       (double)took[ROUNDS * 99 / 100] / 1e3);
	return 0;
}
