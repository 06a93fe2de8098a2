/* Writes as many bytes as its first argument says, in lines of 64. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 0;

	for (; n > 0; n -= 64)
		puts("the quick brown fox jumps over the lazy dog, again and again...");
	return 0;
}
