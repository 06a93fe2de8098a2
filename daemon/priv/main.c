/*
 * wasmd: options and the order of the start. Becomes priv; the front is its
 * child. Keeps no secret and speaks to nobody but the front.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/locked/confine.h"
#include "daemon/locked/filter.h"
#include "daemon/locked/self.h"
#include "daemon/priv/priv.h"
#include "daemon/task.h"
#include "wasmd/api.h"
#include "wasmd/attack.h"
#include "wasmd/policy.h"

struct options {
	const char *config, *state, *socket, *run, *front, *zygote;
	uint32_t degraded;
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "state", required_argument, NULL, 's' },
	{ "socket", required_argument, NULL, 'l' },
	{ "run", required_argument, NULL, 'r' },
	{ "front", required_argument, NULL, 'f' },
	{ "zygote", required_argument, NULL, 'z' },
	{ "allow-degraded", required_argument, NULL, 'd' },
	{ "version", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const char usage[] =
	"usage: wasmd [OPTION...]\n"
	"  --config FILE           tenants and ceilings (default " CONFIG_DEFAULT_PATH ")\n"
	"  --state DIR             modules and records (default " CONFIG_STATE_DIR ")\n"
	"  --socket PATH           the API's socket (default " WASMD_SOCKET_DEFAULT ")\n"
	"  --run DIR               where the socket goes when --socket is not given\n"
	"  --front PATH            the program wasmd-front\n"
	"  --zygote PATH           the program wasmd-zygote\n"
	"  --allow-degraded A,B    fences that may be missing: seccomp, landlock,\n"
	"                          namespaces, rlimits, cgroup\n"
	"  --version, --help\n";

static int read_fences(const char *list, uint32_t *bits, struct err *e)
{
	char name[24];

	while (*list != '\0') {
		size_t n = strcspn(list, ",");
		uint32_t bit;

		(void)snprintf(name, sizeof(name), "%.*s", (int)(n < 23 ? n : 23), list);
		bit = config_fence(name);
		if (bit == 0)
			return err_set(e, ERR_USAGE, "--allow-degraded: there is no fence \"%s\"",
				       name);
		*bits |= bit;
		list += n + (list[n] == ',');
	}
	return 0;
}

/* 1: the program has said what was asked and ends well. */
static int read_options(int argc, char **argv, struct options *o, struct err *e)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) >= 0) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 's':
			o->state = optarg;
			break;
		case 'l':
			o->socket = optarg;
			break;
		case 'r':
			o->run = optarg;
			break;
		case 'f':
			o->front = optarg;
			break;
		case 'z':
			o->zygote = optarg;
			break;
		case 'd':
			if (read_fences(optarg, &o->degraded, e) < 0)
				return e->code;
			break;
		case 'v':
			(void)puts("wasmd " WASMD_VERSION);
			return 1;
		case 'h':
			(void)fputs(usage, stdout);
			return 1;
		default:
			return err_set(e, ERR_USAGE, "see wasmd --help");
		}
	}
	if (optind < argc)
		return err_set(e, ERR_USAGE, "\"%s\" is no option: see wasmd --help", argv[optind]);
	return 0;
}

/* ---- configuration ------------------------------------------------------ */

/* What a root-owned file must be: nobody else's to write. */
static int trusted_file(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "%s is no file", path);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022) != 0) {
		(void)err_set(e, ERR_PERM, "%s can be written by others than its administrator",
			      path);
		return err_hint(e, "chown root %s; chmod go-w %s", path, path);
	}
	return 0;
}

/* Without a file: an ordinary user serves themselves, root serves nobody. The
 * front reads the same from an empty file, or from one that says nothing. */
static int no_config(const struct priv *p, int *ret_fd, struct config **ret, struct err *e)
{
	const char *text = p->privileged ? "{}" : "";

	if (p->privileged)
		(void)fprintf(stderr,
			      "wasmd: %s is not there: no tenants, nobody may do anything\n",
			      CONFIG_DEFAULT_PATH);
	if (sealed_memfd("config", text, strlen(text), ret_fd) < 0)
		return err_set(e, ERR_IO, "a memfd for the configuration: %s", strerror(errno));
	return config_default(p->uid, p->gid, ret, e);
}

static int load_config(const struct options *o, const struct priv *p, int *ret_fd,
		       struct config **ret, struct err *e)
{
	const char *path = o->config != NULL ? o->config : CONFIG_DEFAULT_PATH;
	CLEANUP(close_p) int fd = -1;

	if (o->config == NULL && !p->privileged)
		return no_config(p, ret_fd, ret, e);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && o->config == NULL)
		return no_config(p, ret_fd, ret, e);
	if (fd < 0)
		return err_set(e, ERR_USAGE, "%s: %s", path, strerror(errno));
	if (trusted_file(fd, path, e) < 0)
		return e->code;
	if (config_read(fd, ret, e) < 0)
		return err_prefix(e, "%s", path);
	*ret_fd = fd_take(&fd);
	return 0;
}

/* An ordinary user runs everything as themselves, whatever the file says. */
static int check_tenants(const struct priv *p, struct err *e)
{
	for (size_t i = 0; !p->privileged && i < p->config->n_tenants; i++)
		if (p->config->tenants[i].uid != p->uid)
			return err_set(e, ERR_PERM,
				       "tenant \"%s\" runs as uid %u: only root can start that",
				       p->config->tenants[i].name, p->config->tenants[i].uid);
	return 0;
}

