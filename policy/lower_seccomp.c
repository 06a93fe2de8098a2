/*
 * Grants -> the worker's seccomp filter, through libseccomp: the system calls
 * that every worker needs, and those of the operations that the policy can
 * allow at all. Everything else kills the process; so do other architectures.
 */
#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>

#include "policy/lower.h"
#include "wasmd/fault.h"

#define NAME_MAX_LEN 32u

static void release_p(scmp_filter_ctx *ctx)
{
	if (*ctx != NULL)
		seccomp_release(*ctx);
}

/* No list may name these: a worker that needs one is broken. */
static const char *const never[] = {
	"execve", "execveat",	       "fork",	"vfork",   "clone",   "clone3", "ptrace",
	"socket", "connect",	       "mount", "umount2", "unshare", "setns",	"ioctl",
	"bpf",	  "process_vm_writev",
};

static int failed(struct err *e, const char *what, int r)
{
	return r == -ENOMEM ? err_nomem(e)
			    : err_set(e, ERR_INTERNAL, "libseccomp, %s: %s", what, strerror(-r));
}

static bool maps_memory(const char *name)
{
	return strcmp(name, "mmap") == 0 || strcmp(name, "mprotect") == 0 ||
	       strcmp(name, "pkey_mprotect") == 0;
}

static int allow(scmp_filter_ctx ctx, const char *name, struct err *e)
{
	int nr = seccomp_syscall_resolve_name(name), r;

	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (strcmp(name, never[i]) == 0)
			return err_set(e, ERR_POLICY, "no worker may make the system call %s",
				       name);
	if (nr == __NR_SCMP_ERROR)
		return err_set(e, ERR_POLICY, "there is no system call %s", name);
	if (nr < 0)
		return 0; /* not on this architecture */
	if (maps_memory(name))
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	else
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	return r == 0 || r == -EEXIST ? 0 : failed(e, name, r);
}

/* @list: names with spaces between, as in gate.def. */
static int allow_list(scmp_filter_ctx ctx, const char *list, struct err *e)
{
	char name[NAME_MAX_LEN];

	while (*list != '\0') {
		size_t n = strcspn(list, " ");

		(void)snprintf(name, sizeof(name), "%.*s", (int)n, list);
		if (n > 0 && allow(ctx, name, e) < 0)
			return e->code;
		list += n + (list[n] == ' ');
	}
	return 0;
}

static int allow_ops(scmp_filter_ctx ctx, uint64_t refused, struct err *e)
{
	static const char *const syscalls[] = {
#define GATE(name, sets, syscalls) syscalls,
		WASMD_GATE_OPS(GATE)
#undef GATE
	};

	for (size_t op = 0; op < GATE_OP_COUNT; op++)
		if (!(refused >> op & 1) && allow_list(ctx, syscalls[op], e) < 0)
			return e->code;
	return 0;
}

static int set_attributes(scmp_filter_ctx ctx, struct err *e)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0) /* a binary tree: the filter runs on every system call */
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0) /* its caller falls back to clone, which kills */
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r == 0 ? 0 : failed(e, "attributes", r);
}

/* libseccomp writes to descriptors only: an anonymous one, read back. */
static int export(scmp_filter_ctx ctx, struct seccomp_lowered *ret, struct err *e)
{
	CLEANUP(close_p) int fd = memfd_create("filter", MFD_CLOEXEC);
	CLEANUP(free_p) struct sock_filter *at = NULL;
	int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	off_t size = r == 0 ? lseek(fd, 0, SEEK_END) : 0;

	if (r != 0)
		return failed(e, "export", r);
	if (size <= 0 || size % (off_t)sizeof(*at) != 0)
		return err_set(e, ERR_INTERNAL, "libseccomp wrote %lld bytes", (long long)size);
	at = mem_new((size_t)size, 1);
	if (at == NULL)
		return err_nomem(e);
	if (pread(fd, at, (size_t)size, 0) != size)
		return err_set(e, ERR_IO, "the filter could not be read back");
	ret->n = (size_t)size / sizeof(*at);
	ret->at = at;
	at = NULL;
	return 0;
}

int lower_seccomp(uint64_t refused, const char *const *base, struct seccomp_lowered *ret,
		  struct err *e)
{
	CLEANUP(release_p) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (ctx == NULL)
		return err_nomem(e);
	if (set_attributes(ctx, e) < 0)
		return e->code;
	for (; *base != NULL; base++)
		if (allow(ctx, *base, e) < 0)
			return e->code;
	if (allow_ops(ctx, refused, e) < 0)
		return e->code;
	return export(ctx, ret, e);
}
