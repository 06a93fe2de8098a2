/* logs: an instance's output as it wrote it; made harmless on a terminal. */
#include <errno.h>

#include "ctl/ctl.h"

struct logs {
	const char *stream;
};

const struct opt opts_logs[] = {
	{ 0, OPT_TEXT, "stream", "NAME", "stdout or stderr only", offsetof(struct logs, stream) },
	OPT_END,
};

/* On a terminal a character may arrive in two pieces: the first waits. */
struct printer {
	bool escape;
	size_t held;
	char hold[4];
};

static int put(struct printer *p, const char *s, size_t n, struct err *e)
{
	if (p->escape)
		(void)text_put(stdout, s, n, TEXT_LINES);
	else
		(void)fwrite(s, 1, n, stdout);
	return !ferror(stdout)
		       ? 0
		       : err_set(e, ERR_IO, "writing to standard output: %s", strerror(errno));
}

static int logs_sink(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct printer *p = arg;
	const char *s = bytes;
	size_t cut;

	while (p->held > 0 && n > 0) {
		p->hold[p->held++] = *s++;
		n--;
		if (text_cut(p->hold, p->held) == p->held)
			continue;
		if (put(p, p->hold, p->held, e) != 0)
			return e->code;
		p->held = 0;
	}
	cut = p->escape ? text_cut(s, n) : 0;
	if (put(p, s, n - cut, e) != 0)
		return e->code;
	if (cut > 0) {
		memcpy(p->hold, s + n - cut, cut);
		p->held = cut;
	}
	return 0;
}

static int check_stream(const char *name, struct err *e)
{
	if (name == NULL || strcmp(name, "stdout") == 0 || strcmp(name, "stderr") == 0)
		return 0;
	return err_set(e, ERR_USAGE, "--stream: \"%s\" is neither stdout nor stderr", name);
}

int cmd_logs(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct logs o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);
	struct printer p = { .escape = isatty(STDOUT_FILENO) };
	struct client_request rq = { .method = "GET", .sink = logs_sink, .sink_arg = &p };
	CLEANUP(free_p) char *path = NULL;
	struct client_reply reply;
	char tail[32] = "/logs";

	if (r != 0)
		return r < 0 ? r : 0;
	if (check_stream(o.stream, e) != 0)
		return e->code;
	if (o.stream != NULL)
		(void)snprintf(tail, sizeof(tail), "/logs?stream=%s", o.stream);
	if (api_path("instances", argv[0], tail, &path, e) != 0 || ctl_connect(ctl, e) != 0)
		return e->code;
	rq.path = path;
	if (client_call(ctl->client, &rq, &reply, e) != 0)
		return e->code;
	return put(&p, p.hold, p.held, e);
}
