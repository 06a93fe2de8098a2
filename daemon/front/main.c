/*
 * wasmd-front: speaks HTTP on descriptor 3, asks priv on 4, reads the
 * configuration from 5, keeps its records below argv[1]. Runs as a user
 * without capabilities and confines itself before the first request. Never
 * opens what a client names, never reads a module.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "daemon/front/audit.h"
#include "daemon/front/events.h"
#include "daemon/front/front.h"
#include "daemon/front/http.h"
#include "daemon/front/instance.h"
#include "daemon/front/module.h"
#include "daemon/front/policies.h"
#include "daemon/front/privchan.h"
#include "daemon/front/record.h"
#include "daemon/front/store.h"
#include "daemon/front/zygotes.h"
#include "daemon/locked/self.h"

enum { FD_LISTEN = 3, FD_PRIV, FD_CONFIG, FD_STATE };

void front_log(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "wasmd-front: %s\n", line);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *arg)
{
	struct front *f = arg;

	f->ending = true;
	f->end_all = si->ssi_signo == SIGINT;
	(void)sd_event_exit(f->loop, 0);
	return 0;
}

static int make_loop(struct front *f, struct err *e)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || sd_event_default(&f->loop) < 0 ||
	    sd_event_add_signal(f->loop, NULL, SIGTERM, on_signal, f) < 0 ||
	    sd_event_add_signal(f->loop, NULL, SIGINT, on_signal, f) < 0)
		return err_nomem(e);
	return 0;
}

/* A connection, a log, a stream: thousands at once. */
static void raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

static int keep_private(struct err *e)
{
	static const int inherited[] = { FD_LISTEN, FD_PRIV, FD_CONFIG, FD_STATE };

	(void)umask(077);
	for (size_t i = 0; i < ARRAY_LEN(inherited); i++)
		if (fcntl(inherited[i], F_SETFD, FD_CLOEXEC) < 0)
			return err_set(e, ERR_USAGE,
				       "descriptor %d is missing: wasmd starts this "
				       "program",
				       inherited[i]);
	return 0;
}

static int open_records(struct front *f, struct err *e)
{
	char path[LIM_PATH_BYTES];

	/* The store first: its lock is had once a front before us has ended. */
	(void)snprintf(path, sizeof(path), "%s/wasmd.db", f->state);
	if (store_open(path, &f->store, e) < 0 || modules_prepare(f, e) < 0)
		return e->code;
	(void)snprintf(path, sizeof(path), "%s/audit.jsonl", f->state);
	return audit_open(path, &f->audit, e);
}

/* What outlived the last front comes first: clients see it as it is. Bounded by
 * the time that zygotes have to tell. */
static int take_over(struct front *f, struct err *e)
{
	while (!privchan_told(f->priv) || !zygotes_told(f->zygotes))
		if (sd_event_run(f->loop, UINT64_MAX) < 0 || f->ending)
			return err_set(e, ERR_BUSY, "ended while it started");
	records_settle(f);
	return 0;
}

static int set_up(struct front *f, struct http **http, struct err *e)
{
	raise_nofile();
	if (keep_private(e) < 0 || make_loop(f, e) < 0 ||
	    config_read_or_default(FD_CONFIG, &f->config, e) < 0 || open_records(f, e) < 0)
		return e->code;
	if (policies_new(&f->policies, e) < 0 || zygotes_new(f, e) < 0 || instances_new(f, e) < 0 ||
	    events_new(f, e) < 0 || records_load(f, e) < 0 || privchan_new(f, FD_PRIV, e) < 0 ||
	    http_new(f, FD_LISTEN, http, e) < 0)
		return e->code;
	if (confine_self(ROLE_FRONT, e) < 0 || take_over(f, e) < 0 || http_serve(*http, e) < 0)
		return e->code;
	(void)sd_notify(0, "READY=1");
	priv_serving(f->priv);
	return 0;
}

/* What runs goes on, and so nobody who waits for it is told anything: they ask
 * the next front. */
_Noreturn static void leave(struct front *f, int status)
{
	zygotes_leave(f->zygotes);
	records_done(f);
	(void)audit_close(f->audit);
	(void)store_close(f->store);
	_exit(status);
}

/* Instances end before what they report to. */
static void tear_down(struct front *f, struct http *http)
{
	f->ending = true;
	f->zygotes = zygotes_free(f->zygotes);
	if (http != NULL)
		http_quiesce(http);
	(void)http_free(http);
	(void)privchan_free(f->priv);
	records_done(f);
	(void)instances_free(f->instances);
	(void)events_free(f->events);
	(void)policies_free(f->policies);
	(void)audit_close(f->audit);
	(void)store_close(f->store);
	(void)config_free(f->config);
	(void)sd_event_unref(f->loop);
}

int main(int argc, char **argv)
{
	struct front f = { 0 };
	struct http *http = NULL;
	struct err e = { 0 };
	int status = 1;

	if (argc < 2) {
		front_log("started by wasmd, not by hand");
		return 2;
	}
	f.state = argv[1];
	if (set_up(&f, &http, &e) < 0)
		front_log("%s", e.msg);
	else
		status = sd_event_loop(f.loop) != 0;
	if (!f.end_all)
		leave(&f, status);
	tear_down(&f, http);
	return status;
}
