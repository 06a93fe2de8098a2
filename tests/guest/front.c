/* What the tests of the API need, by its first argument. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void cat(FILE *f)
{
	int c;
	while ((c = fgetc(f)) != EOF)
		putchar(c);
}
static void echo(void)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(0, buf, sizeof(buf))) > 0)
		if (write(1, buf, (size_t)n) != n)
			exit(1);
}
__attribute__((noinline, optnone)) static int deep(int n)
{
	volatile char pad[64];
	pad[n & 63] = (char)n;
	return deep(n + 1) + pad[n & 63];
}
int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "hello", *arg = argc > 2 ? argv[2] : "";
	FILE *f;
	if (!strcmp(verb, "hello"))
		puts("hello");
	if (!strcmp(verb, "argv0"))
		puts(argv[0]);
	for (int n = 1; !strcmp(verb, "count") && n <= atoi(arg); n++)
		printf("line %d\n", n);
	for (int n = 0; !strcmp(verb, "again") && n < 1000; n++)
		if ((f = fopen(arg, "r")) != NULL)
			fclose(f);
	if (!strcmp(verb, "echo"))
		echo();
	if (!strcmp(verb, "cat"))
		cat(stdin);
	if (!strcmp(verb, "exit"))
		return atoi(arg);
	if (!strcmp(verb, "env"))
		puts(getenv(arg) ? getenv(arg) : "(none)");
	if (!strcmp(verb, "spin"))
		for (;;)
			;
	if (!strcmp(verb, "deep"))
		return deep(1);
	if (!strcmp(verb, "trap"))
		__builtin_trap();
	if (!strcmp(verb, "bytes")) {
		putchar(0xff);
		putchar(0);
	}
	if (!strcmp(verb, "err"))
		fputs("err\n", stderr), puts("out");
	if (!strcmp(verb, "fill"))
		for (;;)
			puts("0123456789012345678901234567890123456789");
	if (!strcmp(verb, "grow"))
		while (malloc(1 << 20))
			;
	if (!strcmp(verb, "write")) {
		f = fopen(arg, "w");
		if (!f) {
			perror(arg);
			return 1;
		}
		fputs("w", f);
		fclose(f);
	}
	if (!strcmp(verb, "append") && (f = fopen(arg, "a")) != NULL) {
		fputs("lived\n", f);
		fclose(f);
	}
	for (int i = 2; !strcmp(verb, "open") && i < argc; i++) {
		f = fopen(argv[i], "r");
		if (f == NULL) {
			perror(argv[i]);
			continue;
		}
		cat(f);
		fclose(f);
	}
	return 0;
}
