/*
 * Positions. jansson keeps none of the values it parsed: this finds line and
 * column of any value or key again, in text that jansson has accepted (and
 * stays within bounds on text that it has not).
 */
#ifndef POLICY_SCAN_H
#define POLICY_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A place in the document: a chain from a value up to the root. */
struct at {
	const struct at *up; /* NULL: the root */
	const char *key;     /* a member of an object, or */
	size_t index;	     /* an element of an array */
};

struct scan_pos {
	uint32_t line, column; /* from 1; columns count bytes */
};

/* Where the value at @at begins, or, with @key, where its key does. */
struct scan_pos scan_find(const char *text, size_t len, const struct at *at, bool key);

/* The lines on which the first @n elements of the array at @at begin. */
void scan_lines(const char *text, size_t len, const struct at *at, uint32_t *lines, size_t n);

/* How deeply arrays and objects nest; *ret_over: where they first do beyond @most. */
size_t scan_depth(const char *text, size_t len, size_t most, size_t *ret_over);

/* Line and column of byte @at. */
struct scan_pos scan_place(const char *text, size_t at);

/* Where parsing stopped: the path to what surrounds byte @stop, and where the
 * last key before it begins. For text that jansson refused. */
struct scan_pos scan_stop(const char *text, size_t len, size_t stop, char *path, size_t size);

/* "$.rules[0].then" */
void scan_path(const struct at *at, char *buf, size_t size);

#endif
