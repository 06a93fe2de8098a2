/* module load, ls, inspect, rm. */
#include "ctl/ctl.h"

struct load {
	const char *name;
};

const struct opt opts_load[] = {
	{ 0, OPT_TEXT, "name", "NAME", "what to call it", offsetof(struct load, name) },
	OPT_END,
};

int cmd_module_load(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct load o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);
	json_t *module;

	if (r != 0)
		return r < 0 ? r : 0;
	if (module_upload(ctl, argv[0], o.name, &module, e) != 0)
		return e->code;
	(void)show_done(
		ctl, module,
		ctl->form == FORM_NAME && o.name != NULL ? o.name : show_text(module, "digest"), e);
	json_decref(module);
	return e->code;
}

int cmd_module_ls(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);
	json_t *answer;

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_connect(ctl, e) != 0 || client_get(ctl->client, "/v1/modules", &answer, e) != 0)
		return e->code;
	(void)show_list(ctl, answer, &view_modules, e);
	json_decref(answer);
	return e->code;
}

int cmd_module_inspect(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	return show_each(ctl, "modules", &view_modules, n, argv, e);
}

int cmd_module_rm(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_connect(ctl, e) != 0)
		return e->code;
	for (int i = 0; i < n; i++) {
		CLEANUP(free_p) char *path = NULL;

		if (api_path("modules", argv[i], "", &path, e) != 0 ||
		    client_delete(ctl->client, path, e) != 0)
			return e->code;
		(void)text_put(stdout, argv[i], strlen(argv[i]), TEXT_LINE);
		(void)fputc('\n', stdout);
	}
	return 0;
}
