/* call: an export of a reactor, with numbers in and numbers out. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "ctl/ctl.h"

#define EXACT (INT64_C(1) << 53) /* JSON readers keep integers up to here */

static int not_a_number(int nth, const char *text, struct err *e)
{
	err_set(e, ERR_USAGE, "argument %d: \"%s\" is not a number", nth, text);
	return err_hint(e, "write it as 5, -5, 0x10, 2.5, 1e9, nan or inf; options stand before "
			   "the instance's name");
}

static bool is_hex(const char *s)
{
	s += *s == '-' || *s == '+';
	return s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && s[2] != '\0' &&
	       s[2 + strspn(s + 2, "0123456789abcdefABCDEF")] == '\0';
}

static bool is_decimal(const char *s)
{
	s += *s == '-';
	return *s != '\0' && s[strspn(s, "0123456789")] == '\0';
}

/* Numbers that JSON cannot carry exactly go as text: the daemon reads them. */
static int number(int nth, const char *text, json_t **ret, struct err *e)
{
	char *end;
	double real;

	if (is_decimal(text)) {
		long long v;

		errno = 0;
		v = strtoll(text, NULL, 10);
		*ret = errno == 0 && v <= EXACT && v >= -EXACT ? json_integer(v)
							       : json_string(text);
		return *ret != NULL ? 0 : err_nomem(e);
	}
	real = strtod(text, &end);
	if (end == text || *end != '\0' || text[0] == ' ')
		return not_a_number(nth, text, e);
	*ret = is_hex(text) || !isfinite(real) ? json_string(text) : json_real(real);
	return *ret != NULL ? 0 : err_nomem(e);
}

static int fill_args(json_t *args, int argc, char **argv, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		json_t *v;

		if (number(i + 1, argv[i], &v, e) != 0)
			return e->code;
		if (json_array_append_new(args, v) != 0)
			return err_nomem(e);
	}
	return 0;
}

/* As few digits as read back the same. */
static void print_real(double v, bool narrow)
{
	char text[40];

	for (int digits = narrow ? 6 : 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		if (narrow ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v)
			break;
	}
	printf("%s\n", text);
}

static void print_result(const json_t *v, const char *type)
{
	if (json_is_integer(v)) {
		printf("%lld\n", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		print_real(json_real_value(v), strcmp(type, "f32") == 0);
	} else {
		const char *s = json_is_string(v) ? json_string_value(v) : "?";

		(void)text_put(stdout, s, strlen(s), TEXT_LINE);
		(void)fputc('\n', stdout);
	}
}

static int print_results(const struct ctl *ctl, const json_t *answer, struct err *e)
{
	const json_t *results = json_object_get(answer, "results"), *v;
	const json_t *types = json_object_get(answer, "types");
	size_t i;

	if (!json_is_array(results))
		return err_set(e, ERR_PEER, "the daemon's answer has no results");
	if (ctl->form == FORM_JSON || ctl->form == FORM_JSONL)
		return show_json(answer, ctl->form == FORM_JSONL, e);
	json_array_foreach(results, i, v)
	{
		const char *type = json_string_value(json_array_get(types, i));

		print_result(v, type != NULL ? type : "");
	}
	return 0;
}

static int ask(struct ctl *ctl, int n, char **argv, json_t **ret, struct err *e)
{
	CLEANUP(free_p) char *path = NULL;
	json_t *body = json_pack("{s:s, s:[]}", "export", argv[1], "args");

	if (body == NULL)
		return err_set(e, ERR_USAGE, "the export's name is not UTF-8");
	if (fill_args(json_object_get(body, "args"), n - 2, argv + 2, e) == 0 &&
	    api_path("instances", argv[0], "/call", &path, e) == 0 && ctl_connect(ctl, e) == 0) {
		ctl_patient(ctl);
		(void)!client_post(ctl->client, path, body, ret, e);
	}
	json_decref(body);
	return e->code;
}

/* A trap is the guest's own end of the call: its status is that of a run. */
int cmd_call(struct ctl *ctl, int argc, char **argv, struct err *e)
{
	int n, r = ctl_options(ctl, NULL, argc, argv, &argv, &n, e);
	json_t *answer;

	if (r != 0)
		return r < 0 ? r : 0;
	if (ask(ctl, n, argv, &answer, e) != 0) {
		if (e->code != ERR_TRAP)
			return e->code;
		ctl_complain(ctl, e);
		return cause_info(CAUSE_TRAP).status;
	}
	(void)print_results(ctl, answer, e);
	json_decref(answer);
	return e->code;
}
