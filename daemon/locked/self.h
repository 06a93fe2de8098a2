/*
 * A program that confines itself once its own set-up is done: the front.
 * Nothing here can spawn, mount or change identity.
 */
#ifndef DAEMON_LOCKED_SELF_H
#define DAEMON_LOCKED_SELF_H

#include "daemon/roles.h"
#include "wasmd/cleanup.h"
#include "wasmd/err.h"

/* Drops every capability, forbids new privileges, installs @role's filter on
 * the whole process. Descriptors and limits stay as they are. ERR_ISOLATION. */
MUST_CHECK int confine_self(enum role role, struct err *e);

#endif
