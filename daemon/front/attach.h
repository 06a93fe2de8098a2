/*
 * A client attached to an instance: "Upgrade: wasmd-stream". Frames both ways,
 * docs/api.md has them: output and events to the client, standard input from
 * it. The instance does not depend on the client.
 */
#ifndef FRONT_ATTACH_H
#define FRONT_ATTACH_H

#include "daemon/front/http.h"

void attach_offer(struct request *r, const struct instance *i);

#endif
