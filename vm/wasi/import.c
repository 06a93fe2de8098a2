/*
 * Imports of a module: names to host functions, and a good sentence for names
 * that there are none for.
 */
#include "vm/wasi/wasi_priv.h"

/* wasm parameters of @sig, one letter 'i' or 'l' each; answers how many. */
static uint32_t wasm_params(const char *sig, uint8_t types[WASI_MAX_ARGS])
{
	uint32_t n = 0;

	for (; *sig != '\0'; sig++) {
		if (*sig == '!')
			continue;
		types[n++] = *sig == 'l' ? VM_I64 : VM_I32;
		if (*sig == 'p' || *sig == 's')
			types[n++] = VM_I32;
	}
	return n;
}

static bool is_name(const char *p, uint32_t len, const char *name)
{
	return strlen(name) == len && memcmp(p, name, len) == 0;
}

/* Letters to change, add or drop to come from @a to @b; both are short. */
static uint32_t distance(const char *a, uint32_t na, const char *b)
{
	uint32_t row[64], nb = (uint32_t)strlen(b);

	for (uint32_t j = 0; j <= nb; j++)
		row[j] = j;
	for (uint32_t i = 1; i <= na; i++) {
		uint32_t diag = row[0];

		row[0] = i;
		for (uint32_t j = 1; j <= nb; j++) {
			uint32_t best = diag + (a[i - 1] != b[j - 1]);

			diag = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[nb];
}

/* The function whose name is nearest to @name. */
static const char *nearest(const char *name, uint32_t len)
{
	uint32_t best = UINT32_MAX;
	const char *ret = "";

	for (uint32_t i = 0; i < CALL_COUNT; i++) {
		uint32_t d = distance(name, len < 60 ? len : 60, call_rows[i].name);

		if (d < best) {
			best = d;
			ret = call_rows[i].name;
		}
	}
	return ret;
}

static int make_func(struct slot *s, struct vm_func **ret, struct err *e)
{
	const char *sig = call_rows[s->id].sig;
	uint8_t params[WASI_MAX_ARGS], result = VM_I32;
	struct vm_func_type t = { .params = params, .results = &result };
	int rc = 0;

	t.n_params = wasm_params(sig, params);
	t.n_results = sig[0] == '!' ? 0 : 1;
	if (s->func == NULL)
		rc = vm_func_new(s->w->store, &t, wasi_host_call, s, &s->func, e);
	*ret = s->func;
	return rc;
}

static int unknown_import(const struct vm_import *imp, struct err *e)
{
	int n = (int)(imp->name_len < 100 ? imp->name_len : 100);
	int m = (int)(imp->module_len < 60 ? imp->module_len : 60);

	return err_set(e, ERR_UNLINKABLE, "unknown import %.*s.%.*s", m, imp->module, n, imp->name);
}

/* 0: preview 1, 1: unstable, -1: neither. */
static int module_of(const struct vm_import *imp)
{
	if (is_name(imp->module, imp->module_len, "wasi_snapshot_preview1"))
		return 0;
	return is_name(imp->module, imp->module_len, "wasi_unstable") ? 1 : -1;
}

static struct slot *slot_of(struct wasi *w, int module, const struct vm_import *imp)
{
	for (uint32_t i = 0; i < CALL_COUNT; i++)
		if (is_name(imp->name, imp->name_len, call_rows[i].name) &&
		    !(module == 1 && i == CALL_sock_accept))
			return &w->slots[module][i];
	return NULL;
}

int wasi_resolve(void *arg, const struct vm_import *imp, struct vm_extern *ret, struct err *e)
{
	struct wasi *w = arg;
	int module = module_of(imp);
	struct slot *s;

	if (module < 0) {
		(void)unknown_import(imp, e);
		return err_hint(e, "modules that can be imported: wasi_snapshot_preview1, "
				   "wasi_unstable");
	}
	s = slot_of(w, module, imp);
	if (s == NULL || imp->type.kind != VM_FUNC) {
		(void)unknown_import(imp, e);
		return err_hint(e, "the nearest function of WASI preview 1 is %s",
				nearest(imp->name, imp->name_len));
	}
	ret->kind = VM_FUNC;
	return make_func(s, &ret->func, e);
}
