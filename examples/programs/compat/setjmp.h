/*
 * For interpreters built for WASI, whose libc has no setjmp. To unwind, wasm
 * needs exceptions, which the engine does not run yet. So the first return of
 * setjmp is the only one, and who would jump ends the program instead: what
 * catches its own errors (pcall, try) cannot.
 */
#ifndef COMPAT_SETJMP_H
#define COMPAT_SETJMP_H

typedef int jmp_buf[1];

#define setjmp(buf) ((void)(buf), 0)

#endif
