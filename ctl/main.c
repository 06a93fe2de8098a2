/*
 * wasmctl: finds the verb, runs it, prints the one sentence when it fails.
 * Exit statuses: the guest's own for run, else 0; 125 for a failure of the
 * daemon or of the command line, 126 and 127 as in docs/man/wasmctl.1.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "ctl/ctl.h"
#include "wasmd/policy.h"

#define COMMON(field) offsetof(struct ctl, field)

const struct opt opts_none[] = { OPT_END };
const struct opt opts_common[] = {
	{ 'H', OPT_TEXT, "socket", "PATH", "the daemon's socket (or $WASMD_SOCKET)",
	  COMMON(socket) },
	{ 0, OPT_TEXT, "tenant", "NAME", "act for this tenant", COMMON(tenant) },
	{ 'o', OPT_TEXT, "output", "FORM", "table, json, jsonl or name", COMMON(form_text) },
	{ 0, OPT_TEXT, "request-timeout", "TIME", "how long to wait for an answer (0: for ever)",
	  COMMON(timeout_text) },
	{ 'h', OPT_FLAG, "help", NULL, "say what the verb does", COMMON(help) },
	OPT_END,
};

int ctl_duration(const char *option, const char *text, unsigned *ret_ms, struct err *e)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = { { "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 }, { "h", 3.6e6 } };
	char *end;
	double v = strtod(text, &end);

	if (end != text && v >= 0)
		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (strcmp(end, units[i].name) == 0 && v * units[i].ms <= INT_MAX) {
				*ret_ms = (unsigned)ceil(v * units[i].ms);
				return 0;
			}
	err_set(e, ERR_USAGE, "%s: \"%s\" is not a time", option, text);
	return err_hint(e, "write it as 10s, 500ms, 2m or 1h");
}

static int common_form(struct ctl *ctl, struct err *e)
{
	static const char *const names[] = { "table", "json", "jsonl", "name" };
	const char *near;

	if (ctl->form_text == NULL)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(ctl->form_text, names[i]) == 0) {
			ctl->form = (enum form)i;
			return 0;
		}
	near = policy_nearest(ctl->form_text, names, ARRAY_LEN(names));
	err_set(e, ERR_USAGE, "-o: there is no form \"%s\"%s%s%s", ctl->form_text,
		near != NULL ? "; did you mean " : "", near != NULL ? near : "",
		near != NULL ? "?" : "");
	return err_hint(e, "the forms are table, json, jsonl and name");
}

int ctl_common(struct ctl *ctl, struct err *e)
{
	if (common_form(ctl, e) != 0)
		return e->code;
	ctl->timeout_ms = CTL_TIMEOUT_MS;
	return ctl->timeout_text != NULL
		       ? ctl_duration("--request-timeout", ctl->timeout_text, &ctl->timeout_ms, e)
		       : 0;
}

static int count_args(const struct verb *v, int n, char **args, struct err *e)
{
	if (n < v->least)
		err_set(e, ERR_USAGE, "it needs %s", v->args);
	else if (n > v->most)
		err_set(e, ERR_USAGE, "there is one argument too many: \"%s\"", args[v->most]);
	else
		return 0;
	return err_hint(e, "wasmctl help %s%s%s", v->group, v->group[0] != '\0' ? " " : "",
			v->name);
}

int ctl_options(struct ctl *ctl, void *to, int argc, char **argv, char ***ret_args, int *ret_n,
		struct err *e)
{
	const struct verb *v = ctl->verb;
	const struct opt_set sets[] = { { v->opts, to }, { opts_common, ctl } };

	if (opt_parse(sets, ARRAY_LEN(sets), v->stop, argc, argv, ret_args, ret_n, e) != 0)
		return e->code;
	if (ctl->help) {
		help_verb(v, stdout);
		return 1;
	}
	if (count_args(v, *ret_n, *ret_args, e) != 0)
		return e->code;
	return ctl_common(ctl, e);
}

int ctl_client(const struct ctl *ctl, struct client **ret, struct err *e)
{
	struct client_options o = { .socket = ctl->socket,
				    .tenant = ctl->tenant,
				    .timeout_ms = ctl->timeout_ms };

	return client_new(&o, ret, e);
}

int ctl_connect(struct ctl *ctl, struct err *e)
{
	return ctl->client != NULL ? 0 : ctl_client(ctl, &ctl->client, e);
}

void ctl_patient(struct ctl *ctl)
{
	if (ctl->timeout_text == NULL)
		client_set_timeout(ctl->client, 0);
}

void ctl_complain(const struct ctl *ctl, const struct err *e)
{
	const struct verb *v = ctl->verb;
	char who[64] = "wasmctl: ";

	if (v != NULL)
		(void)snprintf(who, sizeof(who), "wasmctl %s%s%s: ", v->group,
			       v->group[0] != '\0' ? " " : "", v->name);
	text_tell(who, e->msg[0] != '\0' ? e->msg : "it failed without saying why", TEXT_LINE);
	if (e->hint[0] != '\0')
		text_tell("  hint: ", e->hint, TEXT_LINE);
}

static int run_verb(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	const struct opt_set common = { opts_common, ctl };
	char **rest;
	int n, words;

	/* Options before the verb; a shift by one keeps the verb as argv[0]. */
	if (opt_parse(&common, 1, true, argc, argv, &rest, &n, e) != 0)
		return e->code;
	if (n == 0) {
		help_all(stdout);
		return 0;
	}
	if (verb_lookup(n, rest, &ctl->verb, &words, e) != 0)
		return e->code;
	return ctl->verb->run(ctl, n - words + 1, rest + words - 1, e);
}

/* Descriptors 0 to 2 are passed on: they must be something. */
static void open_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		(void)close(fd);
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .timeout_ms = CTL_TIMEOUT_MS };
	struct err e = { 0 };
	int status;

	open_streams();
	(void)signal(SIGPIPE, SIG_IGN);
	status = run_verb(&ctl, argc, argv, &e);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status >= 0)
		status = err_set(&e, ERR_IO, "writing to standard output: %s", strerror(errno));
	if (status < 0) {
		ctl_complain(&ctl, &e);
		status = err_info(status).exit;
	}
	client_free(ctl.client);
	return status;
}
