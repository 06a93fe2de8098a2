/* Writes the file that its argument names, reads it back and compares. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	static char out[100000], back[sizeof(out) + 1];
	FILE *f;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)('a' + i % 26);
	f = argc > 1 ? fopen(argv[1], "w+") : NULL;
	if (f == NULL || fwrite(out, 1, sizeof(out), f) != sizeof(out) ||
	    fseek(f, 0, SEEK_SET) != 0) {
		perror("put");
		return 1;
	}
	if (fread(back, 1, sizeof(back), f) != sizeof(out) || memcmp(out, back, sizeof(out)) != 0) {
		fprintf(stderr, "put: what was read back differs\n");
		return 1;
	}
	puts("same");
	return fclose(f) != 0;
}
