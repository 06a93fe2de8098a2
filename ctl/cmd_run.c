/* run and create: job.c makes the instance, follow.c sees it to its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "ctl/ctl.h"

int cmd_create(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	CLEANUP(job_done) struct job j = { 0 };
	int n, r = ctl_options(ctl, &j, argc, argv, &argv, &n, e);
	json_t *instance;

	if (r != 0)
		return r < 0 ? r : 0;
	j.open_stdin = j.interactive;
	if (job_create(ctl, &j, n, argv, &instance, e) != 0)
		return e->code;
	if (instance != NULL)
		(void)show_done(ctl, instance, show_text(instance, "id"), e);
	json_decref(instance);
	return e->code;
}

/* -1 when none was asked for. */
static int status_fd(const struct job *j, int *ret, struct err *e)
{
	char *end;
	long fd;

	*ret = -1;
	if (j->status_fd == NULL)
		return 0;
	fd = strtol(j->status_fd, &end, 10);
	if (end == j->status_fd || *end != '\0' || fd < 0 || fd > INT_MAX ||
	    fcntl((int)fd, F_GETFD) < 0)
		return err_set(e, ERR_USAGE, "--status-fd: \"%s\" is not an open descriptor",
			       j->status_fd);
	*ret = (int)fd;
	return 0;
}

static int check_run(const struct job *j, struct err *e)
{
	if (j->terminal && j->detach)
		return err_set(e, ERR_USAGE, "-d and -t: a detached instance has no terminal");
	if (j->terminal && !isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE, "-t: standard input is not a terminal");
	if (j->restart != NULL && !j->detach)
		return err_set(e, ERR_USAGE, "--restart: only what is detached (-d) is restarted");
	if (j->detach && j->rm)
		return err_set(e, ERR_USAGE, "-d and --rm: nobody would be there to forget it");
	if (j->detach && j->status_fd != NULL)
		return err_set(e, ERR_USAGE, "-d and --status-fd: nobody would see its end");
	return 0;
}

static int post(struct ctl *ctl, const char *id, const char *tail, json_t **ret, struct err *e)
{
	CLEANUP(free_p) char *path = NULL;

	if (api_path("instances", id, tail, &path, e) != 0)
		return e->code;
	return client_post(ctl->client, path, NULL, ret, e);
}

static int forget(struct ctl *ctl, const char *id, struct err *e)
{
	CLEANUP(free_p) char *path = NULL;

	if (api_path("instances", id, "", &path, e) != 0)
		return e->code;
	return client_delete(ctl->client, path, e);
}

static int run_detached(struct ctl *ctl, const char *id, struct err *e)
{
	json_t *started;

	if (post(ctl, id, "/start", &started, e) != 0) {
		follow_forget(ctl, id, false);
		return e->code;
	}
	(void)show_done(ctl, started, id, e);
	json_decref(started);
	return e->code;
}

static int tell_status(const json_t *truth, int fd, struct err *e)
{
	if (fd >= 0 && (json_dumpfd(truth, fd, JSON_COMPACT) != 0 || write(fd, "\n", 1) != 1))
		return err_set(e, ERR_IO, "--status-fd: %s", strerror(errno));
	return 0;
}

/* There is no ended instance: why not, as the API would say it. */
static void tell_failure(const struct err *why, int fd)
{
	struct err ignored = { 0 };
	json_t *truth = json_pack("{s:{s:s, s:s, s:s}, s:i}", "error", "code",
				  err_info(why->code).wire, "message", why->msg, "hint", why->hint,
				  "status", err_info(why->code).exit);

	if (truth != NULL)
		(void)tell_status(truth, fd, &ignored);
	json_decref(truth);
}

static int run_followed(struct ctl *ctl, const struct job *j, const char *module, const char *id,
			int fd, struct err *e)
{
	struct follow_options o = { .label = j->name != NULL ? j->name : module,
				    .policy_file = j->policy };
	json_t *instance;
	int status;

	if (follow(ctl, id, &o, &instance, e) != 0) {
		follow_forget(ctl, id, j->rm);
		return e->code;
	}
	follow_epitaph(instance, o.label);
	status = follow_status(instance);
	(void)tell_status(instance, fd, e);
	if (j->rm && e->code == 0)
		(void)!forget(ctl, id, e);
	json_decref(instance);
	return e->code != 0 ? e->code : status;
}

/* Creates it, and sees it to its end or leaves it running. */
static int run(struct ctl *ctl, const struct job *j, int n, char **argv, int fd, struct err *e)
{
	json_t *instance;
	int r;

	if (job_create(ctl, j, n, argv, &instance, e) != 0)
		return e->code;
	if (instance == NULL)
		return 0;
	r = j->detach ? run_detached(ctl, show_text(instance, "id"), e)
		      : run_followed(ctl, j, argv[0], show_text(instance, "id"), fd, e);
	json_decref(instance);
	return r;
}

int cmd_run(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	CLEANUP(job_done) struct job j = { 0 };
	int n, fd, r = ctl_options(ctl, &j, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (check_run(&j, e) != 0 || status_fd(&j, &fd, e) != 0)
		return e->code;
	j.open_stdin = j.interactive && j.detach;
	if (!j.detach && !j.print_policy)
		follow_block_signals();
	r = run(ctl, &j, n, argv, fd, e);
	if (r < 0)
		tell_failure(e, fd);
	return r;
}
