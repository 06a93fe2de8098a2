/* Warm zygotes: see zygotes.h. */
#include "daemon/front/zygotes.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "daemon/front/audit.h"
#include "daemon/front/channel.h"
#include "daemon/front/live.h"
#include "daemon/front/module.h"
#include "daemon/front/privchan.h"

/* From asking priv to zyg_ready; the zygote's own limit comes before it. */
#define READY_USEC ((LIM_COMPILE_WALL_S + 10) * 1000000u)
#define TOLD_USEC  (5u * 1000000u) /* from finding one to the last zyg_kept: clients wait */

/* Of one tenant; there are as many as the configuration names. */
struct account {
	struct account *next;
	char tenant[LIM_NAME];
	struct loading sum; /* but for now */
};

struct zygotes {
	struct zygote *first;
	struct account *accounts;
	size_t n, n_untold; /* n_untold: found, and have not told all yet */
};

int zygotes_new(struct front *f, struct err *e)
{
	f->zygotes = calloc(1, sizeof(*f->zygotes));
	return f->zygotes != NULL ? 0 : err_nomem(e);
}

/* ---- what loading costs ------------------------------------------------- */

static struct account *account_of(const struct front *f, const char *tenant)
{
	struct account *a = f->zygotes->accounts;

	while (a != NULL && strcmp(a->tenant, tenant) != 0)
		a = a->next;
	return a;
}

struct loading zygotes_loading(const struct front *f, const char *tenant)
{
	const struct account *a = account_of(f, tenant);
	struct loading l = a != NULL ? a->sum : (struct loading){ 0 };

	for (const struct zygote *z = f->zygotes->first; z != NULL; z = z->next)
		l.now += !z->ready && !z->found && strcmp(z->tenant, tenant) == 0;
	return l;
}

/* A count that a zygote made up is still only its tenant's. */
static void charge(struct zygote *z, bool refused, uint64_t cpu_ns)
{
	struct account *a = account_of(z->front, z->tenant);

	if (a == NULL)
		a = calloc(1, sizeof(*a));
	if (a == NULL)
		return;
	if (a->tenant[0] == '\0') {
		memcpy(a->tenant, z->tenant, sizeof(a->tenant));
		a->next = z->front->zygotes->accounts;
		z->front->zygotes->accounts = a;
	}
	a->sum.loads++;
	a->sum.refused += refused;
	a->sum.cpu_ns += cpu_ns < INT64_MAX / 2 ? cpu_ns : 0;
}

static int check_loading(const struct front *f, const struct config_tenant *t, struct err *e)
{
	size_t now = zygotes_loading(f, t->name).now;

	if (now < t->compile.at_once)
		return 0;
	(void)err_set(e, ERR_QUOTA, "%zu modules of tenant \"%s\" are being loaded", now, t->name);
	return err_hint(e, "that is the most at once (ceiling.compile.at_once in the daemon's "
			   "configuration); try again");
}

/* Everybody who waits for @z learns how it went. @e NULL: it is ready. */
static void waits_fire(struct zygote *z, const struct err *e)
{
	while (z->waits != NULL) {
		struct zyg_wait *w = z->waits;

		z->waits = w->next;
		z->n_waits--;
		w->on = NULL;
		w->done(w, z, e);
	}
}

/* Frees what nobody refers to any more. */
static void zygote_free(struct zygote *z)
{
	priv_forget(z->call);
	(void)channel_free(z->channel);
	(void)sd_event_source_disable_unref(z->bell);
	(void)sd_event_source_disable_unref(z->more);
	(void)sd_event_source_disable_unref(z->deadline);
	fd_clear(&z->doorbell);
	free(z);
}

static void zygote_unlink(struct zygote *z)
{
	struct zygotes *t = z->front->zygotes;

	for (struct zygote **at = &t->first; *at != NULL; at = &(*at)->next)
		if (*at == z) {
			*at = z->next;
			t->n--;
			return;
		}
}

static void zygote_end(struct zygote *z, const struct err *e);

/* Runs from the loop, never below a callback of the zygote itself. */
static int on_retire(sd_event_source *source, uint64_t usec, void *arg)
{
	struct zygote *z = arg;
	const struct err e = { .code = ERR_BUSY, .msg = "the zygote was retired" };

	z->deadline = sd_event_source_disable_unref(z->deadline);
	if (z->n_lives == 0)
		zygote_end(z, &e);
	return 0;
}

/* One that takes nothing new and has nothing left. */
static void retire_idle(struct zygote *z)
{
	if (z->retiring && z->n_lives == 0 && z->deadline == NULL && !z->front->ending &&
	    sd_event_add_time_relative(z->front->loop, &z->deadline, CLOCK_MONOTONIC, 0, 1,
				       on_retire, z) < 0)
		front_log("a retired zygote stays until its channel ends");
}

