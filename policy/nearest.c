/*
 * "Did you mean": the nearest name by edit distance, where a swap of two
 * neighbours is one edit.
 */
#include <string.h>

#include "wasmd/policy.h"

#define LONGEST 64u

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned row[3][LONGEST + 1];

	for (size_t j = 0; j <= nb; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *cur = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];

		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			cur[j] =
				min3(up[j] + 1, cur[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    up2[j - 2] + 1 < cur[j])
				cur[j] = up2[j - 2] + 1;
		}
	}
	return row[na % 3][nb];
}

const char *policy_nearest(const char *name, const char *const *names, size_t n)
{
	size_t len = strlen(name);
	unsigned best = 1 + (unsigned)(len < 12 ? len / 3 : 4);
	const char *ret = NULL;

	if (len > LONGEST)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t ni = strlen(names[i]);
		unsigned d = ni <= LONGEST ? distance(name, len, names[i], ni) : LONGEST;

		if (d < best + (ret == NULL)) {
			best = d;
			ret = names[i];
		}
	}
	return ret;
}
