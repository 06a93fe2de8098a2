/*
 * WASI preview 1 on top of the engine (wasi_snapshot_preview1 and the older
 * wasi_unstable). Every call goes: decode arguments -> check the descriptor
 * -> fill the gate request -> ask the gate -> do the system call -> report.
 *
 * A struct wasi is made empty before the module is linked (a zygote does it)
 * and given its task later, after the fork.
 */
#ifndef WASMD_WASI_H
#define WASMD_WASI_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"
#include "wasmd/gate.h"
#include "wasmd/vm.h"

struct wasi;

/* Where a standard stream's bytes go when it is not a descriptor. Takes all
 * bytes or answers -errno; may wait. */
typedef int wasi_sink_fn(void *arg, int stream, const struct iovec *iov, int n);

/* A standard stream: a descriptor (owned by the caller), or the sink (fd -1),
 * or nothing (fd -1, no sink: reads see the end, writes are EBADF). */
struct wasi_stdio {
	int fd;
	bool sink;
};

/* One granted directory. @fd must be the root of a detached mount or, in the
 * bare runner, a plain directory; owned by the caller. */
struct wasi_preopen {
	int fd;
	const char *guest; /* absolute guest path, "/in"; borrowed */
	bool write;	   /* rights to change anything below it */
};

struct wasi_config {
	const char *const *args, *const *env; /* NULL-terminated, borrowed */
	struct wasi_stdio stdio[3];
	wasi_sink_fn *sink;
	void *sink_arg;
	const struct wasi_preopen *preopens; /* get descriptors 3, 4, ... */
	size_t n_preopens;
	const struct gate *gate;   /* required; borrowed */
	uint64_t tenant, instance; /* copied into gate requests */
	uint64_t clock_resolution; /* ns that clocks are coarsened to; 0: as they are */
	uint64_t max_host_calls;   /* then VM_TRAP_LIMIT; 0: unlimited */
	uint64_t max_output;	   /* bytes to descriptors 1 and 2, then VM_TRAP_LIMIT; 0 */
	uint64_t max_disk; /* bytes written to files or set aside in them, then VM_TRAP_LIMIT; 0 */
	uint32_t max_fds;  /* guest descriptors, then EMFILE; 0: LIM_GUEST_FDS */
	bool random;	   /* false: random_get is ENOSYS */
	const _Atomic uint32_t *stop; /* not 0: blocking calls return and the guest traps */
	_Atomic uint32_t *blocked;    /* 1 while a write waits for a reader; or NULL */
};

/* What the instance did so far. */
struct wasi_usage {
	uint64_t host_calls, denied;
	uint64_t bytes_read, bytes_written;
	uint64_t syscalls; /* made on the guest's behalf: the counting sys layer */
};

/* Which limit ended the guest, when the trap was VM_TRAP_LIMIT. */
enum wasi_limit { WASI_LIMIT_NONE, WASI_LIMIT_HOST_CALLS, WASI_LIMIT_OUTPUT, WASI_LIMIT_DISK };

MUST_CHECK int wasi_new(struct wasi **ret, struct err *e);
struct wasi *wasi_free(struct wasi *w);

/* A vm_resolve_fn; @arg is the struct wasi. Knows the functions of both WASI
 * modules; the sentence for others names the import and the nearest name. */
int wasi_resolve(void *arg, const struct vm_import *imp, struct vm_extern *ret, struct err *e);

/* Registers the store that wasi_resolve makes host functions in. Before
 * vm_instance_new. */
void wasi_attach(struct wasi *w, struct vm_store *s);

/* Gives an unconfigured struct wasi its task. @c is borrowed until wasi_free. */
MUST_CHECK int wasi_configure(struct wasi *w, const struct wasi_config *c, struct err *e);

/* Runs `_start` (command) of @i: start function first. The trap is NONE or
 * EXIT when it ended by itself; *ret_status is then its exit status. */
MUST_CHECK int wasi_run(struct wasi *w, struct vm_store *s, struct vm_instance *i,
			struct vm_trap_info *trap, uint32_t *ret_status, struct err *e);

/* A reactor's beginning: start function, then `_initialize` if exported. Its
 * exports are then called with vm_call. */
MUST_CHECK int wasi_initialize(struct wasi *w, struct vm_store *s, struct vm_instance *i,
			       struct vm_trap_info *trap, struct err *e);

/* What the guest gave to proc_exit, after VM_TRAP_EXIT; else 0. */
uint32_t wasi_exit_status(const struct wasi *w);

struct wasi_usage wasi_usage(const struct wasi *w);
enum wasi_limit wasi_limit_hit(const struct wasi *w);

/* WASI errno <-> Linux errno. */
uint16_t wasi_errno(int linux_errno);
const char *wasi_errno_name(uint16_t wasi_errno);

#endif
