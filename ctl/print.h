/*
 * What people read: tables, and text that strangers supplied made harmless.
 * Control characters, broken UTF-8 and characters that reorder a line are
 * written as \xNN or \u{N}.
 */
#ifndef WASMD_CTL_PRINT_H
#define WASMD_CTL_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

enum text_keep {
	TEXT_LINE,  /* escape newline and tab too */
	TEXT_LINES, /* leave them */
};

/* Writes @n bytes of @s to @f, escaped. Returns the columns written. */
size_t text_put(FILE *f, const char *s, size_t n, enum text_keep keep);

/* The same as a string to be freed; NULL when memory is short. */
char *text_escape(const char *s, enum text_keep keep);

/* One line to standard error: @before as it stands, @s escaped. In one write,
 * so that a guest that has the same descriptor cannot write into it. */
void text_tell(const char *before, const char *s, enum text_keep keep);

/* How many bytes at the end of @s begin a UTF-8 sequence that is not whole. */
size_t text_cut(const char *s, size_t n);

/* A table: every cell escaped, columns as wide as their widest cell. */
struct table;
MUST_CHECK int table_new(const char *const *heads, size_t columns, struct table **ret,
			 struct err *e);
struct table *table_free(struct table *t);
/* The next cell, row by row; NULL is shown as `-`. A failure is kept for table_print. */
void table_add(struct table *t, const char *cell);
int table_print(const struct table *t, FILE *f, struct err *e);

/* "3 s", "5 min", "2 h", "4 d" and "64 MiB", "5.2e9": short forms. */
void age_text(int64_t seconds, char *buf, size_t size);
void bytes_text(uint64_t bytes, char *buf, size_t size);
void nanos_text(uint64_t ns, char *buf, size_t size);

#endif
