/*
 * What a process costs from its start to its end: bench-process N COMMAND...
 * runs it N times without its output, prints the median of its CPU milliseconds
 * and the most memory it had, in MB. It forks and is small itself, since a
 * process inherits the high mark of the one that it was forked from.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 1000

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void child(char **argv)
{
	int null = open("/dev/null", O_WRONLY);

	(void)dup2(null, 1);
	(void)execvp(argv[0], argv);
	_exit(127);
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0, status;
	static double ms[MOST];
	struct rusage u;
	long most = 0;

	if (n < 1 || n > MOST) {
		(void)fprintf(stderr, "usage: bench-process 1..%d COMMAND...\n", MOST);
		return 2;
	}
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			child(argv + 2);
		if (pid < 0 || wait4(pid, &status, 0, &u) != pid || status != 0) {
			(void)fprintf(stderr, "bench-process: %s failed\n", argv[2]);
			return 1;
		}
		ms[i] = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
			(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
		most = u.ru_maxrss > most ? u.ru_maxrss : most;
	}
	qsort(ms, (size_t)n, sizeof(*ms), by_value);
	(void)printf("%.3f %.2f\n", ms[n / 2], (double)most / 1024);
	return 0;
}
