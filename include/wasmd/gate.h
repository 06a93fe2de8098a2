/*
 * The gate: the contract between a host call and a policy. vm/wasi fills a
 * struct gate_req before anything happens, the worker passes it to the
 * policy, whose eBPF program reads it as its context at these very offsets.
 * Fields are appended, never moved. Neither side knows the other.
 */
#ifndef WASMD_GATE_H
#define WASMD_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wasmd/gate.def"

enum gate_set {
#define SET(id, text, bit) GATE_##id = (bit),
	WASMD_GATE_SETS(SET)
#undef SET
};

enum gate_op {
#define GATE(name, sets, syscalls) GATE_OP_##name,
	WASMD_GATE_OPS(GATE)
#undef GATE
		GATE_OP_COUNT,
};
_Static_assert(GATE_OP_COUNT <= 64, "struct gate keeps one bit per operation");

enum gate_class {
	GATE_CLASS_NONE, /* the call names no object */
	GATE_CLASS_FILE,
	GATE_CLASS_DIR,
	GATE_CLASS_STREAM, /* pipe, terminal, output ring */
	GATE_CLASS_SOCK,
	GATE_CLASS_LINK,    /* a symbolic link, not followed */
	GATE_CLASS_UNKNOWN, /* does not exist yet, or was not looked at */
};

#define GATE_NO_FD UINT64_MAX

/* One object of a call. rename, link and symlink have two (symlink's second
 * is the link made; its first is the target text, class GATE_CLASS_NONE). */
struct gate_obj {
	uint64_t fd;	   /* guest descriptor, or GATE_NO_FD */
	uint64_t rights;   /* WASI rights of fd; for path_open those asked for */
	uint32_t class;	   /* enum gate_class */
	uint32_t sets;	   /* GATE_FS_READ | ...: what would be done to it */
	uint32_t path_len; /* bytes; 0 when it has no path */
	uint32_t pad;
	const char *path; /* resolved guest path, absolute, not NUL terminated */
};

struct gate_req {
	uint32_t op;		   /* enum gate_op */
	uint32_t flags;		   /* of the call: oflags << 16 | fdflags, riflags, ... */
	uint64_t generation;	   /* of the policy that judges */
	uint64_t addr;		   /* guest address of the data, where there is one */
	uint64_t len;		   /* bytes asked for */
	uint64_t offset;	   /* file offset, clock id, signal, ... */
	uint64_t tenant, instance; /* numbers for programs; names stay outside */
	struct gate_obj obj[2];
};
_Static_assert(sizeof(struct gate_obj) == 40, "read by eBPF programs");
_Static_assert(sizeof(struct gate_req) == 136, "read by eBPF programs");

#define GATE_KILL (-4096) /* the verdict that ends the instance */

/* 0: go on; -errno (Linux numbers): the guest gets it; or GATE_KILL. */
typedef int gate_fn(void *arg, const struct gate_req *req);

struct gate {
	gate_fn *judge;
	void *arg;
	uint64_t refused;    /* bit per op that no argument can make allowed: such a
			   * call is judged before any system call is made */
	uint64_t generation; /* of the policy that judges; stands in each request */
	uint8_t paths;	     /* 1: rules look at paths, resolve them before judging */
	/* Does @rel, relative to that preopened directory, exist for the guest?
	 * "" is the directory itself; asked with @dir false it tells whether
	 * everything in it does. NULL: everything exists. */
	bool (*visible)(void *arg, uint32_t preopen, const char *rel, uint32_t len, bool dir);
};

#endif
