/* Never ends by itself. */
int main(void)
{
	volatile unsigned long n = 0;

	for (;;)
		n = n + 1;
}
