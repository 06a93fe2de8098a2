/*
 * One manifest, command by command. A module that needs a feature the engine
 * does not have leaves a stand-in behind: what is asserted of it is skipped
 * and counted under the feature's name.
 */
#include "spec.h"

#define MANY_VALUES 1024

enum verdict { PASS, FAIL, SKIP };

static const char *text_of(const json_t *cmd, const char *key)
{
	const char *s = json_string_value(json_object_get(cmd, key));

	return s != NULL ? s : "";
}

void skip_count(struct skips *s, const char *name, unsigned n)
{
	unsigned i = 0;

	while (i < s->len && strcmp(s->at[i].name, name) != 0)
		i++;
	if (i == ARRAY_LEN(s->at))
		i--;
	else if (i == s->len)
		(void)snprintf(s->at[s->len++].name, sizeof(s->at[i].name), "%s", name);
	s->at[i].n += n;
}

static enum verdict skip(struct script *s, const char *feature)
{
	skip_count(s->skips, feature, 1);
	return SKIP;
}

__attribute__((format(printf, 2, 3))) static enum verdict fail(struct script *s, const char *fmt,
							       ...)
{
	va_list ap;

	(void)printf("%s:%ld: ", s->name, s->line);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)printf("\n");
	return FAIL;
}

/* ---- modules ------------------------------------------------------------- */

/* "needs the feature simd, which ...": the name is the engine's to say. */
static void feature_of(const struct err *e, char *ret, size_t size)
{
	static const char words[] = "needs the feature ";
	const char *at = strstr(e->msg, words);

	if (e->code != ERR_UNSUPPORTED)
		*ret = '\0';
	else if (at == NULL)
		(void)snprintf(ret, size, "other");
	else
		(void)snprintf(ret, size, "%.*s", (int)strcspn(at + sizeof(words) - 1, ","),
			       at + sizeof(words) - 1);
}

static void *read_all(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	void *p = NULL;
	long n;

	if (f == NULL)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0 && (n = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
		*ret_len = (size_t)n;
		p = malloc(*ret_len + 1);
		if (p != NULL && fread(p, 1, *ret_len, f) != *ret_len) {
			free(p);
			p = NULL;
		}
	}
	(void)fclose(f);
	return p;
}

/* Always makes an entry, so that what is asserted of it finds the reason. */
static struct spec_module *module_load(struct script *s, const char *file, struct err *e)
{
	struct spec_module *m = VEC_PUSH(&s->modules);
	struct vm_valid_module *valid;
	struct vm_module *decoded;
	char path[512];
	size_t len = 0;

	if (m == NULL)
		abort();
	(void)snprintf(path, sizeof(path), "%s%s", s->dir, file);
	m->bytes = read_all(path, &len);
	if (m->bytes == NULL)
		(void)err_set(e, ERR_NOTFOUND, "%s: cannot be read", path);
	else if (vm_module_decode(m->bytes, len, &decoded, e) != 0 ||
		 vm_module_validate(decoded, &valid, e) != 0 ||
		 vm_module_compile(valid, &m->code, e) != 0)
		m->code = NULL;
	feature_of(e, m->feature, sizeof(m->feature));
	return m;
}

static struct vm_instance *instantiate(struct script *s, struct spec_module *m,
				       struct vm_trap_info *trap, struct err *e)
{
	struct vm_instance *in = NULL;

	*trap = (struct vm_trap_info){ 0 };
	if (m->code == NULL)
		return NULL;
	if (vm_code_compile_all(m->code, e) != 0 ||
	    vm_instance_new(s->st, m->code, spectest_resolve, s, &in, trap, e) != 0)
		return NULL;
	if (vm_instance_start(in, trap) != VM_TRAP_NONE) {
		(void)err_set(e, ERR_TRAP, "start: %s", vm_trap_text(trap->trap));
		return NULL;
	}
	return in;
}

