/* How an error of Lua ends: see compat/lua-wasi.h. */
#include "lua.h"

_Noreturn void compat_throw(struct lua_State *L)
{
	const char *text = lua_status(L) == LUA_YIELD ? "this build cannot yield"
						      : lua_tostring(L, -1);

	(void)fprintf(stderr, "lua: %s\n", text != NULL ? text : "(error object is not a string)");
	exit(1);
}