/* ---- programs ----------------------------------------------------------- */

/* @given; else where it was installed; else beside this program. */
static int find_program(const char *given, const char *name, const char *near, int *ret_fd,
			struct err *e)
{
	char path[LIM_PATH_BYTES], self[LIM_PATH_BYTES];
	ssize_t n;

	if (given != NULL) {
		*ret_fd = open(given, O_PATH | O_CLOEXEC);
		return *ret_fd < 0 ? err_set(e, ERR_USAGE, "%s: %s", given, strerror(errno)) : 0;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", WASMD_LIBEXECDIR, name);
	*ret_fd = open(path, O_PATH | O_CLOEXEC);
	n = *ret_fd < 0 ? readlink("/proc/self/exe", self, sizeof(self) - 1) : -1;
	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		for (int i = 0; i < 2 && *ret_fd < 0; i++) {
			(void)snprintf(path, sizeof(path), "%.3900s/%s%s", self, i > 0 ? near : "",
				       name);
			*ret_fd = open(path, O_PATH | O_CLOEXEC);
		}
	}
	return *ret_fd < 0 ? err_set(e, ERR_USAGE, "%s is not installed: %s", name, strerror(errno))
			   : 0;
}

/* ---- the start, in order ------------------------------------------------ */

static int prepare_filters(struct priv *p, struct err *e)
{
	CLEANUP(close_p) int opener = -1;

	if (filter_memfd(ROLE_ZYGOTE, &p->zygote_filter, e) < 0 ||
	    filter_memfd(ROLE_OPENER, &opener, e) < 0)
		return e->code;
	return confine_filter(opener, &p->opener_filter, e);
}

static int init_priv(struct priv *p, const struct options *o, struct err *e)
{
	p->fences.degraded = o->degraded | p->config->degraded;
	p->idmaps = calloc(p->config->n_tenants + 1, sizeof(*p->idmaps));
	if (p->idmaps == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < p->config->n_tenants; i++)
		p->idmaps[i] = -1;
	p->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (p->null < 0)
		return err_set(e, ERR_IO, "/dev/null: %s", strerror(errno));
	if (find_program(o->zygote, "wasmd-zygote", "", &p->zygote_exe, e) < 0)
		return e->code;
	return check_tenants(p, e);
}

static void say_fences(const struct msg_priv_fences *f)
{
	(void)fputs("wasmd: fences that stand:", stderr);
#define F(id, text, bit)             \
	if ((f->stand & (bit)) != 0) \
		(void)fputs(" " text, stderr);
	POLICY_FENCES(F)
#undef F
	(void)fprintf(stderr, " (Landlock ABI %u%s)\n", f->landlock_abi,
		      f->privileged ? "" : ", started by an ordinary user");
	if (f->missing[0] != '\0')
		(void)fprintf(stderr, "wasmd: missing: %s\n", f->missing);
}

static int start(struct priv *p, struct front *f, const struct options *o, struct err *e)
{
	static int lock; /* held until the process ends */

	if (init_priv(p, o, e) < 0 ||
	    find_program(o->front, "wasmd-front", "front/", &f->exe, e) < 0)
		return e->code;
	f->change_user = p->privileged;
	f->uid = p->uid;
	f->gid = p->gid;
	if (p->privileged)
		front_identity(p->config, f);
	if (listen_state(o->state, f->uid, f->gid, &f->state_fd, &lock, e) < 0 ||
	    listen_socket(o->socket, p->config, f->uid, f->gid, &f->listener, e) < 0 ||
	    spawn_settle(p, e) < 0 || prepare_filters(p, e) < 0 ||
	    survive_open(p, f->state_fd, e) < 0)
		return e->code;
	survive_find(p);
	p->listener = f->listener;
	fences_probe(p, o->state);
	say_fences(&p->fences);
	return confine_self(ROLE_PRIV, e);
}

static int complain(const struct err *e)
{
	(void)fprintf(stderr, "wasmd: %s%s%s%s\n", e->msg, e->hint[0] != '\0' ? " (" : "", e->hint,
		      e->hint[0] != '\0' ? ")" : "");
	return 1;
}

int main(int argc, char **argv)
{
	struct options o = { .state = CONFIG_STATE_DIR, .socket = NULL };
	struct priv p = { .uid = getuid(), .gid = getgid(), .channel = -1, .homes = -1 };
	struct front f = { 0 };
	struct config *config = NULL;
	struct err e = { 0 };
	char socket_path[LIM_PATH_BYTES];
	int r = read_options(argc, argv, &o, &e);

	if (r != 0)
		return r > 0 ? 0 : complain(&e);
	attack_warn();
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(socket_path, sizeof(socket_path), "%s/wasmd.sock",
		       o.run != NULL ? o.run : "/run/wasmd");
	if (o.socket == NULL)
		o.socket = socket_path;
	p.privileged = geteuid() == 0;
	if (load_config(&o, &p, &f.config_fd, &config, &e) < 0)
		return complain(&e);
	p.config = config;
	f.state_dir = o.state;
	f.socket_path = o.socket;
	if (start(&p, &f, &o, &e) < 0)
		return complain(&e);
	r = front_supervise(&p, &f);
	if (!listen_passed())
		(void)unlink(o.socket);
	return r;
}
