/*
 * What surrounds a guest: arguments, environment, clocks, randomness, signals.
 */
#include "wasi.h"

static u32 n, bytes;
static u64 time;
static char *list[8], text[256];

static void told_list(void)
{
	for (u32 i = 0; i < n; i++)
		told_text("string", list[i], (u32)strlen(list[i]));
}

static void strings(void)
{
	TRY(args_sizes_get, &n, &bytes);
	told("count", n);
	told("bytes", bytes);
	TRY(args_get, list, text);
	told_list();
	TRY(args_sizes_get, BAD, &bytes);
	TRY(args_sizes_get, &n, BAD);
	TRY(args_get, BAD, text);
	TRY(args_get, list, BAD);
	TRY(environ_sizes_get, &n, &bytes);
	told("count", n);
	told("bytes", bytes);
	TRY(environ_get, list, text);
	told_list();
	TRY(environ_sizes_get, BAD, &bytes);
	TRY(environ_get, BAD, text);
}

static void clocks(void)
{
	u64 before = 0;

	for (u32 id = 0; id < 4; id++) {
		TRY(clock_res_get, id, &time);
		told("some", time != 0);
		TRY(clock_time_get, id, 0, &time);
	}
	TRY(clock_res_get, 4, &time);
	TRY(clock_res_get, 1, BAD);
	TRY(clock_time_get, 4, 0, &time);
	TRY(clock_time_get, 1, 0, BAD);
	TRY(clock_time_get, 1, 0, &before);
	TRY(clock_time_get, 1, 1000000000, &time);
	told("goes on", time >= before);
}

static void signals(void)
{
	TRY(sched_yield);
	TRY(proc_raise, 0);
	TRY(proc_raise, 13 /* pipe: ignored */);
	TRY(proc_raise, 17 /* cont: nobody is stopped */);
	TRY(proc_raise, 18 /* stop */);
	TRY(proc_raise, 31);
}

void _start(void)
{
	strings();
	clocks();
	TRY(random_get, text, 0);
	TRY(random_get, text, 100);
	TRY(random_get, BAD, 100);
	TRY(random_get, text, 1 << 30);
	signals();
	proc_exit(7);
}
