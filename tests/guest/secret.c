/* Prints the length of KEY's value and the sum of its bytes, never the value. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
	const char *key = getenv("KEY");
	unsigned sum = 0;

	if (key == NULL)
		return 1;
	for (const char *p = key; *p != '\0'; p++)
		sum += (unsigned char)*p;
	printf("%zu %u\n", strlen(key), sum);
	return 0;
}
