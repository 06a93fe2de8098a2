/* The least a guest can do. */
#include <stdio.h>

int main(void)
{
	puts("hello");
	return 0;
}
