/*
 * The shared memory of one instance: made and sealed here, mapped here, and
 * read here as hostile input. Layout: daemon/slot.h.
 */
#ifndef FRONT_SLOTS_H
#define FRONT_SLOTS_H

#include <stdbool.h>

#include "daemon/slot.h"
#include "wasmd/cleanup.h"
#include "wasmd/err.h"

struct slot {
	int fd;
	void *map;
	struct ring audit, output; /* our reading ends */
};

MUST_CHECK int slot_make(struct slot *ret, struct err *e);
/* One that a zygote hands over; takes @fd. ERR_PEER: it is none. */
MUST_CHECK int slot_adopt(int fd, struct slot *ret, struct err *e);
/* Unmaps and closes; fine on a zeroed one. */
void slot_done(struct slot *s);

/* The record of output that was read last goes to the log, which then ends at
 * @log_end; and what an earlier front had done when it was killed. */
void slot_logging(struct slot *s, uint64_t log_end);
void slot_logged(struct slot *s, uint64_t log_end);

/* The guest shall end; wakes a worker that waits for room in its output ring. */
void slot_stop(struct slot *s);
/* After reading: lets a writer that found the ring full go on. */
void slot_room(struct ring *r);
/* The report, copied once; its message ends in NUL whatever stood there. */
void slot_report(const struct slot *s, struct slot_report *ret);
bool slot_stopping(const struct slot *s);
bool slot_blocked(const struct slot *s);

#endif