static enum verdict instance_add(struct script *s, struct spec_module *m, const char *name,
				 struct err *e)
{
	struct spec_instance *x = VEC_PUSH(&s->instances);
	struct vm_trap_info trap;

	if (x == NULL)
		abort();
	(void)snprintf(x->name, sizeof(x->name), "%s", name);
	x->in = instantiate(s, m, &trap, e);
	feature_of(e, x->feature, sizeof(x->feature));
	if (x->in == NULL && m->feature[0] != '\0')
		memcpy(x->feature, m->feature, sizeof(x->feature));
	if (x->in == NULL && x->feature[0] == '\0')
		return fail(s, "module: %s", e->msg);
	return PASS;
}

static struct spec_instance *instance_find(struct script *s, const char *name)
{
	for (size_t i = s->instances.len; i > 0; i--)
		if (*name == '\0' || strcmp(s->instances.at[i - 1].name, name) == 0)
			return &s->instances.at[i - 1];
	return NULL;
}

/* ---- actions ------------------------------------------------------------- */

struct outcome {
	enum vm_trap trap;
	const struct vm_func_type *type; /* of an invocation */
	uint8_t one;			 /* type of a global */
	union vm_value v[MANY_VALUES];
};

static enum verdict get_global(struct script *s, struct vm_extern x, struct outcome *ret)
{
	if (x.kind != VM_GLOBAL)
		return fail(s, "not a global");
	ret->v[0] = vm_global_get(x.global);
	return PASS;
}

static enum verdict invoke(struct script *s, const json_t *action, struct vm_extern x,
			   struct outcome *ret)
{
	const json_t *args = json_object_get(action, "args"), *arg;
	const char *feature = "";
	struct vm_trap_info trap;
	size_t i;

	if (x.kind != VM_FUNC)
		return fail(s, "not a function");
	ret->type = vm_func_type(x.func);
	if (json_array_size(args) != ret->type->n_params || json_array_size(args) > MANY_VALUES)
		return fail(s, "%zu arguments", json_array_size(args));
	json_array_foreach(args, i, arg) if (!value_parse(arg, &ret->v[i], &feature)) return skip(
		s, feature);
	ret->trap = vm_call(s->st, x.func, ret->v, &trap);
	return PASS;
}

static enum verdict act(struct script *s, const json_t *action, struct outcome *ret)
{
	struct spec_instance *in = instance_find(s, text_of(action, "module"));
	const char *field = text_of(action, "field");
	size_t len = json_string_length(json_object_get(action, "field"));
	struct vm_extern x;

	memset(ret, 0, sizeof(*ret));
	if (in == NULL)
		return fail(s, "no such module");
	if (in->in == NULL)
		return in->feature[0] != '\0' ? skip(s, in->feature)
					      : fail(s, "%s: its module is not there", field);
	if (!vm_instance_export(in->in, field, len, &x))
		return fail(s, "%s: no such export", field);
	if (strcmp(text_of(action, "type"), "get") == 0)
		return get_global(s, x, ret);
	return invoke(s, action, x, ret);
}

/* ---- commands ------------------------------------------------------------ */

static enum verdict do_module(struct script *s, const json_t *cmd)
{
	struct err e = { 0 };

	return instance_add(s, module_load(s, text_of(cmd, "filename"), &e), text_of(cmd, "name"),
			    &e);
}

static enum verdict do_module_definition(struct script *s, const json_t *cmd)
{
	struct err e = { 0 };

	s->defined = module_load(s, text_of(cmd, "filename"), &e);
	if (s->defined->code == NULL && s->defined->feature[0] == '\0')
		return fail(s, "module definition: %s", e.msg);
	return PASS;
}

static enum verdict do_module_instance(struct script *s, const json_t *cmd)
{
	struct err e = { 0 };

	if (s->defined == NULL)
		return fail(s, "no module is defined");
	return instance_add(s, s->defined, text_of(cmd, "instance"), &e);
}

static enum verdict do_register(struct script *s, const json_t *cmd)
{
	struct spec_instance *in = instance_find(s, text_of(cmd, "name"));

