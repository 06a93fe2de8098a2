/*
 * The host's half of the race: exchanges each pair of names in a directory,
 * over and over, until its standard input ends. Prints how often it did.
 *
 *	swap DIR NAME OTHER [NAME OTHER]...
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

int main(int argc, char **argv)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	int dir = argc > 3 ? open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	unsigned long n = 0;

	if (dir < 0) {
		perror(argc > 3 ? argv[1] : "usage: swap DIR NAME OTHER...");
		return 2;
	}
	while (poll(&in, 1, 0) == 0)
		for (int i = 2; i + 1 < argc; i += 2, n++)
			if (syscall(SYS_renameat2, dir, argv[i], dir, argv[i + 1],
				    RENAME_EXCHANGE) < 0) {
				perror(argv[i]);
				return 1;
			}
	printf("%lu\n", n);
	return 0;
}
