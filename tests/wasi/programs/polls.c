/*
 * Waiting: many subscriptions over few descriptors, clocks, and what is wrong
 * with one is told of that one. 0 is a pipe that holds "ping", 2 one whose
 * reader is gone, 3 a directory.
 */
#include "wasi.h"

enum { MOST = 1024 };

static struct sub subs[MOST + 1];
static struct event events[MOST + 1];
static u32 n;

static void sub_fd(u32 i, uint8_t type, u32 fd)
{
	subs[i] = (struct sub){ .userdata = 100 + i, .type = type, .fd = fd };
}

static void sub_clock(u32 i, u32 id, u64 timeout, uint16_t flags)
{
	subs[i] = (struct sub){ .userdata = 100 + i, .type = EVENT_CLOCK };
	subs[i].clock.id = id;
	subs[i].clock.timeout = timeout;
	subs[i].clock.flags = flags;
}

static void tell_events(void)
{
	char line[200];

	for (u32 i = 0; i < n; i++) {
		(void)snprintf(line, sizeof(line),
			       "poll_oneoff event of %llu, type %u, bytes %llu, flags %u",
			       (unsigned long long)events[i].userdata, events[i].type,
			       (unsigned long long)events[i].nbytes, events[i].flags);
		answered(line, events[i].error);
	}
}

static void one_of_each(u32 f)
{
	sub_fd(0, EVENT_READ, 0);
	sub_fd(1, EVENT_WRITE, 1);
	sub_fd(2, EVENT_WRITE, 2);
	sub_fd(3, EVENT_READ, f);
	sub_fd(4, EVENT_WRITE, f);
	sub_fd(5, EVENT_READ, 99);
	sub_fd(6, EVENT_READ, 3);
	sub_fd(7, EVENT_WRITE, 0);
	sub_clock(8, CLOCK_PROCESS, 1, 0);
	sub_clock(9, 9, 1, 0);
	sub_clock(10, CLOCK_MONO, 1, 2);
	sub_clock(11, CLOCK_MONO, UINT64_MAX, 0);
	TRY(poll_oneoff, subs, events, 12, &n);
	told("events", n);
	tell_events();
}

static void many(void)
{
	u32 told_of[3] = { 0 };

	for (u32 i = 0; i < MOST; i++) {
		if (i % 3 == 0)
			sub_fd(i, EVENT_READ, 0);
		else if (i % 3 == 1)
			sub_fd(i, EVENT_WRITE, 1);
		else
			sub_clock(i, CLOCK_MONO, UINT64_MAX, 0);
	}
	TRY(poll_oneoff, subs, events, MOST, &n);
	for (u32 i = 0; i < n; i++)
		told_of[events[i].type]++;
	told("of clocks", told_of[EVENT_CLOCK]);
	told("of reading", told_of[EVENT_READ]);
	told("of writing", told_of[EVENT_WRITE]);
	for (u32 i = 0; i < MOST; i++)
		sub_clock(i, i % 2 ? CLOCK_MONO : CLOCK_REAL, i < 7 ? 1 : (u64)3600 << 32, 0);
	TRY(poll_oneoff, subs, events, MOST, &n);
	told("some and not all", n > 0 && n <= 7);
}

static void clocks(void)
{
	u64 before = 0, after = 0;

	sub_clock(0, CLOCK_MONO, 20000000, 0);
	(void)clock_time_get(CLOCK_MONO, 1, &before);
	TRY(poll_oneoff, subs, events, 1, &n);
	(void)clock_time_get(CLOCK_MONO, 1, &after);
	told("not before its time", after - before >= 20000000);
	sub_clock(0, CLOCK_REAL, 1000, SUBCLOCK_ABSTIME);
	TRY(poll_oneoff, subs, events, 1, &n);
	tell_events();
}

void _start(void)
{
	u32 f = opened(3, "f", 0, R_FILE);

	one_of_each(f);
	many();
	clocks();
	TRY(poll_oneoff, subs, events, 0, &n);
	TRY(poll_oneoff, subs, events, MOST + 1, &n);
	TRY(poll_oneoff, BAD, events, 1, &n);
	TRY(poll_oneoff, subs, BAD, 1, &n);
	subs[0].type = 3;
	TRY(poll_oneoff, subs, events, 1, &n);
}
