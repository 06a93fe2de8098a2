/*
 * A glob, a newline, a path: both matchers say the same of it. Without a
 * newline the bytes are a compiled glob.
 */
#include "policy/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void compare(const struct glob *slow, const char *path, size_t len)
{
	struct glob quick = *slow;
	struct err e = { 0 };

	if (glob_quicken(&quick, &e) < 0)
		return;
	if (glob_match(slow, path, len) != glob_match(&quick, path, len) ||
	    glob_above(slow, path, len) != glob_above(&quick, path, len))
		__builtin_trap();
	glob_done(&quick);
}

static void compile(const char *text, const char *path, size_t path_len)
{
	struct err e = { 0 };
	void *bytes = NULL;
	struct glob g;
	size_t len;

	if (glob_compile(text, &bytes, &len, &e) < 0)
		return;
	if (!glob_load(bytes, len, &g))
		__builtin_trap(); /* what we compile, we load */
	compare(&g, path, path_len);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *nl = memchr(data, '\n', len);
	char text[4097] = "";
	struct glob g;

	if (nl != NULL && nl - data < (ptrdiff_t)sizeof(text)) {
		memcpy(text, data, (size_t)(nl - data));
		compile(text, (const char *)nl + 1, len - (size_t)(nl - data) - 1);
	} else if (nl == NULL && glob_load(data, len, &g)) {
		compare(&g, "/a/b.c/dd", 9);
	}
	return 0;
}
