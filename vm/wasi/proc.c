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

/* What each signal does by itself, by its number here: T it ends the guest, I
 * it is ignored, C it continues whoever is stopped, S it stops. There are no
 * handlers to ask. */
static const char actions[] = "ITTTTTTTTTTTTITTICSSSSITTTTITTT";

/* The status of a guest that a signal ended is what a shell would say. */
enum werr call_proc_raise(struct call *c)
{
	uint64_t sig = c->a[0];

	if (sig >= sizeof(actions) - 1)
		return WE_INVAL;
	if (actions[sig] == 'S')
		return WE_NOTSUP;
	if (actions[sig] == 'T') {
		c->w->exit_status = 128 + (uint32_t)sig;
		c->trap = VM_TRAP_EXIT;
	}
	return WE_OK;
}

enum werr call_sched_yield(struct call *c)
{
	return werr_of(sys_yield(c->w));
}
