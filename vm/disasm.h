/*
 * One instruction as text, for error messages, dumps and tests.
 */
#ifndef VM_DISASM_H
#define VM_DISASM_H

#include "wasmd/bytes.h"

/* Writes the instruction at the cursor, as in the text format with plain
 * indices: "i32.load offset=16 align=4". Cuts what does not fit @size.
 * false, and the fault latched in @r, at anything that is no instruction. */
bool vm_disasm(struct rd *r, char *buf, size_t size);

#endif
