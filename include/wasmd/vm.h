/*
 * The engine's face: bytes -> module -> valid_module -> code -> instance.
 * Each stage takes only what the stage before makes, so nothing runs that was
 * not validated. WebAssembly core specification, release 3.0; what of it is
 * not supported yet is refused with ERR_UNSUPPORTED and the feature's name.
 *
 * The engine never prints, forks or keeps mutable globals. One store is used
 * by one thread at a time. A store may be copied by fork(2): the child's copy
 * is whole (the zygote instantiates, its children run).
 */
#ifndef WASMD_VM_H
#define WASMD_VM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"
#include "wasmd/traps.def"

/* Value types, numbered as in the binary format (spec 5.3). */
enum vm_type {
	VM_I32 = 0x7f,
	VM_I64 = 0x7e,
	VM_F32 = 0x7d,
	VM_F64 = 0x7c,
	VM_V128 = 0x7b,
	VM_FUNCREF = 0x70,
	VM_EXTERNREF = 0x6f,
};

/* One value. References: NULL is the null reference; a funcref points to a
 * struct vm_func of the same store, an externref is the host's own. */
union vm_value {
	uint32_t i32;
	uint64_t i64;
	float f32;
	double f64;
	const void *ref;
	uint64_t bits;
};

struct vm_func_type {
	const uint8_t *params, *results; /* enum vm_type; owned by the module */
	uint32_t n_params, n_results;
};

struct vm_limits {
	uint64_t min, max; /* pages or entries */
	bool has_max;
};

struct vm_global_type {
	uint8_t type; /* enum vm_type */
	bool mutable;
};

struct vm_table_type {
	uint8_t type; /* VM_FUNCREF or VM_EXTERNREF */
	struct vm_limits limits;
};

enum vm_kind { VM_FUNC, VM_TABLE, VM_MEMORY, VM_GLOBAL };

/* What an import asks for, or an export offers. Strings and types are
 * borrowed from the module and not NUL terminated. */
struct vm_extern_type {
	enum vm_kind kind;
	union {
		const struct vm_func_type *func;
		struct vm_table_type table;
		struct vm_limits memory;
		struct vm_global_type global;
	};
};

struct vm_import {
	const char *module, *name;
	uint32_t module_len, name_len;
	struct vm_extern_type type;
};

struct vm_export {
	const char *name;
	uint32_t name_len;
	struct vm_extern_type type;
};

struct vm_module;
struct vm_valid_module;
struct vm_code;
struct vm_store;
struct vm_instance;
struct vm_func;
struct vm_table;
struct vm_memory;
struct vm_global;

/* ---- bytes to code ------------------------------------------------------ */

/* @bytes are borrowed and must outlive the module and all made from it.
 * ERR_MALFORMED, ERR_UNSUPPORTED, ERR_LIMIT, ERR_NOMEM; the sentence names
 * the offset, as in "offset 0x1f3: ...". */
MUST_CHECK int vm_module_decode(const void *bytes, size_t len, struct vm_module **ret,
				struct err *e);
struct vm_module *vm_module_free(struct vm_module *m);

/* Consumes @take on success and on failure. ERR_INVALID and as above. */
MUST_CHECK int vm_module_validate(struct vm_module *take, struct vm_valid_module **ret,
				  struct err *e);
struct vm_valid_module *vm_valid_module_free(struct vm_valid_module *m);

/* Consumes @take. Bodies are compiled at their first call, which ends with
 * VM_TRAP_FUEL or VM_TRAP_STOPPED like any other work of the guest's. */
MUST_CHECK int vm_module_compile(struct vm_valid_module *take, struct vm_code **ret, struct err *e);
struct vm_code *vm_code_ref(struct vm_code *c);
struct vm_code *vm_code_unref(struct vm_code *c);

/* Compiles every body now; for measuring and for warm zygotes. */
MUST_CHECK int vm_code_compile_all(struct vm_code *c, struct err *e);

/* Function @func, imported ones counted, as instructions beside its compiled
 * code, compiled now if it is not yet. ERR_INVALID, and those of compiling. */
typedef void vm_line_fn(void *arg, const char *line);
MUST_CHECK int vm_code_dump(struct vm_code *c, uint32_t func, vm_line_fn *line, void *arg,
			    struct err *e);

uint32_t vm_code_n_imports(const struct vm_code *c);
struct vm_import vm_code_import(const struct vm_code *c, uint32_t i);
uint32_t vm_code_n_exports(const struct vm_code *c);
struct vm_export vm_code_export(const struct vm_code *c, uint32_t i);
uint64_t vm_code_n_funcs(const struct vm_code *c); /* imported ones included */

/* ---- the store ---------------------------------------------------------- */

/* What one store may hold; 0 means the default of limits.h. */
struct vm_store_limits {
	uint64_t memory;     /* bytes of all linear memories together */
	uint64_t table;	     /* entries of all tables together */
	uint32_t stack;	     /* bytes of value stack */
	uint32_t call_depth; /* frames */
};

/* The store owns every instance, function, table, memory and global made in
 * it; all die with it. */
MUST_CHECK int vm_store_new(const struct vm_store_limits *lim, struct vm_store **ret,
			    struct err *e);
struct vm_store *vm_store_free(struct vm_store *s);

/* Tightens or widens the limits of a store that already holds instances
 * (a worker does so after the fork). ERR_LIMIT when more is already in use. */
MUST_CHECK int vm_store_set_limits(struct vm_store *s, const struct vm_store_limits *lim,
				   struct err *e);

