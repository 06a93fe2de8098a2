/*
 * A start, step by step: a zygote of priv's own making and instances started
 * as the front starts them, one after another, each after the spare for it is
 * there. Prints a line for each step: p50 and p99 in microseconds, then what.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/unit/rig.h"

#define ROUNDS	 400u
#define PAUSE_US 500 /* between two starts: the next spare is forked meanwhile */

static const struct {
	int from, to; /* enum slot_step; -1: the message was sent, SLOT_STEPS: first instruction */
	const char *what;
} parts[] = {
	{ -1, STEP_TAKEN, "start message sent -> the zygote has it" },
	{ STEP_TAKEN, STEP_WOKEN, "-> the spare has it" },
	{ STEP_WOKEN, STEP_FURNISHED, "-> slot, policy, task and descriptors in place" },
	{ STEP_FURNISHED, STEP_PREPARED, "-> engine and WASI prepared" },
	{ STEP_PREPARED, STEP_FDS, "-> all else closed" },
	{ STEP_FDS, STEP_LIMITS, "-> rlimits" },
	{ STEP_LIMITS, STEP_DOMAIN, "-> Landlock" },
	{ STEP_DOMAIN, STEP_FILTER, "-> seccomp" },
	{ STEP_FILTER, SLOT_STEPS, "-> first guest instruction" },
	{ -1, SLOT_STEPS, "start message sent -> first guest instruction" },
};

static uint64_t took[ARRAY_LEN(parts)][ROUNDS];

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t at(const struct rig_instance *i, int step)
{
	const struct slot_report *r = &slot_ctl(i->slot)->report;

	return step < 0 ? i->sent_ns : step < SLOT_STEPS ? r->step_ns[step] : r->first_ns;
}

static bool one(int channel, uint32_t round)
{
	struct rig_start s = {
		.policy = "{\"name\": \"b\", \"limits\": {\"memory\": \"256MiB\", \"fuel\": 1e9,"
			  " \"cpu\": \"10s\", \"wall\": \"60s\", \"disk\": \"1MiB\"},"
			  " \"rules\": [], \"default\": \"granted\"}",
		.seq = round + 1,
		.wall_ns = 60000000000ull,
		.cpu_ns = 10000000000ull,
	};
	struct rig_instance i;

	if (!rig_start(channel, &s, &i) || !rig_wait(channel, &i, NULL, 0))
		return false;
	for (size_t p = 0; p < ARRAY_LEN(parts); p++)
		took[p][round] = at(&i, parts[p].to) - at(&i, parts[p].from);
	if (slot_ctl(i.slot)->report.first_ns == 0) {
		(void)fprintf(stderr, "bench-start: %s\n", slot_ctl(i.slot)->report.message);
		return false;
	}
	rig_forget(&i);
	(void)usleep(PAUSE_US);
	return true;
}

static int zygote_over(struct rig *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err e = { 0 };
	struct ipc_msg m;
	struct stat st;
	char *bytes;
	int channel;
	pid_t pid;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	bytes = malloc((size_t)st.st_size);
	if (bytes == NULL || read(fd, bytes, (size_t)st.st_size) != st.st_size)
		return -1;
	(void)close(fd);
	channel = rig_zygote(r, r->tenant_a, bytes, (size_t)st.st_size, &pid, &e);
	free(bytes);
	if (channel < 0 || ipc_recv(channel, IPC_FRONT, IPC_ZYGOTE, &m) != 1)
		return -1;
	if (m.type == IPC_zyg_ready)
		return channel;
	(void)fprintf(stderr, "bench-start: %s\n", m.body.zyg_bad.msg);
	return -1;
}

int main(int argc, char **argv)
{
	struct rig r;
	int channel;

	if (argc != 3 || !rig_open(&r, open(argv[1], O_PATH | O_CLOEXEC))) {
		(void)fprintf(stderr, "usage: bench-start ZYGOTE MODULE\n");
		return 2;
	}
	channel = zygote_over(&r, argv[2]);
	for (uint32_t i = 0; i < ROUNDS; i++)
		if (channel < 0 || !one(channel, i))
			return 1;
	rig_close(&r);
	for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
		qsort(took[p], ROUNDS, sizeof(uint64_t), by_value);
		printf("%.1f %.1f %s\n", (double)took[p][ROUNDS / 2] / 1e3,
		       (double)took[p][ROUNDS * 99 / 100] / 1e3, parts[p].what);
	}
	return 0;
}
