/* A prompt: answers lines in capitals; `exit N`, `trap`, `nonblock`, `wait`. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void answer(char *line)
{
	if (!strncmp(line, "exit ", 5))
		exit(atoi(line + 5));
	if (!strcmp(line, "trap\n"))
		__builtin_trap();
	if (!strcmp(line, "nonblock\n"))
		printf("%d\n", fcntl(0, F_SETFL, O_NONBLOCK));
	if (!strcmp(line, "wait\n")) {
		printf("waiting\n");
		fflush(stdout);
		for (;;)
			sleep(1000);
	}
	for (char *p = line; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	fputs(line, stdout);
}

int main(void)
{
	char line[4096];

	for (;;) {
		fputs("> ", stdout);
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			break;
		answer(line);
	}
	puts("bye");
	return 0;
}
