/* A guest of many talents: its first argument says which. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile unsigned spins;

static int hello(void)
{
	puts("hello from the guest");
	return 7;
}

static int spin(void)
{
	for (;;)
		spins++;
}

static int flood(void)
{
	static char line[4096];

	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 256; i++)
		if (write(1, line, sizeof(line)) != (ssize_t)sizeof(line))
			return 1;
	return 0;
}

static int files(void)
{
	char buf[64] = "";
	int in = open("/ro/file", O_RDONLY), out;

	if (in < 0 || read(in, buf, sizeof(buf)) <= 0)
		return 1;
	out = open("/rw/copy", O_WRONLY | O_CREAT, 0644);
	if (out < 0 || write(out, buf, strlen(buf)) != (ssize_t)strlen(buf))
		return 2;
	if (open("/ro/new", O_WRONLY | O_CREAT, 0644) >= 0)
		return 3;
	printf("read %s", buf);
	return 0;
}

static int denied(void)
{
	int fd = open("/ro/secret", O_RDONLY);

	printf("secret: %s\n", fd < 0 ? strerror(errno) : "read");
	return fd < 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} talents[] = { { "hello", hello },
			{ "spin", spin },
			{ "flood", flood },
			{ "files", files },
			{ "denied", denied } };

	for (unsigned i = 0; argc > 1 && i < sizeof(talents) / sizeof(talents[0]); i++)
		if (strcmp(argv[1], talents[i].name) == 0)
			return talents[i].run();
	return 99;
}
