/*
 * Clocks, as coarse as the embedder wants them.
 */
#include "vm/wasi/guest.h"
#include "vm/wasi/sys.h"

static const clockid_t ids[] = {
	[CLOCK_REAL] = CLOCK_REALTIME,
	[CLOCK_MONO] = CLOCK_MONOTONIC,
	[CLOCK_PROCESS] = CLOCK_PROCESS_CPUTIME_ID,
	[CLOCK_THREAD] = CLOCK_THREAD_CPUTIME_ID,
};

typedef int64_t clock_fn(struct wasi *w, clockid_t id, struct timespec *ts);

/* What @fn says about guest clock @id, in nanoseconds. */
static enum werr read_clock(struct call *c, clock_fn *fn, uint64_t id, uint64_t *ret)
{
	struct timespec ts;
	int64_t rc;

	if (id >= ARRAY_LEN(ids))
		return WE_INVAL;
	rc = fn(c->w, ids[id], &ts);
	if (rc < 0)
		return werr_of(rc);
	*ret = ts.tv_sec < 0 ? 0 : (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	return WE_OK;
}

enum werr call_clock_res_get(struct call *c)
{
	uint64_t ns = 0, least = c->w->cfg.clock_resolution;
	enum werr e = read_clock(c, sys_clock_res, c->a[0], &ns);

	if (e != WE_OK)
		return e;
	return guest_put_u64(c, c->a[1], ns < least ? least : ns);
}

enum werr call_clock_time_get(struct call *c)
{
	uint64_t ns = 0, step = c->w->cfg.clock_resolution;
	enum werr e = read_clock(c, sys_clock, c->a[0], &ns);

	if (e != WE_OK)
		return e;
	return guest_put_u64(c, c->a[2], step != 0 ? ns - ns % step : ns);
}
