/*
 * Small conversions that several rooms of the front need: digests, names,
 * ids, times, and guest bytes made fit to be read. No state.
 */
#ifndef FRONT_TEXT_H
#define FRONT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wasmd/cleanup.h"

#define DIGEST_BYTES 32
#define DIGEST_TEXT  72 /* "sha256:", 64 hex digits, NUL */
#define ID_TEXT	     33 /* 32 hex digits, NUL */
#define TIME_TEXT    40
#define REF_PREFIX   6 /* fewest digits of a prefix that names something */

void digest_text(const uint8_t *digest, char ret[DIGEST_TEXT]);
/* "sha256:" and 64 hex digits, or the 64 digits alone. */
bool digest_parse(const char *text, uint8_t ret[DIGEST_BYTES]);
MUST_CHECK int digest_of(const void *bytes, size_t len, uint8_t ret[DIGEST_BYTES]);

/* [a-zA-Z0-9][a-zA-Z0-9_.-]*, shorter than LIM_NAME. */
bool name_ok(const char *name);
bool hex_ok(const char *s);
MUST_CHECK int id_new(char ret[ID_TEXT]);

int64_t now_real(void); /* ns since 1970 */
uint64_t now_mono(void);
/* RFC 3339 in UTC with milliseconds. */
void time_text(int64_t ns, char ret[TIME_TEXT]);

/* RFC 3339, or how long ago: "90s", "10m", "1h30m". */
bool time_parse(const char *text, int64_t *ret_ns);

bool utf8_ok(const void *bytes, size_t len);
/* @len guest bytes as printable ASCII and valid UTF-8, the rest as \xNN; a
 * backslash becomes two. malloc'ed, NUL terminated; NULL when memory is short. */
char *text_escape(const void *bytes, size_t len);
char *text_base64(const void *bytes, size_t len);

/* Copies of NULL-terminated lists. */
char **strv_copy(const char *const *list);
char **strv_free(char **list);
size_t strv_len(const char *const *list);

#endif
