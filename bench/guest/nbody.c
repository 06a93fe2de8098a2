/* Floats and square roots: bodies that pull at each other, for n steps. */
#include "kernel.h"

#define N 5

static struct {
	double x[3], v[3], m;
} body[N];

static void begin(void)
{
	for (int i = 0; i < N; i++) {
		body[i].m = 40.0 / (1 + i * i * 9);
		for (int d = 0; d < 3; d++) {
			body[i].x[d] = i * (d + 1.5) - d;
			body[i].v[d] = i == 0 ? 0 : (d - 1.0) / (i + 1);
		}
	}
}

static void pull(int i, int j, double dt)
{
	double dx = body[i].x[0] - body[j].x[0], dy = body[i].x[1] - body[j].x[1];
	double dz = body[i].x[2] - body[j].x[2], d2 = dx * dx + dy * dy + dz * dz + 0.01;
	double mag = dt / (d2 * __builtin_sqrt(d2));

	body[i].v[0] -= dx * body[j].m * mag;
	body[i].v[1] -= dy * body[j].m * mag;
	body[i].v[2] -= dz * body[j].m * mag;
	body[j].v[0] += dx * body[i].m * mag;
	body[j].v[1] += dy * body[i].m * mag;
	body[j].v[2] += dz * body[i].m * mag;
}

KERNEL
{
	double e = 0;

	begin();
	for (uint32_t s = 0; s < n; s++) {
		for (int i = 0; i < N; i++)
			for (int j = i + 1; j < N; j++)
				pull(i, j, 0.001);
		for (int i = 0; i < N; i++)
			for (int d = 0; d < 3; d++)
				body[i].x[d] += 0.001 * body[i].v[d];
	}
	for (int i = 0; i < N; i++)
		e += body[i].x[0] + body[i].v[1];
	return (uint64_t)(int64_t)(e * 1e6);
}
