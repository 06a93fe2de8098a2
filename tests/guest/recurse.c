/* Recurses without end, with nothing kept in linear memory. */
#include <stdio.h>

__attribute__((noinline)) static unsigned down(unsigned n)
{
	return n == 0xffffffff ? 1 : down(n + 1) / 3 + n % 7;
}

int main(int argc, char **argv)
{
	(void)argv;
	printf("%u\n", down((unsigned)argc));
	return 0;
}
