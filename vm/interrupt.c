/*
 * Fuel and stop requests, in one check: the handlers count down a slice of
 * fuel held in a register; when it is used up they come here for another,
 * and here the stop flag is looked at. What is left of slice and reserve
 * together is exact at every moment.
 */
#include "vm/store.h"

static bool stop_asked(const struct vm_store *s)
{
	return s->stop != NULL && atomic_load_explicit(s->stop, memory_order_relaxed) != 0;
}

enum vm_trap fuel_refill(struct vm_store *s)
{
	uint64_t n = FUEL_SLICE;

	if (stop_asked(s))
		return VM_TRAP_STOPPED;
	if (s->reserve == 0) {
		s->left = 0;
		return VM_TRAP_FUEL;
	}
	if (s->reserve != UINT64_MAX) {
		n = n < s->reserve ? n : s->reserve;
		s->reserve -= n;
	}
	s->left += (int64_t)n;
	return VM_TRAP_NONE;
}

/* For work whose size is known beforehand: one look at the flag, all at once. */
enum vm_trap fuel_spend(struct vm_store *s, uint64_t n)
{
	uint64_t over;

	if (stop_asked(s))
		return VM_TRAP_STOPPED;
	if (s->reserve == UINT64_MAX)
		return VM_TRAP_NONE;
	if (n <= (uint64_t)s->left) {
		s->left -= (int64_t)n;
		return VM_TRAP_NONE;
	}
	over = n - (uint64_t)s->left;
	s->left = 0;
	if (over > s->reserve) {
		s->reserve = 0;
		return VM_TRAP_FUEL;
	}
	s->reserve -= over;
	return VM_TRAP_NONE;
}

void vm_store_set_stop(struct vm_store *s, const _Atomic uint32_t *flag)
{
	s->stop = flag;
}

void vm_store_set_fuel(struct vm_store *s, uint64_t fuel)
{
	s->left = 0;
	s->reserve = fuel;
}

uint64_t vm_store_fuel(const struct vm_store *s)
{
	return s->reserve == UINT64_MAX ? UINT64_MAX : s->reserve + (uint64_t)s->left;
}

enum vm_trap vm_caller_charge(struct vm_caller *c, uint64_t n)
{
	return fuel_spend(c->st, n);
}
