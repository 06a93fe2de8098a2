/*
 * The guest as a process: leaving, signals, giving way.
 */
#include "vm/wasi/sys.h"

/* Refused by the gate, the call returns and the guest goes on. */
enum werr call_proc_exit(struct call *c)
{
	c->w->exit_status = (uint32_t)c->a[0];
	c->trap = VM_TRAP_EXIT;
	return WE_OK;
}

/* A guest has no signal handlers and no process of its own to signal; only
 * the null signal can be sent. Signals are numbered 0 to 30. */
enum werr call_proc_raise(struct call *c)
{
	if (c->a[0] > 30)
		return WE_INVAL;
	return c->a[0] == 0 ? WE_OK : WE_NOSYS;
}

enum werr call_sched_yield(struct call *c)
{
	return werr_of(sys_yield(c->w));
}
