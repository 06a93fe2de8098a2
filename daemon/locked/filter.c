/*
 * syscalls.def -> seccomp. Builds only; confine() installs.
 */
#include "daemon/locked/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "wasmd/gate.h"

#define NAME_MAX_LEN 32u /* of a system call */

/* fork(2) as glibc makes it, and nothing more. */
#define FORK_OPTIONAL ((scmp_datum_t)(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID))

#define LOCKED (ROLE_FRONT | ROLE_ZYGOTE | ROLE_WORKER | ROLE_OPENER)

/* Calls that are let through only with these arguments, and in whose filter;
 * priv starts programs, whose loader maps code, and is spared most of them. */
static const struct narrowed {
	const char *name;
	unsigned roles;
	struct scmp_arg_cmp arg;
} narrowed[] = {
	{ "clone", LOCKED, { 0, SCMP_CMP_MASKED_EQ, ~FORK_OPTIONAL, SIGCHLD } },
	{ "mmap", LOCKED, { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
	{ "mprotect", LOCKED, { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
	{ "getsockopt", ROLE_ZYGOTE, { 2, SCMP_CMP_EQ, SO_ACCEPTCONN, 0 } },
	{ "socket", ROLE_PRIV | LOCKED, { 0, SCMP_CMP_EQ, AF_UNIX, 0 } },
	{ "socketpair", ROLE_PRIV | LOCKED, { 0, SCMP_CMP_EQ, AF_UNIX, 0 } },
	{ "seccomp", LOCKED, { 0, SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER, 0 } },
#ifndef WASMD_SANITIZED /* which names threads */
	{ "prctl", ROLE_ZYGOTE, { 0, SCMP_CMP_EQ, PR_SET_NO_NEW_PRIVS, 0 } },
#endif
};

static const struct narrowed *narrowed_by(enum role role, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(narrowed); i++)
		if ((narrowed[i].roles & role) != 0 && strcmp(narrowed[i].name, name) == 0)
			return &narrowed[i];
	return NULL;
}

/* A call that this architecture does not have is no error. */
static int allow(scmp_filter_ctx ctx, enum role whose, const char *name)
{
	const struct narrowed *only = narrowed_by(whose, name);
	int nr = seccomp_syscall_resolve_name(name);
	int r;

	if (nr == __NR_SCMP_ERROR)
		return -EINVAL;
	if (nr < 0)
		return 0;
	if (only != NULL)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1, only->arg);
	else
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	return r == -EEXIST ? 0 : r;
}

/* @role's calls, in @whose filter. */
static int allow_role(scmp_filter_ctx ctx, enum role whose, enum role role, struct err *e)
{
	for (const char *const *n = roles_syscalls(role); *n != NULL; n++) {
		int r = allow(ctx, whose, *n);

		if (r < 0)
			return err_set(e, ERR_ISOLATION, "seccomp: %s: %s", *n, strerror(-r));
	}
	return 0;
}

/* What host calls may need: the third column of gate.def. */
static int allow_gate(scmp_filter_ctx ctx, enum role whose, struct err *e)
{
	static const char *const rows[] = {
#define GATE(name, sets, syscalls) syscalls,
		WASMD_GATE_OPS(GATE)
#undef GATE
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (const char *s = rows[i]; *s != '\0'; s += strspn(s, " ")) {
			char name[NAME_MAX_LEN] = { 0 };
			size_t n = strcspn(s, " ");
			int r;

			(void)snprintf(name, sizeof(name), "%.*s", (int)n, s);
			r = allow(ctx, whose, name);
			if (r < 0)
				return err_set(e, ERR_ISOLATION, "seccomp: %s: %s", name,
					       strerror(-r));
			s += n;
		}
	}
	return 0;
}

static int fill(scmp_filter_ctx ctx, enum role role, struct err *e)
{
	static const enum role all[] = { ROLE_FRONT, ROLE_ZYGOTE, ROLE_WORKER, ROLE_OPENER };

	if (allow_role(ctx, role, role, e) < 0)
		return e->code;
	for (size_t i = 0; role == ROLE_PRIV && i < ARRAY_LEN(all); i++)
		if (allow_role(ctx, role, all[i], e) < 0)
			return e->code;
	if (role == ROLE_ZYGOTE && allow_role(ctx, role, ROLE_WORKER, e) < 0)
		return e->code;
	if (role == ROLE_ZYGOTE || role == ROLE_PRIV)
		return allow_gate(ctx, role, e);
	return 0;
}

/* glibc asks for clone3 first and falls back when the kernel lacks it. */
static int refuse_clone3(scmp_filter_ctx ctx, enum role role, struct err *e)
{
	int r;

	if (role == ROLE_PRIV)
		return 0;
	r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r < 0 ? err_set(e, ERR_ISOLATION, "seccomp: clone3: %s", strerror(-r)) : 0;
}

static int export_sealed(scmp_filter_ctx ctx, int *ret_fd, struct err *e)
{
	CLEANUP(close_p) int fd = memfd_create("filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return err_set(e, ERR_IO, "a memfd for a filter: %s", strerror(errno));
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return err_set(e, ERR_ISOLATION, "seccomp: %s", strerror(-r));
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_set(e, ERR_IO, "sealing a filter: %s", strerror(errno));
	*ret_fd = fd_take(&fd);
	return 0;
}

int filter_memfd(enum role role, int *ret_fd, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (ctx == NULL)
		return err_nomem(e);
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = fill(ctx, role, e);
	if (r == 0)
		r = refuse_clone3(ctx, role, e);
	if (r == 0)
		r = export_sealed(ctx, ret_fd, e);
	seccomp_release(ctx);
	return r;
}
