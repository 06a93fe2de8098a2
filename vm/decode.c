/*
 * Bytes to a module (spec chapter 5): the header, the order and sizes of
 * sections, and what they must agree on. Function bodies are delimited here
 * and read by validate. Checks form only, never meaning.
 */
#include "vm/decode.h"
#include "wasmd/utf8.h"

struct section {
	const char *where;
	uint8_t order; /* 0: anywhere */
	void (*read)(struct dec *d);
};

static void dec_custom(struct dec *d)
{
	struct span name = dec_name(d);
	uint32_t left = (uint32_t)rd_left(&d->r);

	if (dec_ok(d) && name.len == 4 && memcmp(name.p, "name", 4) == 0)
		d->m->names = dec_bytes(d, left);
	else
		(void)rd_bytes(&d->r, left);
}

static void dec_tags(struct dec *d)
{
	rd_fail(&d->r, later_thing(LATER_tag_section)->text);
}

/* By section id (spec 5.5.2). */
static const struct section sections[] = {
	{ "custom section", 0, dec_custom },
	{ "type section", 1, dec_types },
	{ "import section", 2, dec_imports },
	{ "function section", 3, dec_funcs },
	{ "table section", 4, dec_tables },
	{ "memory section", 5, dec_memories },
	{ "global section", 7, dec_globals },
	{ "export section", 8, dec_exports },
	{ "start section", 9, dec_start },
	{ "element section", 10, dec_elems },
	{ "code section", 12, dec_code },
	{ "data section", 13, dec_datas },
	{ "data count section", 11, dec_data_count },
	{ "tag section", 6, dec_tags },
};

void dec_limit(struct dec *d, const char *what, uint64_t n, uint64_t limit)
{
	err_set(d->e, ERR_LIMIT, "offset 0x%zx, %s: %llu %s, more than the %llu that are accepted",
		rd_at(&d->r), d->where, (unsigned long long)n, what, (unsigned long long)limit);
}

uint32_t dec_count(struct dec *d, const char *what, size_t have, uint32_t limit)
{
	uint32_t n = leb_u32(&d->r);

	if (n > rd_left(&d->r))
		rd_fail(&d->r, "unexpected end: more entries than bytes are left");
	else if (have + n > limit)
		dec_limit(d, what, have + n, limit);
	return dec_ok(d) ? n : 0;
}

struct span dec_bytes(struct dec *d, uint32_t len)
{
	uint32_t at = (uint32_t)rd_at(&d->r);
	const uint8_t *p = rd_bytes(&d->r, len);

	return (struct span){ .p = p, .len = p != NULL ? len : 0, .at = at };
}

struct span dec_name(struct dec *d)
{
	uint32_t len = leb_u32(&d->r);
	struct span s = dec_bytes(d, len);

	if (s.len > LIM_NAME_BYTES)
		dec_limit(d, "bytes of name", s.len, LIM_NAME_BYTES);
	else if (s.p != NULL && !utf8_ok(s.p, s.len))
		rd_fail_at(&d->r, s.p, "malformed UTF-8 encoding");
	return s;
}

struct span dec_expr(struct dec *d)
{
	struct span s = { .p = d->r.p, .at = (uint32_t)rd_at(&d->r) };
	unsigned depth = 1;
	struct imms im;
	uint32_t op;

	while (depth > 0 && dec_ok(d)) {
		op = op_read(&d->r);
		if (op == OP_block || op == OP_loop || op == OP_if)
			depth++;
		else if (op == OP_end)
			depth--;
		imm_read(&d->r, op_info(op)->imm, &im);
	}
	s.len = (uint32_t)(d->r.p - s.p);
	return s;
}

/* Reports what the cursor latched; returns the code that stands. */
static int dec_report(struct dec *d)
{
	if (d->r.bad != NULL)
		return rd_report(&d->r, d->e, d->where);
	return d->e->code;
}

/* The row of section @id, or NULL and a latched fault: nothing that is not
 * custom comes out of order or twice. */
static const struct section *section_pick(struct dec *d, const uint8_t *at, uint8_t id)
{
	const struct section *s;

	if (id >= ARRAY_LEN(sections)) {
		d->where = "section header";
		rd_fail_at(&d->r, at, "malformed section id");
		return NULL;
	}
	s = &sections[id];
	d->where = s->where;
	if (s->order != 0 && s->order <= d->order)
		rd_fail_at(&d->r, at,
			   s->order == d->order ? "the section stands here twice"
						: "the section is out of order");
	if (s->order != 0)
		d->order = s->order;
	return s;
}

static void dec_section(struct dec *d)
{
	const uint8_t *at = d->r.p, *end = d->r.end;
	const struct section *s = section_pick(d, at, rd_u8(&d->r));
	uint32_t len = leb_u32(&d->r);

	if (len > rd_left(&d->r))
		rd_fail(&d->r, "unexpected end: the section is longer than the module");
	if (s == NULL || !dec_ok(d))
		return;
	d->r.end = d->r.p + len;
	s->read(d);
	if (dec_ok(d) && d->r.p != d->r.end)
		rd_fail(&d->r, "section size mismatch: bytes are left over");
	if (dec_ok(d))
		d->r.end = end;
}

/* What the sections must agree on (spec 5.5.16). */
static void dec_agree(struct dec *d)
{
	size_t n_defined = d->m->funcs.len - d->m->n_imported[VM_FUNC];

	if (n_defined != d->n_codes)
		err_set(d->e, ERR_MALFORMED,
			"offset 0x%zx: function and code section have inconsistent lengths: "
			"%zu functions, %u bodies",
			rd_at(&d->r), n_defined, d->n_codes);
	if (d->m->n_data_count != VM_NO_INDEX && d->m->n_data_count != d->m->datas.len)
		err_set(d->e, ERR_MALFORMED,
			"offset 0x%zx: data count and data section have inconsistent lengths: "
			"%u and %zu",
			rd_at(&d->r), d->m->n_data_count, d->m->datas.len);
}

