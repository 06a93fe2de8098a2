/*
 * Starting an instance again: because its policy of restarting says so, after
 * a back-off, or because somebody asked for a restart. Starts are made in the
 * name of the client that started it last, whose connection is kept for that, and
 * only for as long as another start can come.
 */
#ifndef FRONT_RESTART_H
#define FRONT_RESTART_H

#include "daemon/front/instance.h"

#define RESTART_TEXT 32

/* "no", "on-failure", "on-failure:N" or "always". */
bool restart_parse(const char *text, struct restart *ret);
void restart_text(const struct restart *r, char ret[RESTART_TEXT]);

/* From now on @i may be started again in the name of @who. */
MUST_CHECK int restart_keep(struct front *f, struct instance *i, const struct who *who,
			    struct err *e);
/* No start by itself any more; true when one was due. */
bool restart_forget(struct instance *i);
/* When it will be started by itself; 0: not. */
int64_t restart_due(const struct instance *i);

/* Once it has ended, it starts at once, whatever its policy; needs restart_keep. */
void restart_ask(struct instance *i);
bool restart_asked(const struct instance *i);
/* It is about to be told that it has ended: later, or never again. */
void restart_plan(struct instance *i);
/* Nothing of it is left: now, if that was asked for. */
void restart_consider(struct instance *i);

#endif
