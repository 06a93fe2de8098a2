/*
 * A daemon whose front is started anew is away for a moment: what only reads
 * asks again, for a few seconds.
 */
#include <stdlib.h>
#include <time.h>

#include "ctl/ctl.h"

#define AGAIN_TRIES 50u
#define AGAIN_MS    100u

bool ctl_again(const struct ctl *ctl, unsigned *tries, struct err *e)
{
	const struct timespec nap = { .tv_nsec = AGAIN_MS * 1000000l };

	if (e->code == 0 || !client_lost(ctl->client) || *tries >= AGAIN_TRIES)
		return false;
	if ((*tries)++ == 0)
		(void)fflush(stdout);
	(void)nanosleep(&nap, NULL);
	*e = (struct err){ 0 };
	return true;
}

void ctl_time(int64_t seconds, char *buf, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(buf, size, "1970-01-01T00:00:00Z");
}

/* "10m" ago, or a time as it stands; the daemon reads it more closely. */
int ctl_since(const char *text, char *buf, size_t size, struct err *e)
{
	struct err ignored = { 0 };
	struct tm tm = { 0 };
	unsigned ms;

	if (ctl_duration("--since", text, &ms, &ignored) == 0) {
		ctl_time((int64_t)time(NULL) - ms / 1000 - (ms % 1000 != 0), buf, size);
		return 0;
	}
	if (strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) == NULL || strlen(text) >= size) {
		err_set(e, ERR_USAGE, "--since: \"%s\" is not a time", text);
		return err_hint(e, "write it as 10m (ago), or as 2026-11-22T10:00:00Z");
	}
	(void)snprintf(buf, size, "%s", text);
	return 0;
}
