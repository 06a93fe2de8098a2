/* start, stop, kill and what else is one request for each name that is given. */
#include "ctl/ctl.h"

struct life {
	bool attach, force, modules;
	const char *grace;
};

#define LIFE(field) offsetof(struct life, field)

const struct opt opts_start[] = {
	{ 'a', OPT_FLAG, "attach", NULL, "follow it, as run does", LIFE(attach) },
	OPT_END,
};
const struct opt opts_stop[] = {
	{ 't', OPT_TEXT, "grace", "TIME", "how long to wait before the kill (10s)", LIFE(grace) },
	OPT_END,
};
const struct opt opts_rm[] = {
	{ 'f', OPT_FLAG, "force", NULL, "kill it first if it runs", LIFE(force) },
	OPT_END,
};

const struct opt opts_prune[] = {
	{ 0, OPT_FLAG, "modules", NULL, "remove modules that no instance uses, too",
	  LIFE(modules) },
	OPT_END,
};

/* Does @one to every name; the first failure is kept, the others are printed. */
static int each(struct ctl *ctl, int n, char **names,
		int (*one)(struct ctl *, const char *, const char *, struct err *),
		const char *tail, struct err *e)
{
	for (int i = 0; i < n; i++) {
		struct err mine = { 0 };

		if (one(ctl, names[i], tail, &mine) == 0)
			continue;
		if (e->code != 0)
			ctl_complain(ctl, &mine);
		else
			*e = mine;
	}
	return e->code;
}

static int post_one(struct ctl *ctl, const char *name, const char *tail, struct err *e)
{
	CLEANUP(free_p) char *path = NULL;
	json_t *instance;

	if (api_path("instances", name, tail, &path, e) != 0 ||
	    client_post(ctl->client, path, NULL, &instance, e) != 0)
		return e->code;
	(void)show_done(ctl, instance, name, e);
	json_decref(instance);
	return e->code;
}

static int start_attached(struct ctl *ctl, int n, char **names, struct err *e)
{
	struct follow_options o = { .label = names[0] };
	json_t *instance;
	int status;

	if (n > 1)
		return err_set(e, ERR_USAGE, "-a follows one instance, not %d", n);
	follow_block_signals();
	if (follow(ctl, names[0], &o, &instance, e) != 0)
		return e->code;
	follow_epitaph(instance, names[0]);
	status = follow_status(instance);
	json_decref(instance);
	return status;
}

int cmd_start(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct life o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_connect(ctl, e) != 0)
		return e->code;
	return o.attach ? start_attached(ctl, n, argv, e)
			: each(ctl, n, argv, post_one, "/start", e);
}

/* stop and restart: the kill comes when the grace is over. */
static int gracefully(struct ctl *ctl, int argc, char **argv, const char *what, struct err *e)
{
	struct life o = { .grace = "10s" };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);
	char tail[64];
	unsigned ms;

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_duration("--grace", o.grace, &ms, e) != 0 || ctl_connect(ctl, e) != 0)
		return e->code;
	ctl_patient(ctl);
	(void)snprintf(tail, sizeof(tail), "/%s?grace=%u", what, ms / 1000 + (ms % 1000 != 0));
	return each(ctl, n, argv, post_one, tail, e);
}

int cmd_stop(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	return gracefully(ctl, argc, argv, "stop", e);
}

int cmd_restart(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	return gracefully(ctl, argc, argv, "restart", e);
}

static int simply(struct ctl *ctl, int argc, char **argv, const char *tail, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_connect(ctl, e) != 0)
		return e->code;
	return each(ctl, n, argv, post_one, tail, e);
}

int cmd_kill(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	return simply(ctl, argc, argv, "/kill", e);
}

int cmd_pause(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	return simply(ctl, argc, argv, "/pause", e);
}

int cmd_resume(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	return simply(ctl, argc, argv, "/resume", e);
}

/* Survives a restart of the daemon's front. */
static int wait_one(struct ctl *ctl, const char *name, const char *tail, struct err *e)
{
	CLEANUP(free_p) char *path = NULL;
	unsigned tries = 0;
	json_t *instance;
	char status[16];

	if (api_path("instances", name, tail, &path, e) != 0)
		return e->code;
	while (client_post(ctl->client, path, NULL, &instance, e) != 0)
		if (!ctl_again(ctl, &tries, e))
			return e->code;
	(void)snprintf(status, sizeof(status), "%d", follow_status(instance));
	(void)show_done(ctl, instance, ctl->form == FORM_NAME ? name : status, e);
	json_decref(instance);
	return e->code;
}

int cmd_wait(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_connect(ctl, e) != 0)
		return e->code;
	ctl_patient(ctl);
	return each(ctl, n, argv, wait_one, "/wait", e);
}

static int rm_one(struct ctl *ctl, const char *name, const char *tail, struct err *e)
{
	CLEANUP(free_p) char *path = NULL;

	if (api_path("instances", name, tail, &path, e) != 0 ||
	    client_delete(ctl->client, path, e) != 0)
		return e->code;
	(void)text_put(stdout, name, strlen(name), TEXT_LINE);
	(void)fputc('\n', stdout);
	return 0;
}

int cmd_rm(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct life o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_connect(ctl, e) != 0)
		return e->code;
	return each(ctl, n, argv, rm_one, o.force ? "?force=1" : "", e);
}

int cmd_prune(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct life o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);
	char text[128], size[32];
	json_t *done;

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_connect(ctl, e) != 0 ||
	    client_post(ctl->client, o.modules ? "/v1/prune?modules=1" : "/v1/prune", NULL, &done,
			e) != 0)
		return e->code;
	bytes_text((uint64_t)show_number(done, "bytes"), size, sizeof(size));
	(void)snprintf(text, sizeof(text), "instances %lld, modules %lld, %s",
		       (long long)show_number(done, "instances"),
		       (long long)show_number(done, "modules"), size);
	(void)show_done(ctl, done, text, e);
	json_decref(done);
	return e->code;
}
