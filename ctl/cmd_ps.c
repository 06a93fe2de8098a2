/* ps and inspect: what the daemon knows of instances. */
#include "ctl/ctl.h"

struct ps {
	bool all;
};

const struct opt opts_ps[] = {
	{ 'a', OPT_FLAG, "all", NULL, "those that have ended, too", offsetof(struct ps, all) },
	OPT_END,
};

int cmd_ps(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct ps o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);
	json_t *answer;

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_connect(ctl, e) != 0 ||
	    client_get(ctl->client, o.all ? "/v1/instances?all=1" : "/v1/instances", &answer, e) !=
		    0)
		return e->code;
	(void)show_list(ctl, answer, &view_instances, e);
	json_decref(answer);
	return e->code;
}

int cmd_inspect(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	return show_each(ctl, "instances", &view_instances, n, argv, e);
}
