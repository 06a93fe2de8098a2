/*
 * flip SEEDS MODULE..: modules with bits flipped, in memory, against decode,
 * validate and the compilation of every body. Each seed but 0 flips 1 to 16
 * bits, so that a finding is named by module and seed; half of the seeds spare
 * the code and aim at what comes first: types, imports, tables, counts. Prints
 * what became of them; fails when a failure comes without code or sentence.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "wasmd/vm.h"

#define MAX_FLIPS  16u
#define HEAD_BYTES 4096u

/* What became of the seeds of one module. */
struct counts {
	unsigned loaded, malformed, invalid, unsupported, limit, other;
	double slowest;
};

struct bytes {
	uint8_t *at;
	size_t len;
};

static uint64_t next(uint64_t *state) /* splitmix64 */
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Done twice it undoes itself. */
static void flip(struct bytes b, uint64_t seed)
{
	uint64_t state = seed;
	size_t room = seed % 2 == 0 || b.len < HEAD_BYTES ? b.len : HEAD_BYTES;
	unsigned n = seed == 0 ? 0 : 1 + (unsigned)(next(&state) % MAX_FLIPS);

	for (; n > 0; n--) {
		uint64_t bit = next(&state) % (room * 8);

		b.at[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

static int load(struct bytes b, struct err *e)
{
	struct vm_valid_module *v = NULL;
	struct vm_module *m = NULL;
	struct vm_code *c = NULL;
	int rc = vm_module_decode(b.at, b.len, &m, e);

	if (rc == 0)
		rc = vm_module_validate(m, &v, e);
	if (rc == 0)
		rc = vm_module_compile(v, &c, e);
	if (rc == 0)
		rc = vm_code_compile_all(c, e);
	(void)vm_code_unref(c);
	return rc;
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool count(struct counts *n, int rc, const struct err *e)
{
	unsigned *to = &n->other;

	if (rc == 0)
		to = &n->loaded;
	else if (rc == ERR_MALFORMED)
		to = &n->malformed;
	else if (rc == ERR_INVALID)
		to = &n->invalid;
	else if (rc == ERR_UNSUPPORTED)
		to = &n->unsupported;
	else if (rc == ERR_LIMIT)
		to = &n->limit;
	++*to;
	return to != &n->other && (rc == 0 || (e->code == rc && e->msg[0] != '\0'));
}

static bool try_seeds(const char *path, struct bytes b, unsigned seeds)
{
	struct counts n = { 0 };
	bool ok = true;

	for (unsigned seed = 0; ok && seed < seeds; seed++) {
		struct err e = { 0 };
		double t = now();

		flip(b, seed);
		ok = count(&n, load(b, &e), &e);
		flip(b, seed);
		if (now() - t > n.slowest)
			n.slowest = now() - t;
		if (!ok)
			(void)printf("%s: seed %u: code %d \"%s\"\n", path, seed, e.code, e.msg);
	}
	(void)printf("%s: loaded %u malformed %u invalid %u unsupported %u limit %u, "
		     "slowest %.3f s\n",
		     path, n.loaded, n.malformed, n.invalid, n.unsupported, n.limit, n.slowest);
	(void)fflush(stdout);
	return ok;
}

static bool read_all(const char *path, struct bytes *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	struct stat st;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st) != 0)
		return false;
	b->len = (size_t)st.st_size;
	b->at = malloc(b->len); /* of that size, so that ASan sees a read beyond it */
	while (b->at != NULL && have < b->len && n > 0) {
		n = read(fd, b->at + have, b->len - have);
		have += n > 0 ? (size_t)n : 0;
	}
	(void)close(fd);
	return b->at != NULL && have == b->len;
}

int main(int argc, char **argv)
{
	bool ok = argc > 2;

	if (!ok)
		(void)fputs("usage: flip SEEDS MODULE..\n", stderr);
	for (int i = 2; i < argc; i++) {
		struct bytes b = { 0 };
		bool got = read_all(argv[i], &b);

		if (!got)
			perror(argv[i]);
		ok &= got && try_seeds(argv[i], b, (unsigned)strtoul(argv[1], NULL, 10));
		free(b.at);
	}
	return ok ? 0 : 1;
}