/* It has told what it keeps, or will never. Of another program than ours it takes
 * nothing new. */
static void told(struct zygote *z)
{
	if (!z->found)
		return;
	z->found = false;
	z->untold = 0;
	z->front->zygotes->n_untold--;
	z->deadline = sd_event_source_disable_unref(z->deadline);
	z->retiring |= z->outdated;
	retire_idle(z);
}

/* The end of a zygote, whoever caused it: its instances are lost with it. */
static void zygote_end(struct zygote *z, const struct err *e)
{
	told(z);
	zygote_unlink(z);
	priv_end(z->front->priv, z->pid);
	z->retiring = true;
	waits_fire(z, e);
	while (z->lives != NULL)
		live_lost(z->lives); /* detaches itself */
	zygote_free(z);
}

struct zygotes *zygotes_free(struct zygotes *t)
{
	const struct err e = { .code = ERR_BUSY, .msg = "the daemon is ending" };

	while (t != NULL && t->first != NULL)
		zygote_end(t->first, &e);
	while (t != NULL && t->accounts != NULL) {
		struct account *a = t->accounts;

		t->accounts = a->next;
		free(a);
	}
	free(t);
	return NULL;
}

static void zygote_fail(struct zygote *z, int code, const char *why)
{
	struct err e = { 0 };

	(void)err_set(&e, code, "the process of this module: %s", why);
	zygote_end(z, &e);
}

/* ---- the doorbell ------------------------------------------------------- */

void zygote_look(struct zygote *z)
{
	(void)sd_event_source_set_enabled(z->more, SD_EVENT_ONESHOT);
}

static void drain_lives(struct zygote *z)
{
	bool more = false;

	for (struct live *l = z->lives, *next; l != NULL; l = next) {
		next = l->next_of_zygote;
		more |= live_drain(l, false);
	}
	if (more) /* others have their turn; come back */
		zygote_look(z);
}

static int on_more(sd_event_source *source, void *arg)
{
	drain_lives(arg);
	return 0;
}

/* The file is shared with the zygote, which can take O_NONBLOCK from it: so it is
 * read without waiting whatever its flags, and never written here. */
static int on_bell(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	uint64_t n;
	const struct iovec to = { &n, sizeof(n) };

	(void)!preadv2(fd, &to, 1, -1, RWF_NOWAIT);
	drain_lives(arg);
	return 0;
}

/* Every ring is an edge: a bell that is not read does not go on ringing. */
static int hear_bell(struct zygote *z)
{
	return sd_event_add_io(z->front->loop, &z->bell, z->doorbell, EPOLLIN | EPOLLET, on_bell,
			       z);
}

static int add_more(struct zygote *z)
{
	int r = sd_event_add_defer(z->front->loop, &z->more, on_more, z);

	return r < 0 ? r : sd_event_source_set_enabled(z->more, SD_EVENT_OFF);
}

/* ---- what it says ------------------------------------------------------- */

/* Its instances ring the bell that it got from an earlier front. */
static bool take_bell(struct zygote *z, struct ipc_msg *m)
{
	char path[40], is[40];
	ssize_t n;

	if (m->n_fds == 0)
		return true;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", m->fds[0]);
	n = readlink(path, is, sizeof(is) - 1);
	if (!z->found || n <= 0)
		return false;
	is[n] = '\0';
	if (strcmp(is, "anon_inode:[eventfd]") != 0)
		return false;
	z->bell = sd_event_source_disable_unref(z->bell);
	fd_clear(&z->doorbell);
	z->doorbell = fd_take(&m->fds[0]);
	return hear_bell(z) >= 0;
}

static int on_ready(struct zygote *z, struct ipc_msg *msg)
{
	const struct msg_zyg_ready *m = &msg->body.zyg_ready;

	if (z->ready || !ipc_str_ok(m->build, sizeof(m->build)))
		return -1;
	if (m->version < IPC_OLDEST || m->version > IPC_VERSION || (!z->found && m->n_kept != 0) ||
	    !take_bell(z, msg))
		return -1;
	z->info = *m;
	z->untold = m->n_kept;
	z->ready = true;
	if (!z->found) {
		charge(z, false, m->load_cpu_ns);
		z->deadline = sd_event_source_disable_unref(z->deadline);
	}
	if (z->untold == 0)
		told(z);
	waits_fire(z, NULL);
	return 0;
}

static int on_kept(struct zygote *z, struct ipc_msg *m)
{
	if (!z->ready || z->untold == 0)
		return -1;
	z->untold--;
	if (live_adopt(z, m) < 0)
		return -1;
	if (z->untold == 0)
		told(z);
	return 0;
}

