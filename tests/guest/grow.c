/* Grows its memory until it may not; then says how far it came. */
#include <stdio.h>

int main(void)
{
	unsigned long pages = 0;

	while (__builtin_wasm_memory_grow(0, 16) != (unsigned long)-1)
		pages += 16;
	printf("grew by %lu pages\n", pages);
	return 0;
}
