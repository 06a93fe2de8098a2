/* POST /v1/run: HTTP and JSON around cmd_run. */
#include <string.h>

#include "daemon/front/command.h"
#include "daemon/front/http.h"
#include "daemon/front/json.h"

static struct request *of_watch(struct watch *w)
{
	return (struct request *)(void *)((char *)w - offsetof(struct request, watch));
}

static void on_ended(struct watch *w, struct instance *i, const struct err *e)
{
	struct request *r = of_watch(w);
	json_t *o;

	r->arg = NULL;
	if (e != NULL && e->code != 0) {
		answer_error(r, e);
		return;
	}
	o = json_instance(i);
	if (i->live != NULL && i->live->gather != NULL)
		json_put_output(o, i->live->gather);
	answer_json(r, 200, o);
}

/* Nobody will read the answer. The watch knew which instance it was. */
static void on_gone(struct request *r)
{
	struct instance *i = r->arg;

	r->arg = NULL;
	if (i != NULL && i->live != NULL)
		live_kill(i->live, CAUSE_CLIENT);
}

static void rewind_stdin(struct request *r, struct err *e)
{
	if (r->stdin_fd >= 0 && lseek(r->stdin_fd, 0, SEEK_SET) < 0)
		(void)err_set(e, ERR_IO, "standard input can't be read again");
}

void serve_run(struct request *r)
{
	struct ask ask = { .module = request_query(r, "module"),
			   .name = "",
			   .policy = request_query(r, "policy") };
	struct err e = { 0 };

	rewind_stdin(r, &e);
	if (ask.module == NULL)
		(void)err_set(&e, ERR_USAGE, "?module= is missing: which module shall run?");
	ask.args = request_query_all(r, "arg");
	ask.env = request_query_all(r, "env");
	if (ask.args == NULL || ask.env == NULL)
		(void)err_nomem(&e);
	for (size_t n = 0; e.code == 0 && ask.env[n] != NULL; n++)
		if (strchr(ask.env[n], '=') == NULL || ask.env[n][0] == '=')
			(void)err_set(&e, ERR_USAGE, "?env= must be NAME=VALUE");
	r->watch = (struct watch){ .states = INST_EXITED, .fire = on_ended };
	r->gone = on_gone;
	if (e.code == 0 &&
	    cmd_run(r->front, &r->who, &ask, fd_take(&r->stdin_fd), &r->watch, &e) == 0) {
		r->arg = r->watch.on;
		return;
	}
	(void)strv_free(ask.args);
	(void)strv_free(ask.env);
	answer_error(r, &e);
}
