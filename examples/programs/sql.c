/*
 * sql DATABASE [STATEMENTS]: runs statements of SQLite, from the argument or
 * from standard input, and prints rows with | between columns. WASI has no file
 * locks, and a lock made of a directory outlives whoever is killed: one
 * instance at a time may use a database.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite3.h"

static int print_row(void *arg, int n, char **values, char **names)
{
	for (int i = 0; i < n; i++)
		(void)printf("%s%s", i > 0 ? "|" : "", values[i] != NULL ? values[i] : "");
	(void)putchar('\n');
	return fflush(stdout); /* whoever follows sees each row when it is there */
}

static int run(sqlite3 *db, const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(db, text, print_row, NULL, &why) == SQLITE_OK)
		return 0;
	(void)fprintf(stderr, "sql: %s\n", why);
	sqlite3_free(why);
	return 1;
}

/* Runs each statement as soon as its last line has come. */
static int run_input(sqlite3 *db)
{
	char *text = NULL, *line = NULL;
	size_t room = 0, len = 0;
	ssize_t n;
	int bad = 0;

	while (!bad && (n = getline(&line, &room, stdin)) > 0) {
		text = realloc(text, len + (size_t)n + 1);
		if (text == NULL)
			return 1;
		memcpy(text + len, line, (size_t)n + 1);
		len += (size_t)n;
		if (!sqlite3_complete(text))
			continue;
		bad = run(db, text);
		len = 0;
	}
	if (!bad && len > 0)
		bad = run(db, text);
	free(line);
	free(text);
	return bad;
}

int main(int argc, char **argv)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	sqlite3 *db = NULL;
	int bad;

	if (argc < 2 || argc > 3) {
		(void)fputs("usage: sql DATABASE [STATEMENTS]\n", stderr);
		return 2;
	}
	if (sqlite3_open_v2(argv[1], &db, flags, "unix-none") != SQLITE_OK) {
		(void)fprintf(stderr, "sql: %s: %s\n", argv[1], sqlite3_errmsg(db));
		return 1;
	}
	bad = argc == 3 ? run(db, argv[2]) : run_input(db);
	return sqlite3_close(db) != SQLITE_OK || bad;
}
