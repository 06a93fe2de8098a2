/* SHA-256 in pieces: see sha.h. A struct sha is libcrypto's context. */
#include "daemon/front/sha.h"

#include <openssl/evp.h>

static EVP_MD_CTX *ctx(struct sha *s)
{
	return (EVP_MD_CTX *)(void *)s;
}

struct sha *sha_new(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	if (c == NULL || EVP_DigestInit_ex(c, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(c);
		return NULL;
	}
	return (struct sha *)(void *)c;
}

struct sha *sha_free(struct sha *s)
{
	EVP_MD_CTX_free(ctx(s));
	return NULL;
}

bool sha_add(struct sha *s, const void *bytes, size_t len)
{
	return EVP_DigestUpdate(ctx(s), bytes, len) == 1;
}

bool sha_end(struct sha *s, uint8_t ret[32])
{
	return EVP_DigestFinal_ex(ctx(s), ret, NULL) == 1;
}
