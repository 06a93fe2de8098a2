/*
 * Zygotes that outlive a front, or priv itself. Each listens at a socket in a
 * directory that only priv can enter; a link beside it says whose it is. A
 * caller is told more than the zygote would say of itself: tenant and digest
 * come from the link, the process from the kernel.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "daemon/priv/priv.h"

#define HOMES	  "zygotes" /* in the state directory */
#define LINK	  ".is"	    /* after the socket's name: the link */
#define LINK_TEXT (LIM_NAME + 2 * 32 + PRIV_PROGRAM + 3)

/* ---- names -------------------------------------------------------------- */

static struct sockaddr_un address(const struct priv *p, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", p->homes, name);
	return a;
}

static void link_name(const char *name, char ret[PRIV_HOME_NAME + sizeof(LINK)])
{
	(void)snprintf(ret, PRIV_HOME_NAME + sizeof(LINK), "%s" LINK, name);
}

static void remove_home(const struct priv *p, const char *name)
{
	char is[PRIV_HOME_NAME + sizeof(LINK)];

	link_name(name, is);
	(void)unlinkat(p->homes, name, 0);
	(void)unlinkat(p->homes, is, 0);
}

/* TENANT/DIGEST/PROGRAM */
static int write_link(const struct priv *p, const struct priv_zygote *z)
{
	char is[PRIV_HOME_NAME + sizeof(LINK)], text[LINK_TEXT];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s/", z->tenant);

	for (int i = 0; i < 32; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%02x", z->digest[i]);
	(void)snprintf(text + n, sizeof(text) - n, "/%s", z->program);
	link_name(z->home, is);
	return symlinkat(text, p->homes, is);
}

static bool read_link(const struct priv *p, struct priv_zygote *z)
{
	char is[PRIV_HOME_NAME + sizeof(LINK)], text[LINK_TEXT];
	const char *hex, *program;
	ssize_t n;

	link_name(z->home, is);
	n = readlinkat(p->homes, is, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	hex = strchr(text, '/');
	program = hex != NULL ? strchr(hex + 1, '/') : NULL;
	if (program == NULL || hex - text >= LIM_NAME || program - hex != 65 ||
	    strlen(program + 1) >= sizeof(z->program))
		return false;
	for (int i = 0; i < 32; i++)
		if (sscanf(hex + 1 + 2 * i, "%2hhx", &z->digest[i]) != 1)
			return false;
	(void)snprintf(z->tenant, sizeof(z->tenant), "%.*s", (int)(hex - text), text);
	(void)snprintf(z->program, sizeof(z->program), "%s", program + 1);
	return true;
}

/* Which file it is, as long as nobody writes to it in place. */
static void name_program(int exe, char ret[PRIV_PROGRAM])
{
	struct stat st = { 0 };

	(void)fstat(exe, &st);
	(void)snprintf(ret, PRIV_PROGRAM, "%jx.%jx.%jx.%jx", (uintmax_t)st.st_dev,
		       (uintmax_t)st.st_ino, (uintmax_t)st.st_mtim.tv_sec,
		       (uintmax_t)st.st_mtim.tv_nsec);
}

/* ---- a home for a new one ----------------------------------------------- */

/* The front may rename what stands in the state directory; it can make nothing
 * that belongs to us. */
int survive_open(struct priv *p, int state, struct err *e)
{
	struct stat st;

	if (mkdirat(state, HOMES, 0700) < 0 && errno != EEXIST)
		return err_set(e, ERR_IO, "making " HOMES " in the state directory: %s",
			       strerror(errno));
	p->homes = openat(state, HOMES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p->homes < 0 || fstat(p->homes, &st) < 0)
		return err_set(e, ERR_IO, HOMES " in the state directory: %s", strerror(errno));
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
		(void)err_set(e, ERR_PERM, HOMES " in the state directory is not ours alone");
		return err_hint(e, "remove it");
	}
	p->last_home = priv_now();
	name_program(p->zygote_exe, p->program);
	for (size_t i = 0; i < PRIV_ZYGOTES; i++)
		p->zygotes[i].pidfd = p->zygotes[i].call = -1;
	return 0;
}

int survive_home(struct priv *p, struct priv_zygote *z, const char *tenant, const uint8_t *digest,
		 int *ret_fd, struct err *e)
{
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a;
	mode_t old;
	int r;

	(void)snprintf(z->home, sizeof(z->home), "%llx", (unsigned long long)++p->last_home);
	(void)snprintf(z->tenant, sizeof(z->tenant), "%s", tenant);
	memcpy(z->program, p->program, sizeof(z->program));
	memcpy(z->digest, digest, sizeof(z->digest));
	a = address(p, z->home);
	if (fd < 0 || write_link(p, z) < 0)
		return err_set(e, ERR_IO, "a place for the zygote's socket: %s", strerror(errno));
	old = umask(0177);
	r = bind(fd, (const struct sockaddr *)&a, sizeof(a));
	(void)umask(old);
	if (r < 0) {
		(void)err_set(e, ERR_IO, "the zygote's socket: %s", strerror(errno));
		remove_home(p, z->home);
		return e->code;
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

void survive_gone(struct priv *p, struct priv_zygote *z)
{
	if (z->home[0] != '\0')
		remove_home(p, z->home);
	fd_clear(&z->pidfd);
	fd_clear(&z->call);
	*z = (struct priv_zygote){ .pidfd = -1, .call = -1 };
}

/* ---- finding them ------------------------------------------------------- */

static int call_home(const struct priv *p, const char *name)
{
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct sockaddr_un a = address(p, name);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	return fd_take(&fd);
}

static bool hung_up(int fd)
{
	struct pollfd at = { .fd = fd, .events = POLLIN };

	return poll(&at, 1, 0) > 0 && (at.revents & (POLLHUP | POLLERR)) != 0;
}

/* Whoever listens, by the kernel's word. As long as the connection stands after
 * its descriptor was taken, the number was not another's by then. */
static bool take_process(struct priv_zygote *z, uid_t *ret_uid)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	if (getsockopt(z->call, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.pid <= 0)
		return false;
	*ret_uid = cred.uid;
	z->pid = cred.pid;
	z->pidfd = (int)syscall(SYS_pidfd_open, cred.pid, 0);
	return z->pidfd >= 0 && !hung_up(z->call);
}

static const struct config_tenant *tenant_named(const struct priv *p, const char *name)
{
	for (size_t i = 0; i < p->config->n_tenants; i++)
		if (strcmp(p->config->tenants[i].name, name) == 0)
			return &p->config->tenants[i];
	return NULL;
}

/* Whether what @z was granted still belongs to whom it was granted. */
static bool still_theirs(const struct priv *p, const struct priv_zygote *z, uid_t uid)
{
	const struct config_tenant *t = tenant_named(p, z->tenant);

	return t != NULL && spawn_private_id(p, t) == uid;
}

static void adopt(struct priv *p, const char *name)
{
	struct priv_zygote *z = priv_free_zygote(p);
	struct priv_zygote found = { .pidfd = -1, .adopted = true };
	uid_t uid = 0;
	bool known;

	(void)snprintf(found.home, sizeof(found.home), "%s", name);
	found.call = call_home(p, name);
	known = read_link(p, &found);
	if (found.call < 0 || !take_process(&found, &uid)) {
		survive_gone(p, &found);
		return;
	}
	if (known && z != NULL && still_theirs(p, &found, uid)) {
		*z = found;
		return;
	}
	(void)fprintf(stderr, "wasmd: a process of tenant \"%s\" is left and ended: %s\n",
		      found.tenant,
		      z == NULL ? "there are too many" : "the tenant is not what it was");
	survive_end(p, &found);
}

/* A link whose socket never came to be. */
static void drop_link(const struct priv *p, const char *is)
{
	char name[PRIV_HOME_NAME];

	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(is, "."), is);
	if (faccessat(p->homes, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		(void)unlinkat(p->homes, is, 0);
}

void survive_find(struct priv *p)
{
	DIR *d = fdopendir(fcntl(p->homes, F_DUPFD_CLOEXEC, 3));

	for (const struct dirent *at; d != NULL && (at = readdir(d)) != NULL;) {
		if (at->d_name[0] == '.' || strlen(at->d_name) >= PRIV_HOME_NAME)
			continue;
		if (strchr(at->d_name, '.') == NULL)
			adopt(p, at->d_name);
		else
			drop_link(p, at->d_name);
	}
	if (d != NULL)
		(void)closedir(d);
}

/* ---- handing them on ---------------------------------------------------- */

void survive_end(struct priv *p, struct priv_zygote *z)
{
	(void)syscall(SYS_pidfd_send_signal, z->pidfd, SIGKILL, NULL, 0);
	if (z->adopted)
		survive_gone(p, z);
}

/* Nobody reaps for us what is not our child. */
void survive_sweep(struct priv *p)
{
	for (size_t i = 0; i < PRIV_ZYGOTES; i++) {
		struct priv_zygote *z = &p->zygotes[i];
		struct pollfd at = { .fd = z->pidfd, .events = POLLIN };

		if (z->pid != 0 && z->adopted && poll(&at, 1, 0) > 0)
			survive_gone(p, z);
	}
}

/* One that can't be called is lost to the front, so it may not go on. */
uint32_t survive_call(struct priv *p)
{
	uint32_t n = 0;

	survive_sweep(p);
	for (size_t i = 0; i < PRIV_ZYGOTES; i++) {
		struct priv_zygote *z = &p->zygotes[i];

		if (z->pid == 0)
			continue;
		if (z->call < 0)
			z->call = call_home(p, z->home);
		if (z->call < 0)
			survive_end(p, z);
		else
			n++;
	}
	return n;
}

void survive_offer(struct priv *p)
{
	for (size_t i = 0; i < PRIV_ZYGOTES; i++) {
		struct priv_zygote *z = &p->zygotes[i];
		struct msg_priv_found m = { .pid = z->pid };

		m.outdated = strcmp(z->program, p->program) != 0;

		if (z->call < 0)
			continue;
		memcpy(m.tenant, z->tenant, sizeof(m.tenant));
		memcpy(m.digest, z->digest, sizeof(m.digest));
		(void)!ipc_send(p->channel, IPC_priv_found, &m, &z->call, 1);
		fd_clear(&z->call);
	}
}
