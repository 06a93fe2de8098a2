/*
 * The decoded module: what decode fills, validate checks and compile reads.
 * Private to vm/. Everything hangs off one arena, so that a failure at any
 * point is a single free. Bytes of the module are borrowed, never copied:
 * names, bodies, data segments and constant expressions point into them.
 */
#ifndef VM_MODULE_H
#define VM_MODULE_H

#include "wasmd/vec.h"
#include "wasmd/vm.h"

#define VM_NO_INDEX UINT32_MAX
#define VM_PAGE	    65536u

struct span {
	const uint8_t *p;
	uint32_t len;
	uint32_t at; /* offset from the module's first byte */
};

struct mod_import {
	struct span module, name;
	enum vm_kind kind;
	uint32_t index; /* in the index space of its kind */
};

struct mod_export {
	struct span name;
	enum vm_kind kind;
	uint32_t index;
};

/* A function of the index space; imported ones come first and have no body. */
struct mod_func {
	uint32_t type;	  /* index in types */
	bool declared;	  /* may be named by ref.func in a body (spec 3.4.1, C.refs) */
	struct span body; /* locals and expression, as in the code section */
};

struct mod_table {
	struct vm_table_type type;
	struct span init; /* constant expression, or len 0: null */
};

struct mod_global {
	struct vm_global_type type;
	struct span init; /* constant expression; len 0 for an import */
};

enum seg_mode { SEG_ACTIVE, SEG_PASSIVE, SEG_DECLARATIVE };

struct mod_data {
	enum seg_mode mode;
	uint32_t memory;
	struct span offset; /* constant expression of an active segment */
	struct span bytes;
};

/* Elements are function indices, or constant expressions. */
struct mod_elem {
	enum seg_mode mode;
	uint8_t type; /* VM_FUNCREF or VM_EXTERNREF */
	bool exprs;   /* which of the two below is meant */
	uint32_t table;
	uint32_t n;
	struct span offset;
	uint32_t *funcs;    /* n function indices (VM_NO_INDEX never) */
	struct span *inits; /* n constant expressions */
};

struct vm_module {
	const uint8_t *bytes;
	size_t len;
	VEC(struct vm_func_type) types;
	VEC(struct mod_import) imports;
	VEC(struct mod_func) funcs;
	VEC(struct mod_table) tables;
	VEC(struct vm_limits) memories;
	VEC(struct mod_global) globals;
	VEC(struct mod_export) exports;
	VEC(struct mod_elem) elems;
	VEC(struct mod_data) datas;
	uint32_t n_imported[4]; /* by enum vm_kind */
	uint32_t start;		/* function index or VM_NO_INDEX */
	uint32_t n_data_count;	/* data count section, or VM_NO_INDEX */
	struct span code;	/* the whole code section, for measuring */
	struct span names;	/* the "name" section's contents; len 0: none */
	uint32_t *by_name;	/* exports in the order of their names; by validate */
	struct arena *arena;	/* owns the arrays that types and elems point to */
};

/* Validated; made by vm_module_validate only. Same bytes, now trusted. */
struct vm_valid_module {
	struct vm_module *m;
};

/* Order of names: by length, then by bytes. */
static inline int span_cmp(struct span a, struct span b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len != 0 ? memcmp(a.p, b.p, a.len) : 0;
}

/* The name of function @func from the name section (or an export), or an
 * empty span. Never fails: names are hints (spec appendix A, custom sections). */
struct span mod_func_name(const struct vm_module *m, uint32_t func);

/* vm/arena.c: bump allocation; everything dies with the arena. */
struct arena *arena_new(void);
void *arena_alloc(struct arena *a, size_t n, size_t size); /* zeroed, or NULL */
struct arena *arena_free(struct arena *a);

#endif
