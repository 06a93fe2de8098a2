/* Descriptors from a client: see passed.h. */
#include "daemon/front/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define PASSED_MAX 253u /* SCM_MAX_FD: more than one message can carry do not come */

/* clang-format off */
/* File systems whose regular files are doors into the kernel or another
 * process: /proc/self/mem, /proc/self/ns/net, a pinned map. FS("name", magic) */
#define KERNEL_FILES(FS)           \
	FS("proc",       0x00009fa0) \
	FS("sysfs",      0x62656572) \
	FS("cgroup",     0x0027e0eb) \
	FS("cgroup2",    0x63677270) \
	FS("debugfs",    0x64626720) \
	FS("tracefs",    0x74726163) \
	FS("securityfs", 0x73636673) \
	FS("selinuxfs",  0xf97cff8c) \
	FS("smackfs",    0x43415d53) \
	FS("configfs",   0x62656570) \
	FS("bpf",        0xcafe4a11) \
	FS("pstore",     0x6165676c) \
	FS("efivarfs",   0xde5e81e4) \
	FS("resctrl",    0x07655821) \
	FS("binfmt_misc", 0x42494e4d) \
	FS("mqueue",     0x19800202) \
	FS("nsfs",       0x6e736673) \
	FS("pidfs",      0x50494446) \
	FS("anon_inode", 0x09041934) \
	FS("secretmem",  0x5345434d)
/* clang-format on */

static const char *refused_file(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return "a file of an unknown file system";
	switch ((uint32_t)fs.f_type) {
#define FS(name, magic) \
	case (magic):   \
		return "a file of the kernel's own (" name ")";
		KERNEL_FILES(FS)
#undef FS
	default:
		return NULL;
	}
}

/* By number, not by ioctl: nothing is done to what a client passed. */
static bool is_terminal_or_null(dev_t dev)
{
	unsigned major = major(dev), minor = minor(dev);

	switch (major) {
	case 1:
		return minor == 3; /* /dev/null */
	case 5:
		return minor != 2; /* not ptmx */
	case 4:			   /* consoles, serial lines */
	case 136 ... 143:	   /* pseudo terminals */
	case 166:		   /* USB modems */
	case 188:		   /* USB serial lines */
	case 204:		   /* on-chip serial lines */
	case 229:		   /* hypervisor consoles */
		return true;
	default:
		return false;
	}
}

static int socket_option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

static const char *refused_socket(int fd)
{
	int domain = socket_option(fd, SO_DOMAIN);

	if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6)
		return "a socket of another kind than UNIX, IPv4 and IPv6";
	if (socket_option(fd, SO_TYPE) != SOCK_STREAM)
		return "a socket that is no stream";
	return NULL;
}

/* What it is, when that is not passed on; NULL when it is. */
static const char *refused_kind(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return "no open file";
	if ((flags & O_PATH) != 0)
		return "a place in the file system, opened with O_PATH";
	switch (st.st_mode & S_IFMT) {
	case S_IFIFO:
		return NULL;
	case S_IFREG:
		return refused_file(fd);
	case S_IFSOCK:
		return refused_socket(fd);
	case S_IFCHR:
		return is_terminal_or_null(st.st_rdev) ? NULL : "a device";
	case S_IFBLK:
		return "a block device";
	case S_IFDIR:
		return "a directory";
	default:
		return "a kernel object without a file (an eventfd, a pidfd, io_uring ...)";
	}
}

int passed_check(int fd, int which, struct err *e)
{
	static const char *const names[] = { "standard input", "standard output",
					     "standard error" };
	const char *is = refused_kind(fd);

	/* a guest takes connections from its standard input, and from nothing else */
	if (is == NULL && which != 0 && socket_option(fd, SO_ACCEPTCONN) > 0)
		is = "a listening socket";
	if (is == NULL)
		return 0;
	(void)err_set(e, ERR_USAGE, "%s is %s, which is not passed on", names[which], is);
	return err_hint(e, "pass a pipe, regular file, stream socket, terminal or /dev/null");
}

int passed_receive(int conn, int ret[3], struct err *e)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		char buf[CMSG_SPACE(sizeof(int) * PASSED_MAX)];
		struct cmsghdr align;
	} control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(conn, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fds[PASSED_MAX];
	size_t n_fds = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); n > 0 && c != NULL; c = CMSG_NXTHDR(&m, c)) {
		size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    got > PASSED_MAX - n_fds)
			continue;
		memcpy(fds + n_fds, CMSG_DATA(c), got * sizeof(int));
		n_fds += got;
	}
	if (n == 1 && byte == 'F' && n_fds == 3 && (m.msg_flags & MSG_CTRUNC) == 0) {
		memcpy(ret, fds, 3 * sizeof(int));
		return 1;
	}
	for (size_t i = 0; i < n_fds; i++)
		(void)close(fds[i]);
	if (n <= 0)
		return err_set(e, ERR_PEER, "the client went away");
	(void)err_set(e, ERR_USAGE, "expected the byte F with exactly three descriptors, not %zu",
		      n_fds);
	return err_hint(e, "one message: standard input, output and error, by SCM_RIGHTS");
}