/* While *@flag is not 0 the guest traps with VM_TRAP_STOPPED at its next back
 * edge, call, or slice of a bulk operation. Borrowed; may lie in shared memory. */
void vm_store_set_stop(struct vm_store *s, const _Atomic uint32_t *flag);

/* Fuel: deterministic; UINT64_MAX means unmetered. The first call of a function
 * that is not compiled yet also costs its compilation, by the length of its body. */
void vm_store_set_fuel(struct vm_store *s, uint64_t fuel);
uint64_t vm_store_fuel(const struct vm_store *s);	 /* left */
uint64_t vm_store_memory_peak(const struct vm_store *s); /* bytes, all memories */

/* One thing to import or export; borrowed from the store. */
struct vm_extern {
	enum vm_kind kind;
	union {
		struct vm_func *func;
		struct vm_table *table;
		struct vm_memory *memory;
		struct vm_global *global;
	};
};

/* ---- traps -------------------------------------------------------------- */

enum vm_trap {
	VM_TRAP_NONE,
#define TRAP(name, text) VM_TRAP_##name,
	WASMD_TRAPS(TRAP)
#undef TRAP
		VM_TRAP_COUNT,
};

struct vm_frame {
	uint32_t func;	  /* index in its module */
	uint32_t offset;  /* of the instruction, from the module's first byte */
	const char *name; /* name section or export; NULL; not NUL terminated */
	uint32_t name_len;
};

/* How a call ended. Frames are innermost first. */
struct vm_trap_info {
	enum vm_trap trap;
	uint32_t n_frames; /* kept; at most LIM_BACKTRACE */
	uint32_t depth;	   /* frames there were */
	struct vm_frame frames[32];
};

const char *vm_trap_text(enum vm_trap t);

/* "out of bounds memory access at offset 0x3f2 in func 12 <copy>" to @buf. */
void vm_trap_format(const struct vm_trap_info *t, char *buf, size_t size);

/* ---- the host's side ---------------------------------------------------- */

/* Who calls a host function: the store and the calling instance's memory 0. */
struct vm_caller;

/* @v holds the arguments and receives the results. Anything but
 * VM_TRAP_NONE ends the guest. */
typedef enum vm_trap vm_host_fn(void *arg, struct vm_caller *c, union vm_value *v);

/* @len bytes of the caller's memory 0 at guest address @addr, or NULL. Valid
 * until the guest runs again. */
void *vm_caller_mem(struct vm_caller *c, uint64_t addr, uint64_t len);

/* Charges @n fuel for work done by the host; VM_TRAP_FUEL when it is used up. */
enum vm_trap vm_caller_charge(struct vm_caller *c, uint64_t n);

/* Types are copied. */
MUST_CHECK int vm_func_new(struct vm_store *s, const struct vm_func_type *type, vm_host_fn *fn,
			   void *arg, struct vm_func **ret, struct err *e);
MUST_CHECK int vm_table_new(struct vm_store *s, const struct vm_table_type *type,
			    union vm_value init, struct vm_table **ret, struct err *e);
MUST_CHECK int vm_memory_new(struct vm_store *s, const struct vm_limits *pages,
			     struct vm_memory **ret, struct err *e);
MUST_CHECK int vm_global_new(struct vm_store *s, const struct vm_global_type *type,
			     union vm_value init, struct vm_global **ret, struct err *e);

union vm_value vm_global_get(const struct vm_global *g);
const struct vm_func_type *vm_func_type(const struct vm_func *f);
/* The memory's bytes; moves when it grows. */
void *vm_memory_data(const struct vm_memory *m, uint64_t *ret_len);

/* ---- instances ---------------------------------------------------------- */

/* Answers one import: fills *ret, or ERR_UNLINKABLE with a sentence. Types
 * are checked by the engine afterwards. */
typedef int vm_resolve_fn(void *arg, const struct vm_import *imp, struct vm_extern *ret,
			  struct err *e);

/*
 * Links, allocates, and runs the element and data segments; does not run the
 * start function. ERR_UNLINKABLE names the import. A segment out of bounds is
 * ERR_TRAP and *trap says which; what was written before stays written, as
 * the specification says. @c is referenced, not consumed.
 */
MUST_CHECK int vm_instance_new(struct vm_store *s, struct vm_code *c, vm_resolve_fn *resolve,
			       void *arg, struct vm_instance **ret, struct vm_trap_info *trap,
			       struct err *e);

/* Moves each memory in which data segments wrote at least @least bytes to a
 * file in memory, mapped privately: children of a fork then share it, and the
 * fork need not copy its page tables. Before anything ran in @i; after a
 * failure @i is of no use. ERR_NOMEM, ERR_STATE. */
MUST_CHECK int vm_instance_image(struct vm_instance *i, uint64_t least, struct err *e);

/* Runs the module's start function, if it has one. Once. */
MUST_CHECK enum vm_trap vm_instance_start(struct vm_instance *i, struct vm_trap_info *trap);

/* false when there is no such export. @name need not be NUL terminated. */
bool vm_instance_export(const struct vm_instance *i, const char *name, size_t len,
			struct vm_extern *ret);

/* Calls @f: @v holds n_params arguments and receives n_results results (room
 * for the larger of the two). Not reentrant from a host function. */
MUST_CHECK enum vm_trap vm_call(struct vm_store *s, struct vm_func *f, union vm_value *v,
				struct vm_trap_info *trap);

#endif
