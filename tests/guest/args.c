/* Prints its arguments and environment; exits with the status in STATUS. */
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

int main(int argc, char **argv)
{
	const char *status = getenv("STATUS");

	for (int i = 1; i < argc; i++)
		printf("arg %s\n", argv[i]);
	for (char **e = environ; e != NULL && *e != NULL; e++)
		printf("env %s\n", *e);
	return status != NULL ? atoi(status) : 0;
}
