/*
 * Answers in the form asked for: JSON as it came, tables, names.
 */
#include <time.h>

#include "ctl/ctl.h"

const char *show_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "";
}

int64_t show_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* On a terminal everything beyond ASCII is escaped: it could reorder lines. */
int show_json(const json_t *j, bool lines, struct err *e)
{
	size_t flags = lines ? JSON_COMPACT : JSON_INDENT(2);

	if (isatty(STDOUT_FILENO))
		flags |= JSON_ENSURE_ASCII;
	if (json_dumpf(j, stdout, flags) != 0)
		return err_set(e, ERR_IO, "writing to standard output failed");
	(void)fputc('\n', stdout);
	return 0;
}

static void show_line(const char *text)
{
	(void)text_put(stdout, text, strlen(text), TEXT_LINE);
	(void)fputc('\n', stdout);
}

static int show_table(const json_t *list, const struct view *v, struct err *e)
{
	struct table *t;
	const json_t *object;
	size_t i;

	if (table_new(v->heads, v->columns, &t, e) != 0)
		return e->code;
	json_array_foreach(list, i, object) v->row(t, object);
	(void)table_print(t, stdout, e);
	table_free(t);
	return e->code;
}

int show_list(const struct ctl *ctl, const json_t *answer, const struct view *v, struct err *e)
{
	const json_t *list = json_object_get(answer, v->key), *object;
	size_t i;

	if (!json_is_array(list))
		return err_set(e, ERR_PEER, "the daemon's answer has no \"%s\"", v->key);
	if (ctl->form == FORM_JSON)
		return show_json(answer, false, e);
	if (ctl->form == FORM_TABLE)
		return show_table(list, v, e);
	json_array_foreach(list, i, object)
	{
		if (ctl->form == FORM_NAME)
			show_line(v->name(object));
		else if (show_json(object, true, e) != 0)
			return e->code;
	}
	return 0;
}

int show_done(const struct ctl *ctl, const json_t *object, const char *text, struct err *e)
{
	if (ctl->form == FORM_JSON || ctl->form == FORM_JSONL)
		return show_json(object, ctl->form == FORM_JSONL, e);
	show_line(text);
	return 0;
}

int show_each(struct ctl *ctl, const char *kind, const struct view *v, int n, char **names,
	      struct err *e)
{
	if (ctl_connect(ctl, e) != 0)
		return e->code;
	for (int i = 0; i < n; i++) {
		CLEANUP(free_p) char *path = NULL;
		json_t *object;

		if (api_path(kind, names[i], "", &path, e) != 0 ||
		    client_get(ctl->client, path, &object, e) != 0)
			return e->code;
		if (ctl->form == FORM_NAME)
			show_line(v->name(object));
		else
			(void)show_json(object, ctl->form == FORM_JSONL, e);
		json_decref(object);
	}
	return e->code;
}

/* ---- the objects -------------------------------------------------------- */

const char *show_short_id(const char *id, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%.12s", strncmp(id, "sha256:", 7) == 0 ? id + 7 : id);
	return buf;
}

static void add_age(struct table *t, const char *created)
{
	struct tm tm = { 0 };
	char age[32];

	if (strptime(created, "%Y-%m-%dT%H:%M:%S", &tm) == NULL) {
		table_add(t, NULL);
		return;
	}
	age_text((int64_t)time(NULL) - (int64_t)timegm(&tm), age, sizeof(age));
	table_add(t, age);
}

/* "exited 0", "trap", or nothing yet. */
static void add_end(struct table *t, const json_t *ended)
{
	char text[64];
	const char *cause = show_text(ended, "cause");

	if (strcmp(cause, "exited") == 0) {
		(void)snprintf(text, sizeof(text), "exited %lld",
			       (long long)show_number(ended, "status"));
		cause = text;
	}
	table_add(t, cause);
}

bool show_blocked(const json_t *instance)
{
	const json_t *b = json_object_get(instance, "blocked");

	return json_is_true(b) || (json_is_string(b) && json_string_length(b) > 0);
}

