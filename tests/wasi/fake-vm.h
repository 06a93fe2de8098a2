/*
 * An engine that runs nothing: enough of wasmd/vm.h to make host calls from a
 * test as a guest would, with a memory of its own.
 */
#ifndef TESTS_FAKE_VM_H
#define TESTS_FAKE_VM_H

#include "wasmd/wasi.h"

#define FAKE_MEM (1u << 20)

struct vm_caller {
	uint8_t mem[FAKE_MEM];
	uint64_t fuel;
};

/* Calls function @name of @w with @args (as many as it takes); *ret_trap says
 * how it ended, the answer is its errno. */
uint32_t fake_call(struct wasi *w, struct vm_caller *c, const char *module, const char *name,
		   const uint64_t *args, enum vm_trap *ret_trap);

#endif
