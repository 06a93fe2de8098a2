/*
 * Secrets of a policy: values that the administrator keeps in files, read
 * when an instance starts and handed to it alone. A value is in no answer,
 * log or sentence, and in memory no longer than it takes to hand it over.
 */
#ifndef FRONT_SECRETS_H
#define FRONT_SECRETS_H

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

/* @wanted: "API_KEY=thumb-key", NULL-terminated. *ret: "API_KEY=" and what
 * STATE/secrets/TENANT/thumb-key holds, to be given to secrets_free(). */
MUST_CHECK int secrets_read(const char *state, const char *tenant, const char *const *wanted,
			    char ***ret, struct err *e);
char **secrets_free(char **list);

#endif