/* "running", "exited, will restart", "running, BLOCKED" and, where the daemon says it, by what. */
static void add_state(struct table *t, const json_t *i)
{
	const char *state = show_text(i, "state"), *why = show_text(i, "blocked");
	char text[128];

	if (show_text(i, "restarts_at")[0] != '\0') {
		(void)snprintf(text, sizeof(text), "%.40s, will restart", state);
		table_add(t, text);
		return;
	}
	if (!show_blocked(i)) {
		table_add(t, state);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.40s, BLOCKED%s%.40s", state,
		       why[0] != '\0' ? " by " : "", why);
	table_add(t, text);
}

static void instance_row(struct table *t, const json_t *i)
{
	const char *module = show_text(i, "module_name");
	char id[16], digest[16];

	table_add(t, show_short_id(show_text(i, "id"), id, sizeof(id)));
	table_add(t, show_text(i, "name"));
	if (module[0] == '\0')
		module = show_short_id(show_text(i, "module"), digest, sizeof(digest));
	table_add(t, module);
	add_state(t, i);
	add_end(t, json_object_get(i, "exit"));
	add_age(t, show_text(i, "created"));
}

static const char *instance_name(const json_t *i)
{
	const char *name = show_text(i, "name");

	return name[0] != '\0' ? name : show_text(i, "id");
}

static const char *const instance_heads[] = {
	"ID", "NAME", "MODULE", "STATE", "CAUSE/STATUS", "AGE"
};
const struct view view_instances = { "instances", instance_heads, ARRAY_LEN(instance_heads),
				     instance_row, instance_name };

static void add_bytes(struct table *t, const json_t *usage, const char *key)
{
	char text[32];

	bytes_text((uint64_t)show_number(usage, key), text, sizeof(text));
	table_add(t, text);
}

static void add_nanos(struct table *t, const json_t *usage, const char *key)
{
	char text[32];

	nanos_text((uint64_t)show_number(usage, key), text, sizeof(text));
	table_add(t, text);
}

static void add_count(struct table *t, const json_t *usage, const char *key)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%lld", (long long)show_number(usage, key));
	table_add(t, text);
}

static void stats_row(struct table *t, const json_t *i)
{
	const json_t *usage = json_object_get(i, "usage");
	char id[16];

	table_add(t, show_text(i, "name")[0] != '\0'
			     ? show_text(i, "name")
			     : show_short_id(show_text(i, "id"), id, sizeof(id)));
	add_state(t, i);
	add_nanos(t, usage, "cpu_ns");
	add_nanos(t, usage, "wall_ns");
	add_bytes(t, usage, "memory_peak");
	add_bytes(t, usage, "rss");
	add_count(t, usage, "fuel");
	add_count(t, usage, "host_calls");
	add_count(t, usage, "denied");
	add_bytes(t, usage, "bytes_read");
	add_bytes(t, usage, "bytes_written");
}

static const char *const stats_heads[] = { "NAME", "STATE", "CPU",    "WALL", "MEMORY", "RSS",
					   "FUEL", "CALLS", "DENIED", "READ", "WRITTEN" };
const struct view view_stats = { "instances", stats_heads, ARRAY_LEN(stats_heads), stats_row,
				 instance_name };

static void module_row(struct table *t, const json_t *m)
{
	const json_t *names = json_object_get(m, "names"), *name;
	char list[256] = "", digest[16], size[32];
	size_t i;

	json_array_foreach(names, i, name)
	{
		size_t n = strlen(list);

		(void)snprintf(list + n, sizeof(list) - n, "%s%s", i != 0 ? "," : "",
			       json_is_string(name) ? json_string_value(name) : "?");
	}
	table_add(t, list);
	table_add(t, show_short_id(show_text(m, "digest"), digest, sizeof(digest)));
	bytes_text((uint64_t)show_number(m, "size"), size, sizeof(size));
	table_add(t, size);
	(void)snprintf(size, sizeof(size), "%lld", (long long)show_number(m, "functions"));
	table_add(t, size);
	table_add(t, json_is_true(json_object_get(m, "command")) ? "command" : "library");
	add_age(t, show_text(m, "created"));
}

static const char *module_name(const json_t *m)
{
	const char *name = json_string_value(json_array_get(json_object_get(m, "names"), 0));

	return name != NULL ? name : show_text(m, "digest");
}

static const char *const module_heads[] = { "NAME", "DIGEST", "SIZE", "FUNCTIONS", "KIND", "AGE" };
const struct view view_modules = { "modules", module_heads, ARRAY_LEN(module_heads), module_row,
				   module_name };
