/* Read before Duktape (-include): how an error ends; see setjmp.h. */
#ifndef COMPAT_DUKTAPE_WASI_H
#define COMPAT_DUKTAPE_WASI_H

#include <setjmp.h>

struct duk_hthread;

/* Tells the error on top of the stack. */
_Noreturn void compat_throw(struct duk_hthread *c);

#define DUK_JMPBUF_TYPE jmp_buf
#define DUK_SETJMP(buf) setjmp(buf)
/* at its one place the heap holds what was thrown */
#define DUK_LONGJMP(buf)                                   \
	do {                                               \
		duk_push_tval(thr, &thr->heap->lj.value1); \
		compat_throw(thr);                         \
	} while (0)

#endif
