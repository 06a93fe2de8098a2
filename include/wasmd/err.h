/*
 * One error convention: a function returns 0 or a negative enum err_code, and
 * the sentence rides along in a struct err. It is set where the fault is
 * seen, prefixed on the way up, and printed once by whoever owns stderr or
 * the HTTP reply. Libraries never print.
 */
#ifndef WASMD_ERR_H
#define WASMD_ERR_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wasmd/err.def"

enum err_code {
	ERR_NONE = 0,
#define ERR(name, num, wire, http, status) ERR_##name = -(num),
	WASMD_ERRS(ERR)
#undef ERR
};

struct err {
	int code;	/* 0 or a negative enum err_code */
	char msg[320];	/* what is wrong, and where */
	char hint[200]; /* what to do about it; may be empty */
};

struct err_info {
	const char *wire; /* "not_found": the API's error code */
	int http, exit;	  /* HTTP status; exit status of wasmctl */
};

/* The row of @code; unknown codes answer the row of ERR_INTERNAL. */
static inline struct err_info err_info(int code)
{
	switch (code) {
#define ERR(name, num, wire, http, status) \
	case ERR_##name:                   \
		return (struct err_info){ wire, http, status };
		WASMD_ERRS(ERR)
#undef ERR
	default:
		return (struct err_info){ "internal", 500, 125 };
	}
}

/* The first cause wins; returns the code that stands. @e may not be NULL. */
__attribute__((format(printf, 3, 4), cold)) static inline int err_set(struct err *e, int code,
								      const char *fmt, ...)
{
	va_list ap;

	if (e->code != 0)
		return e->code;
	e->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return code;
}

/* Adds the remedy to an error that has none yet; returns the code that stands. */
__attribute__((format(printf, 2, 3), cold)) static inline int err_hint(struct err *e,
								       const char *fmt, ...)
{
	va_list ap;

	if (e->hint[0] != '\0')
		return e->code;
	va_start(ap, fmt);
	(void)vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	return e->code;
}

/* Puts "@fmt: " before the sentence that stands; returns its code. */
__attribute__((format(printf, 2, 3), cold)) static inline int err_prefix(struct err *e,
									 const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	va_list ap;
	int n;

	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n + 2 < sizeof(e->msg))
		(void)snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": %.*s",
			       (int)(sizeof(e->msg) - (size_t)n - 3), old);
	return e->code;
}

__attribute__((cold)) static inline int err_nomem(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

#endif
