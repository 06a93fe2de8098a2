/*
 * A reactor's calls, from the inside of its worker: messages of the call
 * channel in, the guest's exports run, answers out.
 */
#ifndef DAEMON_LOCKED_CALL_H
#define DAEMON_LOCKED_CALL_H

#include <stdatomic.h>

#include "daemon/locked/worker.h"

/* Answers calls on @fd one after another until the channel closes (*trap NONE),
 * *@stop is set (STOPPED), or a call ended the guest: an exit, a limit, a kill
 * by the policy. A plain trap ends its call only. */
void calls_serve(const struct guest *g, int fd, const _Atomic uint32_t *stop,
		 struct vm_trap_info *trap);

#endif
