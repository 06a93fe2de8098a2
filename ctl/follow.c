/*
 * A foreground instance: it has our own standard streams, we read the events
 * of its life, tell of denials, and turn signals into stop and kill.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#include "ctl/ctl.h"
#include "wasmd/vec.h"

#define FOLLOW_DENIALS	   32u	/* distinct ones told of; inspect has their counts */
#define FOLLOW_GRACE	   "10" /* seconds from the first signal to the kill */
#define FOLLOW_COURTESY_MS 2000u

struct follow {
	struct ctl *ctl;
	const char *id;
	const struct follow_options *o;
	struct client_stream *stream;
	int signals; /* signalfd */
	unsigned n_signals;
	struct client *asked[2]; /* their answers are not read */
	struct terminal *terminal;
	VEC(char *) told;
	json_t *instance; /* once it has ended */
};

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGTSTP);
}

void follow_block_signals(void)
{
	sigset_t set;

	signal_set(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static void follow_done(struct follow *f)
{
	for (size_t i = 0; i < f->told.len; i++)
		free(f->told.at[i]);
	VEC_DONE(&f->told);
	for (size_t i = 0; i < ARRAY_LEN(f->asked); i++)
		client_free(f->asked[i]);
	client_stream_free(f->stream);
	terminal_free(f->terminal);
	close_p(&f->signals);
}

/* ---- denials ------------------------------------------------------------ */

/* True when the same denial was told of before, or too many others were. */
static bool told(struct follow *f, const json_t *d)
{
	CLEANUP(free_p) char *key = NULL;
	char **slot;

	if (asprintf(&key, "%s|%s|%lld|%s", show_text(d, "call"), show_text(d, "path"),
		     (long long)show_number(d, "fd"), show_text(d, "rule")) < 0) {
		key = NULL;
		return true;
	}
	for (size_t i = 0; i < f->told.len; i++)
		if (strcmp(f->told.at[i], key) == 0)
			return true;
	if (f->told.len >= FOLLOW_DENIALS)
		return true;
	slot = VEC_PUSH(&f->told);
	if (slot != NULL) {
		*slot = key;
		key = NULL;
	}
	return false;
}

static void print_object(FILE *out, const json_t *d)
{
	const char *path = show_text(d, "path");

	(void)fprintf(out, "%s", show_text(d, "call"));
	if (path[0] != '\0')
		(void)fprintf(out, " %s", path);
	else if (json_is_integer(json_object_get(d, "fd")))
		(void)fprintf(out, " of descriptor %lld", (long long)show_number(d, "fd"));
}

static void print_rule(FILE *out, const json_t *d, const char *file)
{
	const char *rule = show_text(d, "rule");
	long long line = show_number(d, "line");

	if (rule[0] == '\0')
		(void)fprintf(out, " by the policy's default");
	else
		(void)fprintf(out, " by rule \"%s\"", rule);
	if (line > 0 && file != NULL)
		(void)fprintf(out, " (%s:%lld)", file, line);
	else if (line > 0)
		(void)fprintf(out, " (line %lld of its policy)", line);
	if (show_text(d, "allow")[0] != '\0')
		(void)fprintf(out, "; to allow it: %s", show_text(d, "allow"));
}

void follow_denial(const json_t *d, const char *policy_file)
{
	bool complain = json_is_true(json_object_get(d, "complain"));
	CLEANUP(free_p) char *line = NULL;
	size_t size;
	FILE *out;

	if (!json_is_object(d))
		return;
	out = open_memstream(&line, &size);
	if (out == NULL)
		return;
	print_object(out, d);
	print_rule(out, d, policy_file);
	if (fclose(out) == 0)
		text_tell(complain ? "would be denied: " : "denied: ", line, TEXT_LINE);
}

static void tell_denial(struct follow *f, const json_t *d)
{
	if (json_is_object(d) && !told(f, d))
		follow_denial(d, f->o->policy_file);
}

/* ---- events ------------------------------------------------------------- */

static int on_denied(struct follow *f, const json_t *event, struct err *e)
{
	(void)e;
	tell_denial(f, json_object_get(event, "denial"));
	return 0;
}

static int on_exited(struct follow *f, const json_t *event, struct err *e)
{
	json_t *instance = json_object_get(event, "instance"), *d;
	size_t i;

	if (!json_is_object(json_object_get(instance, "exit")))
		return err_set(e, ERR_PEER, "the daemon does not say how the instance ended");
	json_array_foreach(json_object_get(instance, "denials"), i, d) tell_denial(f, d);
	json_decref(f->instance);
	f->instance = json_incref(instance);
	return 0;
}

static int on_error(struct follow *f, const json_t *event, struct err *e)
{
	(void)f;
	return client_error(event, 0, e);
}

/* Events that are not here are of a newer daemon and passed over. */
static const struct {
	const char *name;
	int (*on)(struct follow *f, const json_t *event, struct err *e);
} events[] = { { "denied", on_denied }, { "exited", on_exited }, { "error", on_error } };

static int on_event(struct follow *f, const json_t *event, struct err *e)
{
	const char *name = show_text(event, "event");

	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (strcmp(events[i].name, name) == 0)
			return events[i].on(f, event, e);
	return 0;
}

/* Takes all events that have arrived. */
static int drain(struct follow *f, bool *ret_end, struct err *e)
{
	json_t *event;

	for (;;) {
		if (client_stream_next(f->stream, &event, ret_end, e) != 0)
			return e->code;
		if (event == NULL)
			return 0;
		(void)on_event(f, event, e);
		json_decref(event);
		if (e->code != 0)
			return e->code;
	}
}

/* ---- signals ------------------------------------------------------------ */

/* Asks over another connection, and does not wait for the answer. */
static int ask(struct follow *f, unsigned nth, struct err *e)
{
	CLEANUP(free_p) char *path = NULL;
	struct client_request rq = { .method = "POST" };

	if (api_path("instances", f->id, nth == 0 ? "/stop?grace=" FOLLOW_GRACE : "/kill", &path,
		     e) != 0)
		return e->code;
	rq.path = path;
	if (ctl_client(f->ctl, &f->asked[nth], e) != 0)
		return e->code;
	return client_send(f->asked[nth], &rq, e);
}

/* Asks and waits, but not for long: it is a courtesy. */
static void ask_briefly(struct follow *f, const char *what)
{
	CLEANUP(free_p) char *path = NULL;
	struct err ignored = { 0 };
	struct client *c = NULL;

	if (api_path("instances", f->id, what, &path, &ignored) != 0 ||
	    ctl_client(f->ctl, &c, &ignored) != 0)
		return;
	client_set_timeout(c, FOLLOW_COURTESY_MS);
	(void)!client_post(c, path, NULL, NULL, &ignored);
	client_free(c);
}

/* ctrl-z: the guest is in another session and would go on reading from the
 * terminal while the shell does, so it stands still as long as we do. */
static void suspend(struct follow *f)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	ask_briefly(f, "/pause");
	terminal_restore(f->terminal);
	(void)raise(SIGTSTP);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL); /* here we stop */
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	ask_briefly(f, "/resume");
}