static int on_bad(struct zygote *z, const struct msg_zyg_bad *m)
{
	struct err e = { .code = m->code < 0 ? m->code : ERR_INTERNAL };

	if (z->ready || !ipc_str_ok(m->msg, sizeof(m->msg)) ||
	    !ipc_str_ok(m->hint, sizeof(m->hint)))
		return -1;
	(void)snprintf(e.msg, sizeof(e.msg), "%s", m->msg);
	(void)snprintf(e.hint, sizeof(e.hint), "%s", m->hint);
	charge(z, true, m->load_cpu_ns);
	zygote_end(z, &e);
	return 0;
}

static int on_message(void *arg, struct ipc_msg *m)
{
	struct zygote *z = arg;

	switch (m->type) {
	case IPC_zyg_ready:
		return on_ready(z, m);
	case IPC_zyg_kept:
		return on_kept(z, m);
	case IPC_zyg_bad:
		return on_bad(z, &m->body.zyg_bad);
	case IPC_zyg_started:
		return z->ready ? live_started(z, &m->body.zyg_started) : -1;
	case IPC_zyg_exited:
		return z->ready ? live_exited(z, &m->body.zyg_exited) : -1;
	default:
		return -1;
	}
}

static void on_gone(void *arg, const char *why)
{
	struct zygote *z = arg;

	if (z->n_lives > 0 || !z->ready)
		front_log("a zygote of tenant %s with %zu instances: %s", z->tenant, z->n_lives,
			  why);
	zygote_fail(z, ERR_PEER, z->ready ? why : "it ended while it read the module");
}

static const struct channel_ops zygote_ops = { on_message, on_gone };

static int on_deadline(sd_event_source *source, uint64_t usec, void *arg)
{
	zygote_fail(arg, ERR_TIMEOUT, "it was not ready in time");
	return 0;
}

/* ---- spawning ----------------------------------------------------------- */

static void on_spawned(void *arg, int *fd, int64_t pid, const struct err *e)
{
	struct zygote *z = arg;

	z->call = NULL;
	if (e != NULL) {
		zygote_end(z, e);
		return;
	}
	z->pid = pid;
	if (channel_new(z->front->loop, fd_take(fd), IPC_ZYGOTE, &zygote_ops, z, &z->channel) < 0)
		zygote_fail(z, ERR_NOMEM, "out of memory");
}

static int zygote_prepare(struct zygote *z, uint64_t usec, struct err *e)
{
	z->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (z->doorbell < 0 || hear_bell(z) < 0 || add_more(z) < 0 ||
	    sd_event_add_time_relative(z->front->loop, &z->deadline, CLOCK_MONOTONIC, usec, 1,
				       on_deadline, z) < 0)
		return err_nomem(e);
	return 0;
}

static struct zygote *zygote_new(struct front *f, const char *tenant, const uint8_t *digest)
{
	struct zygote *z = calloc(1, sizeof(*z));

	if (z == NULL)
		return NULL;
	z->front = f;
	z->doorbell = -1;
	z->used_ns = now_mono();
	(void)snprintf(z->tenant, sizeof(z->tenant), "%s", tenant);
	memcpy(z->digest, digest, DIGEST_BYTES);
	return z;
}

/* Ends the idlest one when there are too many; busy ones stay. */
static void trim(struct zygotes *t)
{
	const struct err e = { .code = ERR_BUSY, .msg = "the zygote was retired" };
	struct zygote *idlest = NULL;

	for (struct zygote *z = t->first; z != NULL; z = z->next)
		if (z->ready && z->n_lives == 0 && (idlest == NULL || z->used_ns < idlest->used_ns))
			idlest = z;
	if (t->n >= LIM_ZYGOTES && idlest != NULL)
		zygote_end(idlest, &e);
}

static void zygote_link(struct zygotes *t, struct zygote *z)
{
	z->next = t->first;
	t->first = z;
	t->n++;
}

static int spawn(struct front *f, const struct who *who, const uint8_t *digest, int module,
		 struct zygote **ret, struct err *e)
{
	struct zygotes *t = f->zygotes;
	struct zygote *z;

	if (check_loading(f, who->tenant, e) < 0)
		return e->code;
	trim(t);
	if (t->n >= LIM_ZYGOTES_ALIVE)
		return err_set(e, ERR_QUOTA, "%zu modules are running, at most %u", t->n,
			       LIM_ZYGOTES_ALIVE);
	z = zygote_new(f, who->tenant->name, digest);
	if (z == NULL)
		return err_nomem(e);
	if (zygote_prepare(z, READY_USEC, e) < 0 ||
	    priv_zygote(f->priv, z->tenant, digest, who->conn, module, on_spawned, z, &z->call, e) <
		    0) {
		zygote_free(z);
		return e->code;
	}
	zygote_link(t, z);
	*ret = z;
	return 0;
}

