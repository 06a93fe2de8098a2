/*
 * Runs a fuzz target over files, as an ordinary test: replay DIR|FILE ...
 * Every crash the fuzzer ever found stays in a corpus and runs here.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasmd/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define INPUT_BYTES (16u << 20)

/* 1 when the file was run; a copy of the exact size lets ASan see overruns. */
static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *buf = malloc(INPUT_BYTES), *copy = NULL;
	size_t n = 0;

	if (f != NULL && buf != NULL) {
		n = fread(buf, 1, INPUT_BYTES, f);
		copy = malloc(n + 1);
	}
	if (copy != NULL) {
		memcpy(copy + 1, buf, n);
		(void)LLVMFuzzerTestOneInput(copy + 1, n);
	} else {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
	}
	if (f != NULL)
		(void)fclose(f);
	n = copy != NULL;
	free(copy);
	free(buf);
	return (int)n;
}

static int replay_dir(DIR *d, const char *path)
{
	const struct dirent *de;
	char name[4096];
	int ran = 0;

	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", path, de->d_name);
		ran += replay_file(name);
	}
	(void)closedir(d);
	return ran;
}

int main(int argc, char **argv)
{
	int ran = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);

		ran += d != NULL ? replay_dir(d, argv[i]) : replay_file(argv[i]);
	}
	printf("%d inputs\n", ran);
	return ran > 0 ? 0 : 1;
}
