/* Floats in a short loop: points of n * n that stay. */
#include "kernel.h"

KERNEL
{
	uint64_t inside = 0;

	for (uint32_t py = 0; py < n; py++)
		for (uint32_t px = 0; px < n; px++) {
			double cx = 3.0 * px / n - 2.0, cy = 2.0 * py / n - 1.0;
			double x = 0, y = 0;
			uint32_t i = 0;

			for (; i < 100 && x * x + y * y <= 4.0; i++) {
				double t = x * x - y * y + cx;

				y = 2 * x * y + cy;
				x = t;
			}
			inside += i;
		}
	return inside;
}
