#include "ctl/opt.h"

#include <stdlib.h>

#include "wasmd/policy.h"
#include "wasmd/vec.h"

#define OPT_NAMES_MAX 64u /* options of one verb that "did you mean" looks at */

int opt_list_add(struct opt_list *l, const char *s, struct err *e)
{
	const char **slot = VEC_PUSH(l);

	if (slot == NULL)
		return err_nomem(e);
	*slot = s;
	return 0;
}

struct found {
	const struct opt *row;
	void *to;
};

static struct found by_name(const struct opt_set *sets, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++)
		for (const struct opt *o = sets[i].rows; o != NULL && o->name != NULL; o++)
			if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
				return (struct found){ o, sets[i].to };
	return (struct found){ NULL, NULL };
}

static struct found by_key(const struct opt_set *sets, size_t n, char key)
{
	for (size_t i = 0; i < n; i++)
		for (const struct opt *o = sets[i].rows; o != NULL && o->name != NULL; o++)
			if (o->key == key)
				return (struct found){ o, sets[i].to };
	return (struct found){ NULL, NULL };
}

static int unknown(const struct opt_set *sets, size_t n, const char *name, size_t len,
		   struct err *e)
{
	const char *names[OPT_NAMES_MAX], *near;
	char asked[64];
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		for (const struct opt *o = sets[i].rows; o != NULL && o->name != NULL; o++)
			if (k < OPT_NAMES_MAX)
				names[k++] = o->name;
	(void)snprintf(asked, sizeof(asked), "%.*s", (int)len, name);
	near = policy_nearest(asked, names, k);
	if (near != NULL)
		return err_set(e, ERR_USAGE, "there is no option --%s; did you mean --%s?", asked,
			       near);
	return err_set(e, ERR_USAGE, "there is no option --%s", asked);
}

static int store(struct found f, const char *value, struct err *e)
{
	char *field = (char *)f.to + f.row->at;

	switch (f.row->kind) {
	case OPT_FLAG:
		*(bool *)field = true;
		return 0;
	case OPT_TEXT:
		*(const char **)field = value;
		return 0;
	case OPT_LIST:
		return opt_list_add((struct opt_list *)field, value, e);
	}
	return 0;
}

/* --name, --name=VALUE or --name VALUE. */
static int take_long(const struct opt_set *sets, size_t n, int argc, char **argv, int *i,
		     struct err *e)
{
	const char *name = argv[*i] + 2, *eq = strchr(name, '=');
	size_t len = eq != NULL ? (size_t)(eq - name) : strlen(name);
	struct found f = by_name(sets, n, name, len);

	if (f.row == NULL)
		return unknown(sets, n, name, len, e);
	if (f.row->arg == NULL)
		return eq != NULL ? err_set(e, ERR_USAGE, "--%s takes no value", f.row->name)
				  : store(f, NULL, e);
	if (eq != NULL)
		return store(f, eq + 1, e);
	if (*i + 1 >= argc)
		return err_set(e, ERR_USAGE, "--%s needs a value: %s", f.row->name, f.row->arg);
	return store(f, argv[++*i], e);
}

/* -abc, -nVALUE or -n VALUE. */
static int take_short(const struct opt_set *sets, size_t n, int argc, char **argv, int *i,
		      struct err *e)
{
	for (const char *p = argv[*i] + 1; *p != '\0'; p++) {
		struct found f = by_key(sets, n, *p);

		if (f.row == NULL)
			return err_set(e, ERR_USAGE, "there is no option -%c", *p);
		if (f.row->arg == NULL) {
			if (store(f, NULL, e) != 0)
				return e->code;
			continue;
		}
		if (p[1] != '\0')
			return store(f, p + 1, e);
		if (*i + 1 >= argc)
			return err_set(e, ERR_USAGE, "-%c needs a value: %s", *p, f.row->arg);
		return store(f, argv[++*i], e);
	}
	return 0;
}

int opt_parse(const struct opt_set *sets, size_t n_sets, bool stop, int argc, char **argv,
	      char ***ret_rest, int *ret_n, struct err *e)
{
	int n = 0, i = 1;

	for (; i < argc; i++) {
		const char *a = argv[i];
		int r = 0;

		if (strcmp(a, "--") == 0) {
			i++;
			break;
		}
		if (a[0] != '-' || a[1] == '\0') {
			if (stop)
				break;
			argv[1 + n++] = argv[i];
			continue;
		}
		r = a[1] == '-' ? take_long(sets, n_sets, argc, argv, &i, e)
				: take_short(sets, n_sets, argc, argv, &i, e);
		if (r != 0)
			return r;
	}
	for (; i < argc; i++)
		argv[1 + n++] = argv[i];
	*ret_rest = argv + 1;
	*ret_n = n;
	return 0;
}
