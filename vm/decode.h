/*
 * What the decoder's files share: one cursor over the module, narrowed to the
 * section being read. Faults latch in the cursor or in the error; loops ask
 * dec_ok, and decode.c reports once.
 */
#ifndef VM_DECODE_H
#define VM_DECODE_H

#include "vm/body.h"
#include "wasmd/err.h"
#include "wasmd/limits.h"

struct dec {
	struct rd r;
	struct vm_module *m;
	struct err *e;
	const char *where; /* "type section" */
	uint32_t n_codes;
	uint8_t order; /* of the last section that was not custom */
};

static inline bool dec_ok(const struct dec *d)
{
	return d->r.bad == NULL && d->e->code == 0;
}

/* The number of @what that follow, each at least one byte: never more than
 * there are bytes left or than @limit, less @have of them already there. */
uint32_t dec_count(struct dec *d, const char *what, size_t have, uint32_t limit);

/* "offset 0x1f3, type section: 5 types; at most 4 are accepted". */
void dec_limit(struct dec *d, const char *what, uint64_t n, uint64_t limit);

struct span dec_bytes(struct dec *d, uint32_t len);
struct span dec_name(struct dec *d);

/* A constant expression with its end; only delimited. */
struct span dec_expr(struct dec *d);

/* A new zeroed element of one of the module's vectors, or NULL and an error. */
#define DEC_PUSH(d, v)                           \
	({                                       \
		void *el_ = VEC_PUSH(v);         \
		if (el_ == NULL)                 \
			(void)err_nomem((d)->e); \
		el_;                             \
	})

/* decode_section.c */
void dec_types(struct dec *d);
void dec_imports(struct dec *d);
void dec_funcs(struct dec *d);
void dec_tables(struct dec *d);
void dec_memories(struct dec *d);
void dec_globals(struct dec *d);
void dec_exports(struct dec *d);
void dec_start(struct dec *d);

/* decode_segment.c */
void dec_elems(struct dec *d);
void dec_data_count(struct dec *d);
void dec_code(struct dec *d);
void dec_datas(struct dec *d);

#endif
