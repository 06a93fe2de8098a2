/*
 * Instances on record: saved before an answer promises anything, loaded when
 * the daemon starts. An instance that is not kept is never written.
 */
#ifndef FRONT_RECORD_H
#define FRONT_RECORD_H

#include "daemon/front/instance.h"

/* Durable when it returns 0. */
MUST_CHECK int record_put(struct front *f, const struct instance *i, struct err *e);
/* As above for a state that nobody can be refused: when it fails it is tried
 * again, and at the end of the daemon once more. */
void record_save(struct front *f, struct instance *i);
/* The same for one that is about to enter its last state. */
void record_save_ended(struct front *f, struct instance *i);
/* Log and record, of one that is not live. ERR_QUOTA on a full disk: the record
 * stays. */
MUST_CHECK int record_drop(struct front *f, const struct instance *i, struct err *e);
/* It is off the record for good: those who follow events are told. */
void record_dropped(struct front *f, struct instance *i);
/* Its zygote keeps the end of a life until that is on record, or another began. */
void record_forget_end(struct front *f, struct instance *i);
/* Tries for the last time. */
void records_done(struct front *f);

/* Fills the table. What ran when the last front ended counts as running until
 * zygotes have told, and is lost, and says so, when none did. */
MUST_CHECK int records_load(struct front *f, struct err *e);
void records_settle(struct front *f);

#endif
