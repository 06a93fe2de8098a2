/*
 * A grant that shows only some names: a directory of it can't be renamed.
 */
#include "wasi.h"

void _start(void)
{
	struct filestat fst;

	TRY(path_filestat_get, 3, 0, P("f"), &fst);
	TRY(path_filestat_get, 3, 0, P("d/x"), &fst);
	TRY(path_rename, 3, P("d"), 3, P("new"));
}
