/* SHA-256 in pieces. Apart from the rest because libcrypto's names meet ours. */
#ifndef FRONT_SHA_H
#define FRONT_SHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sha;

struct sha *sha_new(void); /* NULL when memory is short */
struct sha *sha_free(struct sha *s);
bool sha_add(struct sha *s, const void *bytes, size_t len);
bool sha_end(struct sha *s, uint8_t ret[32]);

#endif
