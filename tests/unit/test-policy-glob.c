/*
 * Globs: what they match, what they refuse, that none of them blows up, and
 * that matching by masks says what matching by sets of states says.
 */
#include <time.h>

#include "policy/glob.h"
#include "test-policy.h"

struct compiled {
	void *bytes;
	struct glob g;
};

static struct compiled compile(const char *text)
{
	struct compiled c = { 0 };
	struct err e = { 0 };
	size_t len = 0;

	if (glob_compile(text, &c.bytes, &len, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	assert_true(glob_load(c.bytes, len, &c.g));
	return c;
}

static void done(struct compiled c)
{
	glob_done(&c.g);
	free(c.bytes);
}

/* Both matchers, when there are two. */
static void check(const char *text, const char *path, bool match, bool above)
{
	struct compiled c = compile(text);
	struct err e = { 0 };

	for (int quick = 0; quick < 2; quick++) {
		if (glob_match(&c.g, path, strlen(path)) != match)
			fail_msg("%s must %smatch %s", text, match ? "" : "not ", path);
		if (glob_above(&c.g, path, strlen(path)) != above)
			fail_msg("%s must %sbe at or below %s", text, above ? "" : "not ", path);
		if (quick == 0)
			assert_int_equal(glob_quicken(&c.g, &e), 0);
	}
	done(c);
}

static void test_matches(void **state)
{
	static const struct {
		const char *glob, *path;
		bool match, above;
	} rows[] = {
		{ "/in/secret.txt", "/in/secret.txt", true, true },
		{ "/in/secret.txt", "/in/secret.tx", false, false },
		{ "/in/secret.txt", "/in/secret.txt2", false, false },
		{ "/in/secret.txt", "/in", false, true },
		{ "/in/secret.txt", "/i", false, false },
		{ "/in/secret.txt", "/", false, true },
		{ "/in/*", "/in/a", true, true },
		{ "/in/*", "/in/a/b", false, false },
		{ "/in/*", "/in", false, true },
		{ "/in/*.txt", "/in/.txt", true, true },
		{ "/in/**", "/in/a/b/c", true, true },
		{ "/in/**", "/in", false, true },
		{ "/in/**", "/into", false, false },
		{ "/in/**/x", "/in/x", true, true },
		{ "/in/**/x", "/in/a/b/x", true, true },
		{ "/in/**/x", "/in/ax", false, true }, /* /in/ax/x is one */
		{ "**/*.{png,jpg}", "/a/b.jpg", true, true },
		{ "**/*.{png,jpg}", "/a/b.gif", false, true },
		{ "/tmp/**/.git{,/**}", "/tmp/.git", true, true },
		{ "/tmp/**/.git{,/**}", "/tmp/a/b/.git/hooks/x", true, true },
		{ "/tmp/**/.git{,/**}", "/tmp/a/.gitx", false, true },
		{ "/w/a/.git", "/w/a", false, true },
		{ "/w/a/.git", "/w/b", false, false },
		{ "/w/?", "/w/ab", false, false },
		{ "/w/?", "/w/a", true, true },
		{ "/w/[a-c]", "/w/b", true, true },
		{ "/w/[!a-c]", "/w/b", false, false },
		{ "/w/[!a]b", "/w//b", false, false }, /* a class never takes a slash */
		{ "/w/[]x]", "/w/]", true, true },
		{ "/w/\\*", "/w/*", true, true },
		{ "/w/\\*", "/w/a", false, false },
		{ "/w/{a,{b,c}d}", "/w/cd", true, true },
		{ "/w/{a,{b,c}d}", "/w/c", false, false },
		{ "/w/a**z", "/w/a/b/z", true, true },
		{ "**", "/x", true, true },
		{ "/*", "/", true, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i].glob, rows[i].path, rows[i].match, rows[i].above);
}

static void refuse(const char *text, int code, const char *sentence)
{
	struct err e = { 0 };
	void *bytes = NULL;
	size_t len;

	assert_int_equal(glob_compile(text, &bytes, &len, &e), code);
	if (strstr(e.msg, sentence) == NULL)
		fail_msg("%s: found \"%s\", expected \"%s\"", text, e.msg, sentence);
}

static void test_refusals(void **state)
{
	char deep[64] = "", wide[3 * 1100] = "";

	refuse("/a[b", ERR_POLICY, "'[' without ']'");
	refuse("/a[z-a]", ERR_POLICY, "runs backwards");
	refuse("/a{b,c", ERR_POLICY, "'{' without '}'");
	refuse("/a\\", ERR_POLICY, "'\\' with nothing after it");
	memset(deep, '{', 20);
	refuse(deep, ERR_POLICY, "braces nested deeper than 8");
	memset(wide, 'x', 1024);
	refuse(wide, ERR_LIMIT, "more than 1024 steps");
	wide[1023] = '\0';
	free(compile(wide).bytes);
	wide[0] = '\0';
	for (int i = 0; i < 65; i++)
		memcpy(wide + 3 * i, "[a]", 4);
	refuse(wide, ERR_LIMIT, "more than 64 classes");
}

/* Of this process's own time: other load does not count. */
static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Globs that make backtracking matchers take for ever, on the longest path. */
static void test_no_blow_up(void **state)
{
	static const char *const globs[] = {
		"/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
		"/**a**a**a**a**a**a**a**a**a**a**a**a**b",
		"/{a,aa}{a,aa}{a,aa}{a,aa}{a,aa}{a,aa}{a,aa}{a,aa}{a,aa}{a,aa}*b",
		"/**/a/**/a/**/a/**/a/**/a/**/b",
		"/*{a,*{a,*{a,*{a,*{a,*{a,*{a,*{a,b}}}}}}}}c",
	};
	char path[LIM_PATH_BYTES];
	struct err e = { 0 };

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	for (size_t i = 0; i < ARRAY_LEN(globs); i++) {
		struct compiled c = compile(globs[i]);
		uint64_t t = now_ns();

		assert_false(glob_match(&c.g, path, sizeof(path)));
		assert_true(now_ns() - t < 1000000000u); /* some 2 ms; minutes if it blew up */
		assert_int_equal(glob_quicken(&c.g, &e), 0);
		assert_false(glob_match(&c.g, path, sizeof(path)));
		done(c);
	}
}

/* ---- the two matchers ----------------------------------------------------------- */

/* Says @quick, which is quickened, of every beginning of @path what @slow says? */
static void agree_on(const struct glob *slow, const struct glob *quick, const char *path,
		     size_t len)
{
	for (size_t n = 0; n <= len; n++) {
		if (glob_match(slow, path, n) != glob_match(quick, path, n))
			fail_msg("match of %.*s differs", (int)n, path);
		if (n > 0 && glob_above(slow, path, n) != glob_above(quick, path, n))
			fail_msg("above of %.*s differs", (int)n, path);
	}
}

static void agree(const struct glob *g, const char *path, size_t len)
{
	struct glob quick = *g;
	struct err e = { 0 };

	assert_int_equal(glob_quicken(&quick, &e), 0);
	agree_on(g, &quick, path, len);
	glob_done(&quick);
}

static uint32_t rnd(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)*seed * n >> 32);
}

