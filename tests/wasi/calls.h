/*
 * A rig for host calls one by one, without an engine: a directory granted
 * twice, a pipe, a gate that remembers what it was asked.
 */
#ifndef TEST_CALLS_H
#define TEST_CALLS_H

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>
#include <errno.h>

#include "fake-vm.h"
#include "vm/wasi/abi.h"
#include "vm/wasi/wasi.def"
#include "wasmd/fault.h"
#include "wasmd/limits.h"

#define P1  "wasi_snapshot_preview1"
#define OLD "wasi_unstable"

/* Guest addresses that the tests use. */
enum { A_PATH = 1000, A_PATH2 = 6000, A_IOV = 11000, A_RET = 12000, A_RET2 = 12100, A_BUF = 20000 };

struct seen {
	struct gate_req req;
	char path[2][8300];
	unsigned asked;
	int verdict;
	const char *deny; /* this path is refused with EACCES */
	const char *by;	  /* this name takes the place of a.txt while a call is judged */
	int dir;
};

struct ctx {
	char root[64];
	int dir, pipe[2];
	struct wasi *w;
	struct vm_caller *c;
	enum vm_trap trap;
	struct gate gate;
	struct seen seen;
	struct wasi_preopen pre[2];
	struct wasi_config cfg;
	_Atomic uint32_t stop;
};

/* A guest's memory. */
void put_str(struct ctx *t, uint32_t at, const char *s);
void put_iov(struct ctx *t, uint32_t base, uint32_t len);
void put_clock(struct ctx *t, uint64_t ns); /* a subscription at A_BUF */
uint32_t get32(struct ctx *t, uint32_t at);
uint64_t get64(struct ctx *t, uint32_t at);

#define CALL_(t, mod, name, ...) \
	fake_call((t)->w, (t)->c, mod, name, (const uint64_t[]){ __VA_ARGS__, 0 }, &(t)->trap)
#define W(t, name, ...) CALL_(t, P1, name, __VA_ARGS__)

/* A call with one path. */
#define PATH1(t, name, dir, p, ...) \
	(put_str(t, A_PATH, p), W(t, name, dir, A_PATH, strlen(p), ##__VA_ARGS__))

uint32_t open_at(struct ctx *t, uint32_t dir, const char *path, unsigned oflags, uint64_t rights);

void host_file(struct ctx *t, const char *name, const char *text);
void reconfigure(struct ctx *t); /* t->cfg, from the beginning */

/* Every function, by the table of the interface. */
struct named_call {
	const char *name, *sig;
};
#define N_CALLS GATE_OP_COUNT
extern const struct named_call table[N_CALLS];

int setup(void **state);
int teardown(void **state);
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