	if (in == NULL)
		return fail(s, "no such module");
	(void)snprintf(in->registered, sizeof(in->registered), "%s", text_of(cmd, "as"));
	return PASS;
}

static enum verdict do_action(struct script *s, const json_t *cmd)
{
	struct outcome o;
	enum verdict v = act(s, json_object_get(cmd, "action"), &o);

	if (v == PASS && o.trap != VM_TRAP_NONE)
		return fail(s, "trapped: %s", vm_trap_text(o.trap));
	return v;
}

static enum verdict do_assert_return(struct script *s, const json_t *cmd)
{
	const json_t *want = json_object_get(cmd, "expected"), *w;
	struct outcome o;
	enum verdict v = act(s, json_object_get(cmd, "action"), &o);
	char got[64];
	size_t i;

	if (v != PASS)
		return v;
	if (o.trap != VM_TRAP_NONE)
		return fail(s, "trapped: %s", vm_trap_text(o.trap));
	if (o.type != NULL && json_array_size(want) != o.type->n_results)
		return fail(s, "%u results", o.type->n_results);
	json_array_foreach(want, i, w)
	{
		const char *t = text_of(w, "type");
		uint8_t type = o.type != NULL	       ? o.type->results[i]
			       : strcmp(t, "i32") == 0 ? VM_I32
			       : strcmp(t, "f32") == 0 ? VM_F32
			       : strcmp(t, "i64") == 0 ? VM_I64
			       : strcmp(t, "f64") == 0 ? VM_F64
						       : VM_EXTERNREF;

		if (!value_fits(w, o.v[i], type)) {
			value_print(o.v[i], type, got, sizeof(got));
			return fail(s, "result %zu: expected %s %s, got %s", i, t,
				    text_of(w, "value"), got);
		}
	}
	return PASS;
}

/* "uninitialized element 7" is said of "uninitialized element" too. */
static bool same_text(const char *got, const char *want)
{
	return strncmp(got, want, strlen(got)) == 0 || strncmp(got, want, strlen(want)) == 0;
}

static enum verdict do_assert_trap(struct script *s, const json_t *cmd)
{
	struct outcome o;
	enum verdict v = act(s, json_object_get(cmd, "action"), &o);

	if (v == PASS && !same_text(vm_trap_text(o.trap), text_of(cmd, "text")))
		return fail(s, "expected \"%s\", got \"%s\"", text_of(cmd, "text"),
			    vm_trap_text(o.trap));
	return v;
}

/* Refused, and for no other reason than being what @code says. */
static enum verdict refused(struct script *s, const json_t *cmd, int code)
{
	struct err e = { 0 };
	struct spec_module *m;

	if (strcmp(text_of(cmd, "module_type"), "text") == 0)
		return skip(s, "text");
	m = module_load(s, text_of(cmd, "filename"), &e);
	if (m->feature[0] != '\0')
		return skip(s, m->feature);
	if (e.code == code)
		return PASS;
	return fail(s, "expected \"%s\", got \"%s\"", text_of(cmd, "text"),
		    e.code == 0 ? "a valid module" : e.msg);
}

static enum verdict do_assert_invalid(struct script *s, const json_t *cmd)
{
	return refused(s, cmd, ERR_INVALID);
}

static enum verdict do_assert_malformed(struct script *s, const json_t *cmd)
{
	return refused(s, cmd, ERR_MALFORMED);
}

static enum verdict not_instantiated(struct script *s, const json_t *cmd, int code)
{
	struct err e = { 0 };
	struct spec_module *m = module_load(s, text_of(cmd, "filename"), &e);
	struct vm_trap_info trap;
	char feature[48];

