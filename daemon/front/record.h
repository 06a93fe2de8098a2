/*
 * Instances on record: saved before an answer promises anything, loaded when
 * the daemon starts. An instance that is not kept is never written.
 */
#ifndef FRONT_RECORD_H
#define FRONT_RECORD_H

#include "daemon/front/instance.h"

/* Durable when it returns 0. */
MUST_CHECK int record_put(struct front *f, const struct instance *i, struct err *e);
/* As above for a state that is only worth a line in the log when it fails. */
void record_save(struct front *f, const struct instance *i);
/* The same for one that is about to enter its last state. */
void record_save_ended(struct front *f, const struct instance *i);
/* Record and log, of one that is not live. */
void record_drop(struct front *f, const struct instance *i);

/* Fills the table. What ran when the last front ended counts as running until
 * zygotes have told, and is lost, and says so, when none did. */
MUST_CHECK int records_load(struct front *f, struct err *e);
void records_settle(struct front *f);

#endif