/* What people send instead of a module, by its first bytes. */
static const struct stranger {
	const char *start, *what, *hint;
} strangers[] = {
	{ "\177ELF", "a native ELF program",
	  "build it for WebAssembly: clang --target=wasm32-wasi" },
	{ "(", "WebAssembly text", "translate it to a binary module first: wat2wasm FILE" },
	{ ";;", "WebAssembly text", "translate it to a binary module first: wat2wasm FILE" },
	{ "#!", "a script", "send the binary module (.wasm)" },
	{ "\037\213", "gzip data", "unpack it first: gunzip FILE" },
	{ "PK\003\004", "a zip archive", "unpack it first and send the binary module (.wasm)" },
	{ "!<arch>\n", "an archive of object files", "link it to a module first: wasm-ld" },
};

static bool is_text(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && i < 512; i++)
		if (p[i] < ' ' && p[i] != '\n' && p[i] != '\t' && p[i] != '\r')
			return false;
	return n > 0;
}

static int refuse_stranger(const uint8_t *p, size_t n, struct err *e)
{
	size_t lead = 0;

	while (lead < n && (p[lead] == ' ' || p[lead] == '\n' || p[lead] == '\t'))
		lead++;
	for (size_t i = 0; i < ARRAY_LEN(strangers); i++) {
		const struct stranger *s = &strangers[i];
		size_t len = strlen(s->start);

		if (n - lead < len || memcmp(p + lead, s->start, len) != 0)
			continue;
		err_set(e, ERR_MALFORMED,
			"offset 0x0: magic header not detected: this is %s, not a WebAssembly "
			"module",
			s->what);
		return err_hint(e, "%s", s->hint);
	}
	err_set(e, ERR_MALFORMED, "offset 0x0: magic header not detected: this is %s",
		is_text(p, n) ? "text, not a WebAssembly module" : "not a WebAssembly module");
	return err_hint(e, "a module begins with the bytes 00 61 73 6d");
}

/* The second half of the word counts layers: 0 core modules, 1 components. */
static int refuse_version(const uint8_t *p, struct err *e)
{
	unsigned version = p[4] | p[5] << 8, layer = p[6] | p[7] << 8;

	if (layer != 1)
		return err_set(
			e, ERR_MALFORMED,
			"offset 0x4: unknown binary version 0x%x; this engine reads version 1",
			version | layer << 16);
	err_set(e, ERR_MALFORMED,
		"offset 0x4: unknown binary version: this is a component; "
		"this engine runs core modules");
	return err_hint(e, "build a core module: target wasm32-wasip1 (wasm32-wasi), "
			   "without a componentizing step");
}

static int dec_header(const uint8_t *p, size_t n, struct err *e)
{
	static const uint8_t magic[8] = { 0, 'a', 's', 'm', 1, 0, 0, 0 };
	size_t have = n < 4 ? n : 4;

	if (n == 0) {
		err_set(e, ERR_MALFORMED, "offset 0x0: unexpected end: the module is empty");
		return err_hint(e, "send the bytes of a .wasm file");
	}
	if (memcmp(p, magic, have) != 0)
		return refuse_stranger(p, n, e);
	if (n < sizeof(magic))
		return err_set(e, ERR_MALFORMED,
			       "offset 0x%zx: unexpected end: the header has 8 bytes", n);
	if (memcmp(p, magic, sizeof(magic)) != 0)
		return refuse_version(p, e);
	return 0;
}

static struct vm_module *module_new(const uint8_t *bytes, size_t len)
{
	struct vm_module *m = mem_new(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->bytes = bytes;
	m->len = len;
	m->start = VM_NO_INDEX;
	m->n_data_count = VM_NO_INDEX;
	m->arena = arena_new();
	return m->arena != NULL ? m : vm_module_free(m);
}

int vm_module_decode(const void *bytes, size_t len, struct vm_module **ret, struct err *e)
{
	struct dec d = { .r = rd_of(bytes, len), .e = e, .where = "header" };

	if (len > LIM_MODULE_BYTES)
		return err_set(e, ERR_LIMIT, "the module has %zu bytes; at most %u are accepted",
			       len, LIM_MODULE_BYTES);
	if (dec_header(bytes, len, e) != 0)
		return e->code;
	d.m = module_new(bytes, len);
	if (d.m == NULL)
		return err_nomem(e);
	(void)rd_bytes(&d.r, 8);
	while (dec_ok(&d) && rd_left(&d.r) > 0)
		dec_section(&d);
	if (dec_ok(&d))
		dec_agree(&d);
	if (!dec_ok(&d)) {
		(void)dec_report(&d);
		vm_module_free(d.m);
		return e->code;
	}
	*ret = d.m;
	return 0;
}

struct vm_module *vm_module_free(struct vm_module *m)
{
	if (m == NULL)
		return NULL;
	VEC_DONE(&m->types);
	VEC_DONE(&m->imports);
	VEC_DONE(&m->funcs);
	VEC_DONE(&m->tables);
	VEC_DONE(&m->memories);
	VEC_DONE(&m->globals);
	VEC_DONE(&m->exports);
	VEC_DONE(&m->elems);
	VEC_DONE(&m->datas);
	arena_free(m->arena);
	free(m);
	return NULL;
}
