/*
 * Any bytes: decode, validate, and disassemble what is valid. libFuzzer calls
 * this; so does replay.c with every file of corpus/fuzz_module.
 */
#include <stdlib.h>

#include "vm/body.h"
#include "vm/disasm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Validated code disassembles to its last byte. */
static void walk(const struct vm_module *m, const struct mod_func *f)
{
	struct rd r = span_rd(m, f->body);
	uint32_t runs = leb_u32(&r);
	char text[64];

	for (; runs > 0; runs--) {
		(void)leb_u32(&r);
		(void)valtype_read(&r);
	}
	while (rd_left(&r) > 0)
		if (!vm_disasm(&r, text, sizeof(text)))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct vm_module *m = NULL;
	struct vm_valid_module *v = NULL;
	struct err e = { 0 };
	int code = vm_module_decode(data, len, &m, &e);

	if (code == 0)
		code = vm_module_validate(m, &v, &e);
	if (code != e.code || (code == 0) != (v != NULL) || (code != 0 && e.msg[0] == '\0'))
		abort();
	if (v == NULL)
		return 0;
	for (uint32_t i = v->m->n_imported[VM_FUNC]; i < v->m->funcs.len; i++)
		walk(v->m, &v->m->funcs.at[i]);
	for (uint32_t i = 0; i < v->m->funcs.len && i < 16; i++)
		(void)mod_func_name(v->m, i);
	vm_valid_module_free(v);
	return 0;
}
