/* One run, from its standard input to its exit: see command.h. */
#include "daemon/front/command.h"

int cmd_run(struct front *f, const struct who *who, struct ask *ask, int stdin_fd, struct watch *w,
	    struct err *e)
{
	struct launch how = {
		.who = who,
		.stream = { stdin_fd >= 0 ? STREAM_FD : STREAM_NULL, STREAM_RING, STREAM_RING },
		.fd = { stdin_fd, -1, -1 },
		.gather = true,
	};
	struct instance *i = NULL;

	if (instances_live(f->instances) >= LIM_INSTANCES)
		(void)err_set(e, ERR_QUOTA, "%u instances are running, the most there may be",
			      LIM_INSTANCES);
	if (e->code != 0 || cmd_create(f, who, ask, &i, e) < 0) {
		fd_clear(&how.fd[0]);
		ask->args = strv_free(ask->args);
		ask->env = strv_free(ask->env);
		return e->code;
	}
	if (cmd_start(f, i, &how, w, e) < 0)
		instance_free(f->instances, i);
	return e->code;
}
