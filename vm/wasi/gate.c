/*
 * The one caller of the gate hook. It asks and translates; it decides nothing.
 */
#include "vm/wasi/fdtable.h"
#include "vm/wasi/wasi_priv.h"
#include "wasmd/attack.h"

bool gate_refused(const struct call *c)
{
	return (c->w->cfg.gate->refused >> c->row->op & 1) != 0;
}

enum werr gate_ask(struct call *c)
{
	const struct gate *g = c->w->cfg.gate;
	int verdict = attack_off(ATTACK_POLICY) ? 0 : g->judge(g->arg, &c->req);

	if (verdict == 0)
		return WE_OK;
	c->w->use.denied++;
	if (verdict == GATE_KILL) {
		c->trap = VM_TRAP_KILLED;
		return WE_CANCELED;
	}
	return verdict < 0 && werr_of(verdict) != WE_OK ? werr_of(verdict) : WE_ACCES;
}
