/* info and version: what answers at the other end. */
#include "ctl/ctl.h"

static void line(const char *key, const char *value)
{
	printf("%-12s ", key);
	(void)text_put(stdout, value[0] != '\0' ? value : "-", value[0] != '\0' ? strlen(value) : 1,
		       TEXT_LINE);
	(void)fputc('\n', stdout);
}

/* A string, number, truth or list of strings as text. */
static void value_line(const char *key, const json_t *v)
{
	char text[512] = "";
	const json_t *item;
	size_t i;

	if (json_is_string(v))
		(void)snprintf(text, sizeof(text), "%s", json_string_value(v));
	else if (json_is_integer(v))
		(void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
	else if (json_is_boolean(v))
		(void)snprintf(text, sizeof(text), "%s", json_is_true(v) ? "yes" : "no");
	json_array_foreach(v, i, item)
	{
		size_t n = strlen(text);

		(void)snprintf(text + n, sizeof(text) - n, "%s%s", n != 0 ? ", " : "",
			       json_is_string(item) ? json_string_value(item) : "?");
	}
	line(key, text);
}

static void tell(const struct ctl *ctl, const json_t *info)
{
	static const char *const keys[] = { "version",	  "api",       "build",	  "tenant",
					    "privileged", "instances", "modules", "features" };
	const json_t *fences = json_object_get(info, "fences");

	line("socket", client_socket(ctl->client));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		value_line(keys[i], json_object_get(info, keys[i]));
	value_line("fences", json_object_get(fences, "stand"));
	if (show_text(fences, "missing")[0] != '\0')
		value_line("missing", json_object_get(fences, "missing"));
}

int cmd_info(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);
	json_t *info;

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_connect(ctl, e) != 0 || client_get(ctl->client, "/v1/info", &info, e) != 0)
		return e->code;
	if (ctl->form == FORM_JSON || ctl->form == FORM_JSONL)
		(void)show_json(info, ctl->form == FORM_JSONL, e);
	else
		tell(ctl, info);
	json_decref(info);
	return e->code;
}

/* Works without a daemon: what is unknown then is left out. */
int cmd_version(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);
	struct err absent = { 0 };
	json_t *info = NULL, *both;

	if (r != 0)
		return r < 0 ? r : 0;
	if (ctl_connect(ctl, &absent) != 0 ||
	    client_get(ctl->client, "/v1/info", &info, &absent) != 0)
		info = NULL;
	both = json_pack("{s:s, s:i, s:s*, s:O*}", "wasmctl", WASMD_VERSION, "api",
			 WASMD_API_VERSION, "wasmd",
			 json_string_value(json_object_get(info, "version")), "wasmd_api",
			 json_object_get(info, "api"));
	if (ctl->form == FORM_JSON || ctl->form == FORM_JSONL) {
		(void)show_json(both, ctl->form == FORM_JSONL, e);
	} else {
		printf("wasmctl %s (API %d)\n", WASMD_VERSION, WASMD_API_VERSION);
		if (info != NULL)
			value_line("wasmd", json_object_get(info, "version"));
	}
	json_decref(both);
	json_decref(info);
	return e->code;
}
