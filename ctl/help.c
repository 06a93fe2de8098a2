/*
 * Finding verbs, telling about them, completing them: all from verbs.def and
 * the option tables.
 */
#include "ctl/ctl.h"
#include "wasmd/policy.h"

const struct verb verbs[] = {
#define VERB(id, group, name, args, least, most, stop, opts, help) \
	{ group, name, args, help, least, most, stop, opts, cmd_##id },
	WASMCTL_VERBS(VERB)
#undef VERB
};
const size_t n_verbs = ARRAY_LEN(verbs);

static const char *const groups[] = { "module", "policy" };

static bool is_group(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		if (strcmp(groups[i], name) == 0)
			return true;
	return false;
}

const struct verb *verb_find(const char *group, const char *name)
{
	for (size_t i = 0; i < n_verbs; i++)
		if (strcmp(verbs[i].group, group) == 0 && strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int no_verb(const char *group, const char *name, struct err *e)
{
	const char *names[ARRAY_LEN(verbs) + ARRAY_LEN(groups)], *near;
	const char *space = group[0] != '\0' ? " " : "";
	size_t n = 0;

	for (size_t i = 0; i < n_verbs; i++)
		if (strcmp(verbs[i].group, group) == 0)
			names[n++] = verbs[i].name;
	for (size_t i = 0; i < ARRAY_LEN(groups) && group[0] == '\0'; i++)
		names[n++] = groups[i];
	near = policy_nearest(name, names, n);
	if (near != NULL)
		return err_set(e, ERR_USAGE,
			       "there is no verb \"%s%s%s\"; did you mean \"%s%s%s\"?", group,
			       space, name, group, space, near);
	err_set(e, ERR_USAGE, "there is no verb \"%s%s%s\"", group, space, name);
	return err_hint(e, "wasmctl help lists them");
}

/* "module" alone: say what it has. */
static int half_verb(const char *group, struct err *e)
{
	char list[160] = "";

	for (size_t i = 0; i < n_verbs; i++)
		if (strcmp(verbs[i].group, group) == 0) {
			size_t n = strlen(list);

			(void)snprintf(list + n, sizeof(list) - n, "%s%s", n != 0 ? ", " : "",
				       verbs[i].name);
		}
	return err_set(e, ERR_USAGE, "%s needs one of: %s", group, list);
}

int verb_lookup(int argc, char **argv, const struct verb **ret, int *ret_words, struct err *e)
{
	bool grouped = is_group(argv[0]);
	const char *group = grouped ? argv[0] : "";
	const struct verb *v;

	if (grouped && argc < 2)
		return half_verb(group, e);
	v = verb_find(group, argv[grouped ? 1 : 0]);
	if (v == NULL)
		return no_verb(group, argv[grouped ? 1 : 0], e);
	*ret = v;
	*ret_words = grouped ? 2 : 1;
	return 0;
}

/* ---- help --------------------------------------------------------------- */

static bool has_option(const struct opt *o, const char *name)
{
	while (o->name != NULL && strcmp(o->name, name) != 0)
		o++;
	return o->name != NULL;
}

/* A long name that one of @own has taken is left out. */
static void help_options(const struct opt *o, const struct opt *own, FILE *f)
{
	for (; o->name != NULL; o++) {
		bool taken = has_option(own, o->name);
		char left[64], key[8] = "    ";

		if (o->key != 0)
			(void)snprintf(key, sizeof(key), taken ? "-%c" : "-%c, ", o->key);
		(void)snprintf(left, sizeof(left), "%s%s%s%s%s", key, taken ? "" : "--",
			       taken ? "" : o->name, o->arg != NULL ? " " : "",
			       o->arg != NULL ? o->arg : "");
		(void)fprintf(f, "  %-34s %s\n", left, o->help);
	}
}

static const char *gap(const char *s)
{
	return s[0] != '\0' ? " " : "";
}

void help_verb(const struct verb *v, FILE *f)
{
	bool own = v->opts[0].name != NULL;

	(void)fprintf(f, "wasmctl %s%s%s%s%s%s: %s\n", v->group, gap(v->group), v->name,
		      own ? " [OPTION...]" : "", gap(v->args), v->args, v->help);
	if (own)
		(void)fprintf(f, "\nOptions:\n");
	help_options(v->opts, opts_none, f);
	(void)fprintf(f, "\nCommon options:\n");
	help_options(opts_common, v->opts, f);
}

void help_all(FILE *f)
{
	(void)fprintf(f, "wasmctl: run WebAssembly modules under policies, through wasmd\n\n");
	for (size_t i = 0; i < n_verbs; i++) {
		const struct verb *v = &verbs[i];
		char left[80];

		(void)snprintf(left, sizeof(left), "%s%s%s%s%s", v->group, gap(v->group), v->name,
			       gap(v->args), v->args);
		(void)fprintf(f, "  %-34s %s\n", left, v->help);
	}
	(void)fprintf(f, "\nCommon options:\n");
	help_options(opts_common, opts_none, f);
	(void)fprintf(f, "\nwasmctl help VERB tells more of one.\n");
}

int cmd_help(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	const struct verb *v = ctl->verb;
	int n, words, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (n == 0) {
		help_all(stdout);
		return 0;
	}
	if (verb_lookup(n, argv, &v, &words, e) != 0)
		return e->code;
	help_verb(v, stdout);
	return 0;
}

/* ---- completion --------------------------------------------------------- */

static void list_options(const struct opt *o)
{
	for (; o->name != NULL; o++)
		printf(" --%s", o->name);
}

static void list_group(const char *group)
{
	for (size_t i = 0; i < n_verbs; i++)
		if (strcmp(verbs[i].group, group) == 0)
			printf(" %s", verbs[i].name);
}

/* One case of the script per verb: its options, and what its arguments are. */
static void list_verb(const struct verb *v)
{
	printf("\t'%s%s%s') words=\"", v->group, gap(v->group), v->name);
	list_options(v->opts);
	list_options(opts_common);
	printf("\"; ");
	if (strncmp(v->args + (v->args[0] == '['), "NAME", 4) == 0)
		printf("names='ps -a' ");
	else if (strncmp(v->args, "MODULE", 6) == 0)
		printf("names='module ls' files=1 ");
	else if (strncmp(v->args, "FILE", 4) == 0)
		printf("files=1 ");
	else if (strcmp(v->args, "bash") == 0)
		printf("words+=' bash' ");
	printf(";;\n");
}

static void completion_bash(void)
{
	printf("# bash completion of wasmctl: eval \"$(wasmctl completion bash)\"\n"
	       "_wasmctl() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} verb='' words='' names='' files='' i w\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tw=${COMP_WORDS[i]}\n"
	       "\t\tcase $w in\n"
	       "\t\t-H|-o|--socket|--tenant|--output|--request-timeout) ((i++)); continue;;\n"
	       "\t\t-*) continue;;\n"
	       "\t\tesac\n"
	       "\t\tcase $verb in '') verb=$w;; module|policy) verb+=\" $w\"; break;; "
	       "*) break;; esac\n"
	       "\tdone\n"
	       "\tcase $verb in\n\t'') words=\"");
	list_group("");
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		printf(" %s", groups[i]);
	list_options(opts_common);
	printf("\";;\n");
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		printf("\t%s) words=\"", groups[i]);
		list_group(groups[i]);
		printf("\";;\n");
	}
	for (size_t i = 0; i < n_verbs; i++)
		list_verb(&verbs[i]);
	printf("\tesac\n"
	       "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	       /* Not by compgen -W: it would expand what a tenant put into a name. */
	       "\tif [[ -n $names && $cur != -* ]]; then\n"
	       "\t\tCOMPREPLY=()\n"
	       "\t\twhile IFS= read -r w; do\n"
	       "\t\t\tif [[ $w == \"$cur\"* ]]; then COMPREPLY+=(\"$w\"); fi\n"
	       "\t\tdone < <(wasmctl $names -o name 2>/dev/null)\n"
	       "\tfi\n"
	       "\tif [[ -n $files && $cur != -* ]]; then\n"
	       "\t\tmapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\")\n"
	       "\tfi\n"
	       "}\n"
	       "complete -o filenames -F _wasmctl wasmctl\n");
}

int cmd_completion(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);

	if (r != 0)
		return r < 0 ? r : 0;
	if (strcmp(argv[0], "bash") != 0)
		return err_set(e, ERR_USAGE, "there is a completion for bash only, not for \"%s\"",
			       argv[0]);
	completion_bash();
	return 0;
}
