/*
 * attach: a running instance's output as it comes, and our standard input for
 * it. Signals, the detach keys and a daemon that goes away end it; the
 * instance goes on.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "ctl/ctl.h"

#define CTRL_P 0x10
#define CTRL_Q 0x11

struct attach {
	bool no_stdin;
	/* While it runs. */
	const char *name;
	struct client_frames *frames;
	struct terminal *terminal;
	int signals;
	bool input;    /* there may be more of it */
	bool keys;     /* standard input is a terminal: look for the detach keys */
	bool held;     /* ctrl-p came last */
	bool detached; /* by keys or by a signal */
	json_t *instance;
};

const struct opt opts_attach[] = {
	{ 0, OPT_FLAG, "no-stdin", NULL, "only look on", offsetof(struct attach, no_stdin) },
	OPT_END,
};

static void attach_done(struct attach *a)
{
	a->terminal = terminal_free(a->terminal);
	client_frames_free(a->frames);
	json_decref(a->instance);
	if (a->signals > 0)
		close_p(&a->signals);
}

/* ---- from the instance -------------------------------------------------- */

static int write_all(int fd, const char *p, size_t n, struct err *e)
{
	while (n > 0) {
		struct pollfd ready = { .fd = fd, .events = POLLOUT };
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EAGAIN)
			(void)poll(&ready, 1, -1);
		else if (w < 0 && errno != EINTR)
			return err_set(e, ERR_IO, "writing its output: %s", strerror(errno));
		p += w > 0 ? w : 0;
		n -= w > 0 ? (size_t)w : 0;
	}
	return 0;
}

static int on_event(struct attach *a, const struct client_frame *f, struct err *e)
{
	json_error_t why;
	json_t *event = json_loadb(f->p, f->n, JSON_REJECT_DUPLICATES, &why);
	const char *name = show_text(event, "event");

	if (!json_is_object(event))
		err_set(e, ERR_PEER, "an event of the daemon is not JSON");
	else if (strcmp(name, "error") == 0)
		client_error(event, 0, e);
	else if (strcmp(name, "denied") == 0)
		follow_denial(json_object_get(event, "denial"), NULL);
	else if (strcmp(name, "exited") == 0 && a->instance == NULL)
		a->instance = json_incref(json_object_get(event, "instance"));
	json_decref(event);
	return e->code;
}

static int on_frame(struct attach *a, const struct client_frame *f, struct err *e)
{
	switch (f->kind) {
	case CLIENT_STDOUT:
		return write_all(STDOUT_FILENO, f->p, f->n, e);
	case CLIENT_STDERR:
		return write_all(STDERR_FILENO, f->p, f->n, e);
	case CLIENT_EVENT:
		return on_event(a, f, e);
	case CLIENT_STDIN:
		break;
	}
	return 0;
}

static int drain(struct attach *a, bool *ret_end, struct err *e)
{
	struct client_frame f;
	bool got;

	do {
		if (client_frames_next(a->frames, &f, &got, ret_end, e) != 0 ||
		    (got && on_frame(a, &f, e) != 0))
			return e->code;
	} while (got);
	return 0;
}

/* ---- to the instance ---------------------------------------------------- */

/* Takes ctrl-p ctrl-q out of @in: what stands before them is still sent. */
static size_t find_keys(struct attach *a, const char *in, size_t n, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < n && !a->detached; i++) {
		if (a->held && in[i] == CTRL_Q) {
			a->detached = true;
		} else if (!a->held && in[i] == CTRL_P) {
			a->held = true;
			continue;
		} else {
			if (a->held)
				out[len++] = CTRL_P;
			out[len++] = in[i];
		}
		a->held = false;
	}
	return len;
}

static int feed(struct attach *a, struct err *e)
{
	char in[CLIENT_INPUT_MAX / 2], out[CLIENT_INPUT_MAX];
	ssize_t n = read(STDIN_FILENO, in, sizeof(in));
	size_t len;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		a->input = false;
		client_frames_input(a->frames, NULL, 0);
	} else if (!a->keys) {
		client_frames_input(a->frames, in, (size_t)n);
	} else {
		len = find_keys(a, in, (size_t)n, out);
		if (len > 0)
			client_frames_input(a->frames, out, len);
	}
	return client_frames_flush(a->frames, e);
}

/* ---- signals ------------------------------------------------------------ */

static int catch_signals(struct attach *a, struct err *e)
{
	static const int leave[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCONT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(leave); i++)
		sigaddset(&set, leave[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	a->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return a->signals >= 0 ? 0 : err_set(e, ERR_IO, "signalfd: %s", strerror(errno));
}

static void on_signal(struct attach *a)
{
	struct signalfd_siginfo info;

	if (read(a->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGCONT)
		terminal_attach(a->terminal);
	else
		a->detached = true;
}

/* ---- the whole ---------------------------------------------------------- */

static int turn(struct attach *a, struct err *e)
{
	bool idle = client_frames_idle(a->frames);
	struct pollfd fds[3] = { { .fd = client_frames_fd(a->frames),
				   .events = idle ? POLLIN : POLLIN | POLLOUT },
				 { .fd = a->signals, .events = POLLIN },
				 { .fd = a->input && idle ? STDIN_FILENO : -1, .events = POLLIN } };

	if (poll(fds, ARRAY_LEN(fds), -1) < 0)
		return errno == EINTR ? 0 : err_set(e, ERR_IO, "poll: %s", strerror(errno));
	if (fds[1].revents != 0)
		on_signal(a);
	if (client_frames_flush(a->frames, e) != 0)
		return e->code;
	return fds[2].revents != 0 && !a->detached ? feed(a, e) : 0;
}

static int loop(struct attach *a, struct err *e)
{
	bool end = false;

	while (drain(a, &end, e) == 0 && !end && a->instance == NULL && !a->detached)
		if (turn(a, e) != 0)
			return e->code;
	if (e->code != 0 || a->instance != NULL || a->detached)
		return e->code;
	err_set(e, ERR_PEER, "the daemon went away before the instance ended");
	return err_hint(e, "wasmctl inspect %.40s", a->name);
}

static int begin(struct ctl *ctl, struct attach *a, struct err *e)
{
	CLEANUP(free_p) char *path = NULL;

	if (api_path("instances", a->name, "/attach", &path, e) != 0 || ctl_connect(ctl, e) != 0 ||
	    client_frames_open(ctl->client, path, &a->frames, e) != 0 || catch_signals(a, e) != 0)
		return e->code;
	a->input = !a->no_stdin;
	a->keys = a->input && isatty(STDIN_FILENO);
	a->terminal = terminal_keep();
	if (a->keys)
		terminal_attach(a->terminal);
	return 0;
}

int cmd_attach(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	CLEANUP(attach_done) struct attach a = { 0 };
	int n, r = ctl_options(ctl, &a, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	a.name = argv[0];
	if (begin(ctl, &a, e) != 0 || loop(&a, e) != 0)
		return e->code;
	terminal_restore(a.terminal);
	if (a.instance == NULL) {
		text_tell("wasmctl: detached; it goes on: ", a.name, TEXT_LINE);
		return 0;
	}
	follow_epitaph(a.instance, a.name);
	return follow_status(a.instance);
}
