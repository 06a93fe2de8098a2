/*
 * Counts lines, words and bytes of each file named, or of standard input, and
 * a total when there are several. Exits with 1 when any could not be read.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct counts {
	unsigned long lines, words, bytes;
};

static struct counts count(FILE *f)
{
	static unsigned char buf[65536];
	struct counts n = { 0 };
	int in_word = 0;
	size_t len;

	while ((len = fread(buf, 1, sizeof(buf), f)) > 0) {
		n.bytes += len;
		for (size_t i = 0; i < len; i++) {
			n.lines += buf[i] == '\n';
			n.words += !in_word && !isspace(buf[i]);
			in_word = !isspace(buf[i]);
		}
	}
	return n;
}

static void print(struct counts n, const char *name)
{
	printf("%lu %lu %lu%s%s\n", n.lines, n.words, n.bytes, *name != '\0' ? " " : "", name);
}

/* 0, or 1 after a message. */
static int count_file(const char *name, struct counts *total)
{
	FILE *f = fopen(name, "r");
	struct counts n;
	int bad;

	if (f == NULL) {
		fprintf(stderr, "wc: %s: %s\n", name, strerror(errno));
		return 1;
	}
	n = count(f);
	bad = ferror(f);
	if (bad)
		fprintf(stderr, "wc: %s: %s\n", name, strerror(errno));
	else
		print(n, name);
	fclose(f);
	total->lines += n.lines;
	total->words += n.words;
	total->bytes += n.bytes;
	return bad != 0;
}

int main(int argc, char **argv)
{
	struct counts total = { 0 };
	int status = 0;

	if (argc == 1)
		print(count(stdin), "");
	for (int i = 1; i < argc; i++)
		status |= count_file(argv[i], &total);
	if (argc > 2)
		print(total, "total");
	return status;
}
