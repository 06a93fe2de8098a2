/*
 * Any bytes as parts of a request: bodies, routes, times, restart policies,
 * names. Whatever is refused has a sentence; whatever is shown is printable.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/front/json.h"
#include "daemon/front/restart.h"
#include "daemon/front/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

void front_log(const char *fmt, ...)
{
}

static void fuzz_body(const char *text, size_t len)
{
	struct create_request r = { 0 };
	struct err e = { 0 };

	if (json_create_read(text, len, &r, &e) != e.code || (e.code != 0 && e.msg[0] == '\0'))
		abort();
	if (e.code != 0)
		return;
	if (r.module == NULL || r.args == NULL || r.env == NULL)
		abort();
	create_request_done(&r);
}

/* "METHOD path": what is found is a row; what is not may be another method's. */
static void fuzz_route(char *text)
{
	char ref[64], allow[128];
	char *path = strchr(text, ' ');
	const struct route *r;

	if (path == NULL)
		return;
	*path++ = '\0';
	r = route_match(text, path, ref, sizeof(ref), allow, sizeof(allow));
	if (r != NULL && (strcmp(r->method, text) != 0 || strchr(ref, '/') != NULL))
		abort();
	if (r != NULL)
		(void)route_takes(r, path);
}

static void fuzz_words(const char *text, size_t len)
{
	char shown[RESTART_TEXT];
	uint8_t digest[DIGEST_BYTES];
	char *escaped = text_escape(text, len);
	struct restart r, again;
	int64_t ns = 0;

	if (escaped == NULL || !utf8_ok(escaped, strlen(escaped)) || strchr(escaped, 0x1b) != NULL)
		abort();
	free(escaped);
	(void)time_parse(text, &ns);
	(void)digest_parse(text, digest);
	if (name_ok(text) && strlen(text) >= LIM_NAME)
		abort();
	if (!restart_parse(text, &r))
		return;
	restart_text(&r, shown);
	if (!restart_parse(shown, &again) || again.mode != r.mode || again.most != r.most)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	if (text == NULL)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	fuzz_body(text, len);
	fuzz_words(text, len);
	fuzz_route(text);
	free(text);
	return 0;
}
