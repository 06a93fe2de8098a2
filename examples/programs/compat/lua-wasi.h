/*
 * Read before every file of Lua (-include): what WASI has no call for, and
 * how an error ends. Without wasm exceptions an error that is raised is told
 * and ends the program: pcall returns only from what succeeds, and coroutines
 * cannot yield.
 */
#ifndef COMPAT_LUA_WASI_H
#define COMPAT_LUA_WASI_H

#include <stdio.h>
#include <stdlib.h>

struct lua_State;

_Noreturn void compat_throw(struct lua_State *L);

#define LUAI_THROW(L, c)  compat_throw(L)
#define LUAI_TRY(L, c, a) { a }
#define luai_jmpbuf	  int
#define system(command)	  ((command) == NULL ? 0 : -1)
#define tmpfile()	  ((FILE *)NULL)
#define LUA_TMPNAMBUFSIZE 1
#define lua_tmpnam(buf, e)   \
	{                    \
		(void)(buf); \
		(e) = 1;     \
	}

#endif
