/*
 * js FILE: runs a script in Duktape. print(), and read(PATH) -> string. An
 * error ends the program: this build cannot unwind (see compat/setjmp.h).
 */
#include <stdio.h>
#include <stdlib.h>

#include "duktape.h"

static _Noreturn void fatal(void *arg, const char *text)
{
	(void)fprintf(stderr, "js: %s\n", text != NULL ? text : "fatal error");
	exit(1);
}

_Noreturn void compat_throw(duk_context *c)
{
	fatal(NULL, duk_safe_to_string(c, -1));
}

static duk_ret_t print(duk_context *c)
{
	duk_push_string(c, " ");
	duk_insert(c, 0);
	duk_join(c, duk_get_top(c) - 1);
	(void)puts(duk_safe_to_string(c, -1));
	return 0;
}

/* Pushes the text of the file @path; false leaves the stack as it was. */
static int push_file(duk_context *c, const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = NULL;
	size_t len = 0, n = 0;

	if (f == NULL)
		return 0;
	do {
		len += n;
		text = realloc(text, len + 65536);
		if (text == NULL)
			fatal(NULL, "out of memory");
	} while ((n = fread(text + len, 1, 65536, f)) > 0);
	(void)fclose(f);
	duk_push_lstring(c, text, len);
	free(text);
	return 1;
}

static duk_ret_t read_file(duk_context *c)
{
	return push_file(c, duk_require_string(c, 0));
}

int main(int argc, char **argv)
{
	duk_context *c = duk_create_heap(NULL, NULL, NULL, NULL, fatal);

	if (argc != 2) {
		(void)fputs("usage: js FILE\n", stderr);
		return 2;
	}
	duk_push_c_function(c, print, DUK_VARARGS);
	duk_put_global_string(c, "print");
	duk_push_c_function(c, read_file, 1);
	duk_put_global_string(c, "read");
	if (!push_file(c, argv[1])) {
		perror(argv[1]);
		return 1;
	}
	duk_eval(c);
	duk_destroy_heap(c);
	return 0;
}