	(void)instantiate(s, m, &trap, &e);
	feature_of(&e, feature, sizeof(feature));
	if (feature[0] != '\0')
		return skip(s, feature);
	if (e.code != code ||
	    (code == ERR_TRAP && !same_text(vm_trap_text(trap.trap), text_of(cmd, "text"))) ||
	    (code == ERR_UNLINKABLE && strstr(e.msg, text_of(cmd, "text")) == NULL))
		return fail(s, "expected \"%s\", got \"%s\"", text_of(cmd, "text"), e.msg);
	return PASS;
}

static enum verdict do_assert_unlinkable(struct script *s, const json_t *cmd)
{
	return not_instantiated(s, cmd, ERR_UNLINKABLE);
}

static enum verdict do_assert_uninstantiable(struct script *s, const json_t *cmd)
{
	return not_instantiated(s, cmd, ERR_TRAP);
}

static enum verdict do_assert_exception(struct script *s, const json_t *cmd)
{
	struct outcome o;
	enum verdict v = act(s, json_object_get(cmd, "action"), &o);

	return v == PASS ? fail(s, "no exception was thrown") : v;
}

/* ---- one manifest -------------------------------------------------------- */

static const struct command {
	const char *type;
	enum verdict (*run)(struct script *, const json_t *);
	bool counts; /* is an assertion, or a step that only shows when it fails */
} commands[] = {
	{ "module", do_module, false },
	{ "module_definition", do_module_definition, false },
	{ "module_instance", do_module_instance, false },
	{ "register", do_register, false },
	{ "action", do_action, false },
	{ "assert_return", do_assert_return, true },
	{ "assert_trap", do_assert_trap, true },
	{ "assert_exhaustion", do_assert_trap, true },
	{ "assert_exception", do_assert_exception, true },
	{ "assert_invalid", do_assert_invalid, true },
	{ "assert_malformed", do_assert_malformed, true },
	{ "assert_unlinkable", do_assert_unlinkable, true },
	{ "assert_uninstantiable", do_assert_uninstantiable, true },
};

static void command_run(struct script *s, const json_t *cmd)
{
	const char *type = text_of(cmd, "type");
	enum verdict v = FAIL;
	size_t i = 0;

	s->line = (long)json_integer_value(json_object_get(cmd, "line"));
	while (i < ARRAY_LEN(commands) && strcmp(commands[i].type, type) != 0)
		i++;
	if (i < ARRAY_LEN(commands))
		v = commands[i].run(s, cmd);
	else
		(void)fail(s, "unknown command %s", type);
	if (v == FAIL)
		s->tally.failed++;
	else if (v == SKIP)
		s->tally.skipped++;
	else if (commands[i].counts)
		s->tally.passed++;
}

static void script_done(struct script *s)
{
	(void)vm_store_free(s->st);
	for (size_t i = 0; i < s->modules.len; i++) {
		(void)vm_code_unref(s->modules.at[i].code);
		free(s->modules.at[i].bytes);
	}
	VEC_DONE(&s->modules);
	VEC_DONE(&s->instances);
}

void script_run(const char *dir, const char *name, const char *base, struct tally *tally,
		struct skips *skips)
{
	struct vm_store_limits lim = { .memory = 1ull << 44, .table = 1ull << 32 };
	CLEANUP(script_done) struct script s = { .dir = dir, .name = name, .skips = skips };
	struct err e = { 0 };
	json_error_t why;
	const json_t *cmd;
	json_t *j;
	char path[512];
	size_t i;

	(void)snprintf(path, sizeof(path), "%s%s.json", dir, base);
	j = json_load_file(path, JSON_ALLOW_NUL, &why);
	if (j == NULL || vm_store_new(&lim, &s.st, &e) != 0 || spectest_make(&s, &e) != 0) {
		(void)printf("%s: %s\n", path, j == NULL ? why.text : e.msg);
		tally->failed++;
		json_decref(j);
		return;
	}
	json_array_foreach(json_object_get(j, "commands"), i, cmd) command_run(&s, cmd);
	json_decref(j);
	tally->passed += s.tally.passed;
	tally->failed += s.tally.failed;
	tally->skipped += s.tally.skipped;
}
