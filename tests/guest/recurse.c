/* Recurses without end. */
#include <stdio.h>

__attribute__((noinline)) static int down(volatile int *p)
{
	volatile int here = *p + 1;

	return down(&here) + here;
}

int main(void)
{
	volatile int zero = 0;

	printf("%d\n", down(&zero));
	return 0;
}
