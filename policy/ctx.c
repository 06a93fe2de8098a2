/*
 * The table of the context's fields, as the verifier wants it.
 */
#include "policy/prog.h"

struct prog_world prog_world_gate(size_t n_globs)
{
	static const struct ctx_field fields[] = {
#define CTX(name, field)                            \
	{ (name), offsetof(struct gate_req, field), \
	  sizeof(((const struct gate_req *)NULL)->field), false },
		POLICY_CTX(CTX)
#undef CTX
	};

	return (struct prog_world){
		.fields = fields,
		.n_fields = ARRAY_LEN(fields),
		.n_globs = n_globs,
		.ctx_len = sizeof(struct gate_req),
	};
}
