/*
 * Descriptors: what they are, what they may, their numbers.
 */
#include "wasi.h"

static u32 f, n;
static struct fdstat st;
static struct filestat fst;
static char name[16];

static void attributes(void)
{
	TRY(fd_fdstat_get, f, &st);
	told("type", st.filetype);
	told("rights", st.rights);
	told("inheriting", st.inherit);
	TRY(fd_fdstat_get, 3, &st);
	told("type", st.filetype);
	told("rights", st.rights);
	told("inheriting", st.inherit);
	TRY(fd_fdstat_get, 4, &st);
	told("rights, read only", st.rights);
	TRY(fd_fdstat_get, 99, &st);
	TRY(fd_fdstat_get, f, BAD);
	TRY(fd_filestat_get, f, &fst);
	told("type", fst.filetype);
	told("size", fst.size);
	told("links", fst.nlink);
	TRY(fd_filestat_get, 99, &fst);
	TRY(fd_filestat_get, f, BAD);
}

static void flags(void)
{
	TRY(fd_fdstat_set_flags, f, FDF_APPEND | FDF_NONBLOCK);
	TRY(fd_fdstat_get, f, &st);
	told("flags", st.flags);
	TRY(fd_fdstat_set_flags, f, 0);
	TRY(fd_fdstat_set_flags, f, FDF_SYNC);
	TRY(fd_fdstat_set_flags, 1, FDF_APPEND);
	TRY(fd_fdstat_set_flags, f, 32);
	TRY(fd_fdstat_set_flags, 99, 0);
}

static void advice(void)
{
	for (u32 i = 0; i < 6; i++)
		TRY(fd_advise, f, 0, 100, i);
	TRY(fd_advise, f, 0, 100, 6);
	TRY(fd_advise, f, INT64_MAX, 1, 0);
	TRY(fd_advise, 3, 0, 100, 0);
	TRY(fd_advise, 99, 0, 100, 0);
	TRY(fd_sync, f);
	TRY(fd_sync, 3);
	TRY(fd_sync, 1);
	TRY(fd_sync, 99);
	TRY(fd_datasync, f);
	TRY(fd_datasync, 3);
	TRY(fd_datasync, 1);
	TRY(fd_datasync, 99);
}

static void grants(void)
{
	u32 prestat[2];

	TRY(fd_prestat_get, 3, prestat);
	told("kind", prestat[0] & 0xff);
	told("length", prestat[1]);
	TRY(fd_prestat_dir_name, 3, name, 2);
	told_text("name", name, 2);
	TRY(fd_prestat_dir_name, 3, name, 1);
	TRY(fd_prestat_dir_name, 3, BAD, 2);
	TRY(fd_prestat_dir_name, f, name, 16);
	TRY(fd_prestat_dir_name, 99, name, 16);
	TRY(fd_prestat_get, 3, BAD);
	TRY(fd_prestat_get, f, prestat);
	TRY(fd_prestat_get, 99, prestat);
}

/* Rights shrink, and what they were for goes with them. */
static void rights(void)
{
	TRY(fd_fdstat_set_rights, 99, 0, 0);
	TRY(fd_fdstat_set_rights, f, R_ALL, 0);
	TRY(fd_fdstat_set_rights, 4, R_PATH_UNLINK_FILE, 0);
	TRY(fd_fdstat_set_rights, f, R_FD_SEEK, 0);
	TRY(fd_tell, f, &fst.size);
	TRY(fd_fdstat_set_rights, f, 0, 0);
	TRY(fd_tell, f, &fst.size);
	TRY(fd_fdstat_set_flags, f, 0);
	TRY(fd_filestat_get, f, &fst);
	TRY(fd_sync, f);
	TRY(fd_datasync, f);
	TRY(fd_fdstat_set_rights, f, R_FD_READ, 0);
	TRY(fd_fdstat_get, f, &st);
	told("rights", st.rights);
}

static void numbers(void)
{
	u32 g = opened(3, "f", 0, R_FD_READ | R_FD_SEEK);

	told("number", g);
	TRY(fd_renumber, 99, g);
	TRY(fd_renumber, g, 99);
	TRY(fd_renumber, g, g);
	TRY(fd_renumber, g, f);
	TRY(fd_tell, g, &fst.size);
	TRY(fd_tell, f, &fst.size);
	TRY(fd_renumber, 3, f);
	TRY(fd_prestat_get, 3, &n);
	TRY(fd_prestat_dir_name, f, name, 16);
	TRY(fd_renumber, f, 3);
	TRY(fd_close, 4);
	TRY(fd_prestat_get, 4, &n);
	told("number", opened(f, "f", 0, R_FD_READ));
	TRY(fd_close, f);
	TRY(fd_close, f);
}

void _start(void)
{
	f = opened(3, "f", 0, R_FILE);
	attributes();
	flags();
	advice();
	grants();
	rights();
	numbers();
}