static int on_signal(struct follow *f, struct err *e)
{
	struct signalfd_siginfo info;

	if (read(f->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGTSTP) {
		suspend(f);
		return 0;
	}
	if (f->n_signals >= ARRAY_LEN(f->asked))
		return err_set(e, ERR_TIMEOUT, "interrupted before the instance ended");
	if (f->n_signals == 0)
		(void)fprintf(stderr, "wasmctl: stopping it; the next signal kills it\n");
	return ask(f, f->n_signals++, e);
}

/* ---- the whole ---------------------------------------------------------- */

static int begin(struct follow *f, struct err *e)
{
	static const int streams[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	CLEANUP(free_p) char *path = NULL;
	sigset_t set;

	signal_set(&set);
	f->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (f->signals < 0)
		return err_set(e, ERR_IO, "signalfd: %s", strerror(errno));
	f->terminal = terminal_keep();
	if (api_path("instances", f->id, "/start", &path, e) != 0)
		return e->code;
	return client_attach(f->ctl->client, path, streams, &f->stream, e);
}

static int loop(struct follow *f, struct err *e)
{
	struct pollfd fds[2] = { { .fd = client_stream_fd(f->stream), .events = POLLIN },
				 { .fd = f->signals, .events = POLLIN } };
	bool end = false;

	/* What came with the 101 is already in the stream. */
	while (drain(f, &end, e) == 0 && !end) {
		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return err_set(e, ERR_IO, "poll: %s", strerror(errno));
		if ((fds[1].revents & POLLIN) && on_signal(f, e) != 0)
			return e->code;
	}
	if (e->code != 0)
		return e->code;
	if (f->instance == NULL) {
		err_set(e, ERR_PEER, "the daemon went away before the instance ended");
		return err_hint(e, "wasmctl inspect %.40s", f->id);
	}
	return 0;
}

void follow_forget(struct ctl *ctl, const char *id, bool ended)
{
	CLEANUP(free_p) char *path = NULL;
	struct err ignored = { 0 };
	const char *state;
	json_t *instance;

	if (api_path("instances", id, "", &path, &ignored) != 0 ||
	    client_get(ctl->client, path, &instance, &ignored) != 0)
		return;
	state = show_text(instance, "state");
	if (strcmp(state, "created") == 0 || (ended && strcmp(state, "exited") == 0))
		(void)!client_delete(ctl->client, path, &ignored);
	json_decref(instance);
}

int follow(struct ctl *ctl, const char *id, const struct follow_options *o, json_t **ret_instance,
	   struct err *e)
{
	CLEANUP(follow_done) struct follow f = { .ctl = ctl, .id = id, .o = o, .signals = -1 };

	(void)fflush(NULL);
	if (begin(&f, e) != 0 || loop(&f, e) != 0) {
		json_decref(f.instance);
		return e->code;
	}
	*ret_instance = f.instance;
	return 0;
}

/* ---- the end ------------------------------------------------------------ */

static struct cause_info cause_of(const json_t *instance)
{
	const char *wire = show_text(json_object_get(instance, "exit"), "cause");

	for (int c = 0; c < CAUSE_COUNT; c++)
		if (strcmp(cause_info((enum cause)c).wire, wire) == 0)
			return cause_info((enum cause)c);
	return cause_info(CAUSE_LOST);
}

int follow_status(const json_t *instance)
{
	int64_t own = show_number(json_object_get(instance, "exit"), "status");
	int status = cause_of(instance).status;

	if (status >= 0)
		return status;
	return own >= 0 && own <= 255 ? (int)own : 255;
}

/* "trapped: unreachable" and "unreachable" shall read the same. */
static const char *end_detail(const char *message, const char *cause)
{
	size_t n = strlen(cause);

	if (strcmp(message, cause) == 0)
		return "";
	if (strncmp(message, cause, n) == 0 && message[n] == ':')
		return message + n + 1 + strspn(message + n + 1, " ");
	return message;
}

void follow_epitaph(const json_t *instance, const char *label)
{
	struct cause_info cause = cause_of(instance);
	CLEANUP(free_p) char *line = NULL;
	const char *detail;

	if (cause.status < 0)
		return;
	detail = end_detail(show_text(json_object_get(instance, "exit"), "message"), cause.text);
	if (asprintf(&line, "%s %s%s%s", label, cause.text, detail[0] != '\0' ? ": " : "", detail) <
	    0) {
		line = NULL;
		return;
	}
	text_tell("wasmctl: ", line, TEXT_LINES);
}
