/*
 * What the library lets through of a request's head and two readers could
 * take for two things: see framing.h.
 */
#include "daemon/front/framing.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "wasmd/api.h"

/* RFC 9110, section 5.6.2: a token */
#define HEADER_NAME                  \
	"!#$%&'*+-.^_`|~0123456789"  \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"abcdefghijklmnopqrstuvwxyz"

/* What stands more than once, or beside another, or oddly spelt in a head that
 * two readers could read in two ways. */
struct framing {
	unsigned lengths, encodings, tenants, hosts;
	bool odd_name, odd_coding;
};

static enum MHD_Result count_framing(void *cls, enum MHD_ValueKind kind, const char *key,
				     const char *value)
{
	bool encoding = strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
	struct framing *f = cls;

	f->lengths += strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
	f->tenants += strcasecmp(key, WASMD_TENANT_HEADER) == 0;
	f->hosts += strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0;
	f->encodings += encoding;
	f->odd_coding |= encoding && (value == NULL || strcasecmp(value, "chunked") != 0);
	f->odd_name |= key[strspn(key, HEADER_NAME)] != '\0';
	return MHD_YES;
}

static const char *framing_fault(const struct framing *f, bool old)
{
	if (f->lengths + f->encodings > 1)
		return "the head says more than once how long the body is";
	if (f->odd_coding || (f->encodings > 0 && old))
		return "the body's only coding is chunked, of HTTP/1.1";
	if (f->hosts > 1)
		return "the head names more than one host";
	if (f->tenants > 1)
		return "the head names more than one tenant";
	return f->odd_name ? "the name of a header holds what no name may" : NULL;
}

int framing_check(struct MHD_Connection *mhd, const char *version, struct err *e)
{
	struct framing f = { 0 };
	const char *fault;

	(void)MHD_get_connection_values(mhd, MHD_HEADER_KIND, count_framing, &f);
	fault = framing_fault(&f, strcmp(version, MHD_HTTP_VERSION_1_1) != 0);
	return fault != NULL ? err_set(e, ERR_USAGE, "%s", fault) : 0;
}