void zygote_found(struct front *f, const struct msg_priv_found *m, int fd)
{
	struct zygote *z = zygote_new(f, m->tenant, m->digest);
	struct err e = { 0 };

	if (z == NULL || zygote_prepare(z, TOLD_USEC, &e) < 0 ||
	    channel_new(f->loop, fd_take(&fd), IPC_ZYGOTE, &zygote_ops, z, &z->channel) < 0) {
		front_log("no memory for a zygote of tenant %s: it ends", m->tenant);
		priv_end(f->priv, m->pid);
		close_p(&fd);
		if (z != NULL)
			zygote_free(z);
		return;
	}
	z->pid = m->pid;
	z->found = true;
	z->outdated = m->outdated != 0;
	f->zygotes->n_untold++;
	zygote_link(f->zygotes, z);
}

bool zygotes_told(const struct zygotes *t)
{
	return t->n_untold == 0;
}

void zygotes_leave(struct zygotes *t)
{
	for (struct zygote *z = t != NULL ? t->first : NULL; z != NULL; z = z->next)
		for (struct live *l = z->lives; l != NULL; l = l->next_of_zygote)
			audit_settle(l->front->audit, l, true);
}

static struct zygote *find(struct zygotes *t, const char *tenant, const uint8_t *digest)
{
	for (struct zygote *z = t->first; z != NULL; z = z->next)
		if (!z->retiring && z->n_lives + z->n_waits < LIM_ZYGOTE_LIVES &&
		    memcmp(z->digest, digest, DIGEST_BYTES) == 0 && strcmp(z->tenant, tenant) == 0)
			return z;
	return NULL;
}

int zygote_get(struct front *f, const struct who *who, const uint8_t *digest, int module,
	       struct zyg_wait *w, struct zygote **ret, struct err *e)
{
	struct zygote *z = find(f->zygotes, who->tenant->name, digest);
	CLEANUP(close_p) int own = -1;

	if (z == NULL && module < 0) {
		if (module_open(f, digest, &own, e) < 0)
			return e->code;
		module = own;
	}
	if (z == NULL && spawn(f, who, digest, module, &z, e) < 0)
		return e->code;
	*ret = z->ready ? z : NULL;
	if (!z->ready) {
		w->on = z;
		w->next = z->waits;
		z->waits = w;
		z->n_waits++;
	}
	return 0;
}

void zyg_wait_drop(struct zyg_wait *w)
{
	if (w->on == NULL)
		return;
	for (struct zyg_wait **at = &w->on->waits; *at != NULL; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			w->on->n_waits--;
			break;
		}
	w->on = NULL;
}

int zygote_send(struct zygote *z, enum ipc_type type, const void *body, size_t len, const int *fds,
		size_t n_fds)
{
	return z->channel != NULL ? channel_send(z->channel, type, body, len, fds, n_fds) : -1;
}

void zygotes_forget(struct front *f, int64_t pid, uint64_t seq)
{
	const struct msg_zyg_forget m = { .seq = seq };
	struct zygote *z = f->zygotes->first;

	while (z != NULL && z->pid != pid)
		z = z->next;
	if (z != NULL)
		(void)!zygote_send(z, IPC_zyg_forget, &m, sizeof(m), NULL, 0);
}

/* ---- instances ---------------------------------------------------------- */

void zygote_attach(struct zygote *z, struct live *l)
{
	l->zyg = z;
	l->next_of_zygote = z->lives;
	z->lives = l;
	z->n_lives++;
	z->used_ns = now_mono();
}

void zygote_detach(struct zygote *z, struct live *l)
{
	for (struct live **at = &z->lives; *at != NULL; at = &(*at)->next_of_zygote)
		if (*at == l) {
			*at = l->next_of_zygote;
			z->n_lives--;
			break;
		}
	l->zyg = NULL;
	z->used_ns = now_mono();
	retire_idle(z);
}

void zygote_retire(struct zygote *z)
{
	z->retiring = true;
	retire_idle(z);
}

void zygotes_drop_module(struct front *f, const char *tenant, const uint8_t *digest)
{
	for (struct zygote *z = f->zygotes->first; z != NULL; z = z->next)
		if (z->ready && memcmp(z->digest, digest, DIGEST_BYTES) == 0 &&
		    strcmp(z->tenant, tenant) == 0)
			zygote_retire(z);
}
