/* ps, stats and inspect: what the daemon knows of instances. */
#include <fnmatch.h>
#include <stdlib.h>

#include "ctl/ctl.h"

struct ps {
	bool all;
	struct opt_list filters;
};

#define PS(field) offsetof(struct ps, field)

const struct opt opts_ps[] = {
	{ 'a', OPT_FLAG, "all", NULL, "those that have ended, too", PS(all) },
	{ 0, OPT_LIST, "filter", "KEY=VALUE", "by name=, state= or module=; globs may be used",
	  PS(filters) },
	OPT_END,
};
const struct opt opts_stats[] = {
	{ 'a', OPT_FLAG, "all", NULL, "those that have ended, too", PS(all) },
	OPT_END,
};

static void ps_done(struct ps *o)
{
	free(o->filters.at);
}

/* ---- filters ------------------------------------------------------------ */

static bool by_name(const json_t *i, const char *glob)
{
	return fnmatch(glob, show_text(i, "name"), 0) == 0;
}

/* Blocked is a way to run. */
static bool by_state(const json_t *i, const char *glob)
{
	return fnmatch(glob, show_text(i, "state"), 0) == 0 ||
	       (strcmp(glob, "blocked") == 0 && show_blocked(i));
}

static bool by_module(const json_t *i, const char *glob)
{
	const char *digest = show_text(i, "module");

	return fnmatch(glob, show_text(i, "module_name"), 0) == 0 || fnmatch(glob, digest, 0) == 0;
}

static const struct filter {
	const char *key;
	bool (*match)(const json_t *instance, const char *glob);
} filters[] = { { "name", by_name }, { "state", by_state }, { "module", by_module } };

/* The row that `KEY=VALUE` names. */
static const struct filter *find_filter(const char *text, struct err *e)
{
	const char *eq = strchr(text, '=');
	size_t n = eq != NULL ? (size_t)(eq - text) : 0;

	for (size_t i = 0; n > 0 && i < ARRAY_LEN(filters); i++)
		if (strlen(filters[i].key) == n && memcmp(filters[i].key, text, n) == 0)
			return &filters[i];
	err_set(e, ERR_USAGE, "--filter: \"%s\" is not name=, state= or module= and a value", text);
	return NULL;
}

static bool matches(const json_t *instance, const struct opt_list *l)
{
	struct err ignored = { 0 };

	for (size_t i = 0; i < l->len; i++) {
		const struct filter *f = find_filter(l->at[i], &ignored);

		if (f != NULL && !f->match(instance, strchr(l->at[i], '=') + 1))
			return false;
	}
	return true;
}

/* Whoever asks for a state gets those that have ended, too. */
static int check_filters(struct ps *o, struct err *e)
{
	for (size_t i = 0; i < o->filters.len; i++) {
		const struct filter *f = find_filter(o->filters.at[i], e);

		if (f == NULL)
			return e->code;
		o->all = o->all || f->match == by_state;
	}
	return 0;
}

static void apply_filters(json_t *answer, const struct opt_list *l)
{
	json_t *list = json_object_get(answer, "instances");

	for (size_t i = json_array_size(list); l->len > 0 && i-- > 0;)
		if (!matches(json_array_get(list, i), l))
			json_array_remove(list, i);
}

/* ---- the verbs ---------------------------------------------------------- */

static int list(struct ctl *ctl, struct ps *o, const struct view *v, struct err *e)
{
	json_t *answer;

	if (check_filters(o, e) != 0 || ctl_connect(ctl, e) != 0 ||
	    client_get(ctl->client, o->all ? "/v1/instances?all=1" : "/v1/instances", &answer, e) !=
		    0)
		return e->code;
	apply_filters(answer, &o->filters);
	(void)show_list(ctl, answer, v, e);
	json_decref(answer);
	return e->code;
}

int cmd_ps(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	CLEANUP(ps_done) struct ps o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	return list(ctl, &o, &view_instances, e);
}

/* Those that are named, in a list as the daemon would answer it. */
static int gather(struct ctl *ctl, int n, char **names, json_t **ret, struct err *e)
{
	json_t *all = json_pack("{s:[]}", "instances"), *one;

	if (all == NULL)
		return err_nomem(e);
	for (int i = 0; i < n; i++) {
		CLEANUP(free_p) char *path = NULL;

		if (api_path("instances", names[i], "", &path, e) != 0 ||
		    client_get(ctl->client, path, &one, e) != 0) {
			json_decref(all);
			return e->code;
		}
		json_array_append_new(json_object_get(all, "instances"), one);
	}
	*ret = all;
	return 0;
}

int cmd_stats(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	struct ps o = { 0 };
	int n, r = ctl_options(ctl, &o, argc, argv, &argv, &n, e);
	json_t *all;

	if (r != 0)
		return r < 0 ? r : 0;
	if (n == 0)
		return list(ctl, &o, &view_stats, e);
	if (ctl_connect(ctl, e) != 0 || gather(ctl, n, argv, &all, e) != 0)
		return e->code;
	(void)show_list(ctl, all, &view_stats, e);
	json_decref(all);
	return e->code;
}

int cmd_inspect(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	return show_each(ctl, "instances", &view_instances, n, argv, e);
}