/* Concatenates @n of @parts. */
static void join(uint32_t *seed, char *out, size_t size, unsigned n, const char *const *parts,
		 size_t n_parts)
{
	out[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		strncat(out, parts[rnd(seed, (uint32_t)n_parts)], size - strlen(out) - 1);
}

static void test_masks_agree(void **state)
{
	static const char *const globs[] = { "/",	"a",	  "b",	    "*",     "**",
					     "/**/",	"?",	  "[ab]",   "[!a/]", "{a,}",
					     "{b*,/a}", "{,/**}", "{a,b}*", ".",     "{{a,/},?b}" };
	static const char *const bytes[] = { "/", "/", "a", "a", "b", ".", "\xff" };
	uint32_t seed = 7;
	size_t quick = 0, slow = 0;

	for (int i = 0; i < 3000; i++) {
		char text[256] = "", path[64];
		struct compiled c;
		struct glob g;
		struct err e = { 0 };

		join(&seed, text, sizeof(text), 1 + rnd(&seed, i % 10 == 0 ? 60 : 9), globs,
		     ARRAY_LEN(globs));
		c = compile(text);
		g = c.g;
		assert_int_equal(glob_quicken(&g, &e), 0);
		*(g.masks != NULL ? &quick : &slow) += 1;
		for (int k = 0; k < 8; k++) {
			join(&seed, path, sizeof(path), 1 + rnd(&seed, 24), bytes,
			     ARRAY_LEN(bytes));
			agree_on(&c.g, &g, path, strlen(path));
		}
		glob_done(&g);
		free(c.bytes);
	}
	assert_true(quick > 2000 && slow > 50);
}

/* 64 operations behind the prefix are a word; one more is not. */
static void test_masks_edge(void **state)
{
	char text[80] = "/p/*", path[96];
	struct err e = { 0 };

	for (unsigned n = 62; n <= 65; n++) {
		struct compiled c;

		memset(text + 4, 'x', n);
		text[4 + n] = '\0';
		c = compile(text);
		agree(&c.g, text, 4 + n);
		(void)snprintf(path, sizeof(path), "/p/yx%s", text + 4);
		agree(&c.g, path, strlen(path));
		assert_int_equal(glob_quicken(&c.g, &e), 0);
		assert_int_equal(c.g.masks != NULL, n + 1 <= 64);
		assert_true(glob_match(&c.g, path, strlen(path)));
		assert_false(glob_match(&c.g, path, strlen(path) - 3));
		done(c);
	}
}

/* Every flipped bit and every cut of a compiled glob: refused, or harmless. */
static void test_hostile_bytes(void **state)
{
	struct err e = { 0 };
	CLEANUP(free_p) uint8_t *bytes = NULL;
	struct glob g;
	size_t len;
	void *p;

	assert_int_equal(glob_compile("/a/**/[a-z]{x,y*}?.png", &p, &len, &e), 0);
	bytes = p;
	for (size_t n = 0; n < len; n++)
		assert_false(glob_load(bytes, n, &g));
	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (glob_load(bytes, len, &g))
			agree(&g, "/a/b/cx!.png", 12);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),	   cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_blow_up), cmocka_unit_test(test_masks_agree),
		cmocka_unit_test(test_masks_edge), cmocka_unit_test(test_hostile_bytes),
	};

	return cmocka_run_group_tests_name("policy-glob", tests, NULL, NULL);
}
