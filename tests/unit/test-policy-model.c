/*
 * The compiled policy against a plain model of the rules' semantics, written
 * from the design and sharing no code with the lowering: random policies,
 * random calls, the same verdict.
 */
#include "test-policy.h"

#define N_POLICIES 200
#define N_CALLS	   500

static uint64_t seed = 42;

static unsigned pick(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 11) % n);
}

/* ---- the model ---------------------------------------------------------------- */

static const uint32_t static_sets[] = {
#define GATE(name, sets, syscalls) (sets),
	WASMD_GATE_OPS(GATE)
#undef GATE
};

static const char *const op_names[] = {
#define GATE(name, sets, syscalls) #name,
	WASMD_GATE_OPS(GATE)
#undef GATE
};

/* Braces, then stars, by plain recursion: slow and obviously right. */
static bool model_glob(const char *g, const char *p)
{
	if (*g == '\0')
		return *p == '\0';
	if (strncmp(g, "**/", 3) == 0) {
		if (model_glob(g + 3, p))
			return true;
		for (; *p != '\0'; p++)
			if (*p == '/' && model_glob(g + 3, p + 1))
				return true;
		return false;
	}
	if (strcmp(g, "**") == 0) /* after a slash */
		return *p != '\0' && *p != '/';
	if (*g == '*') {
		for (;; p++) {
			if (model_glob(g + 1, p))
				return true;
			if (*p == '\0' || *p == '/')
				return false;
		}
	}
	if (*g == '?')
		return *p != '\0' && *p != '/' && model_glob(g + 1, p + 1);
	if (*g == '{') {
		const char *end = strchr(g, '}'), *alt = g + 1;

		for (;;) {
			size_t n = strcspn(alt, ",}");
			char one[128];

			(void)snprintf(one, sizeof(one), "%.*s%s", (int)n, alt, end + 1);
			if (model_glob(one, p))
				return true;
			if (alt[n] == '}')
				return false;
			alt += n + 1;
		}
	}
	return *g == *p && model_glob(g + 1, p + 1);
}

static bool model_path(const char *glob, const char *path)
{
	return strcmp(glob, "**") == 0 || model_glob(glob, path);
}

/* Could something the glob names lie at or below @path? Tried over the few
 * names that the random calls use. */
static const char *const parts[] = { "a", "b", ".git", "x.png", "c" };

static bool model_above(const char *glob, const char *path, int depth)
{
	if (model_path(glob, path))
		return true;
	for (size_t i = 0; depth > 0 && i < ARRAY_LEN(parts); i++) {
		char below[128];

		(void)snprintf(below, sizeof(below), "%.100s/%.20s", path, parts[i]);
		if (model_above(glob, below, depth - 1))
			return true;
	}
	return false;
}

static bool varies(unsigned op)
{
	return op == GATE_OP_path_open || op == GATE_OP_path_rename || op == GATE_OP_path_link;
}

static bool op_fits(const struct policy_rule *r, const struct gate_req *q, const struct gate_obj *o)
{
	uint32_t sets = static_sets[q->op] | (o != NULL && varies(q->op) ? o->sets : 0);
	bool allow = r->then == POLICY_ALLOW && !r->audit;

	if (r->ops >> q->op & 1)
		return true;
	if (allow && varies(q->op))
		return sets != 0 && (sets & ~r->sets) == 0;
	return (sets & r->sets) != 0;
}

static bool object_fits(const struct policy_rule *r, const struct gate_req *q,
			const struct gate_obj *o)
{
	char path[128];

	if (!op_fits(r, q, o) || (r->fd >= 0 && o->fd != (uint64_t)r->fd))
		return false;
	if (r->path == NULL)
		return true;
	(void)snprintf(path, sizeof(path), "%.*s", (int)o->path_len, o->path_len ? o->path : "");
	return o->class != GATE_CLASS_NONE && o->path_len != 0 && model_path(r->path, path);
}

static bool takes_object(unsigned op)
{
	return strncmp(op_names[op], "fd_", 3) == 0 || strncmp(op_names[op], "path_", 5) == 0 ||
	       strncmp(op_names[op], "sock_", 5) == 0 || op == GATE_OP_poll_oneoff;
}

static bool rule_fits(const struct policy_rule *r, const struct gate_req *q)
{
	bool allow = r->then == POLICY_ALLOW && !r->audit;

	if (!takes_object(q->op))
		return r->fd < 0 && r->path == NULL && op_fits(r, q, NULL);
	if (q->op == GATE_OP_path_symlink)
		return object_fits(r, q, &q->obj[1]);
	if (q->op != GATE_OP_path_rename && q->op != GATE_OP_path_link)
		return object_fits(r, q, &q->obj[0]);
	return allow ? object_fits(r, q, &q->obj[0]) && object_fits(r, q, &q->obj[1])
		     : object_fits(r, q, &q->obj[0]) || object_fits(r, q, &q->obj[1]);
}

static bool rule_protects(const struct policy_rule *r, const struct gate_req *q)
{
	char path[128];

	if (r->then == POLICY_ALLOW || r->path == NULL || q->obj[0].class == GATE_CLASS_NONE ||
	    q->obj[0].path_len == 0 || (q->op != GATE_OP_path_rename && q->op != GATE_OP_path_link))
		return false;
	(void)snprintf(path, sizeof(path), "%.*s", (int)q->obj[0].path_len, q->obj[0].path);
	return model_above(r->path, path, 4);
}

static void note(struct policy_verdict *seen, uint32_t rule, bool complained)
{
	if (!seen->record || (complained && !seen->complained))
		seen->rule = rule;
	seen->record = true;
	seen->complained |= complained;
}

static struct policy_verdict denied(uint32_t rule, int value)
{
	return (struct policy_verdict){ .value = value, .rule = rule, .record = true };
}

static struct policy_verdict model(const struct policy *p, const struct gate_req *q)
{
	struct policy_verdict seen = { .rule = POLICY_NO_RULE };

	if (q->op == GATE_OP_proc_exit)
		return seen;
	for (uint32_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];
		bool fits = rule_fits(r, q);

		if (!fits && !rule_protects(r, q))
			continue;
		if (r->audit || (r->then != POLICY_ALLOW && (p->complain || r->complain))) {
			note(&seen, i, !r->audit);
			continue;
		}
		if (r->then != POLICY_ALLOW)
			return denied(i,
				      fits && r->then == POLICY_KILL ? GATE_KILL : -r->deny_errno);
		if (!seen.record)
			seen.rule = i;
		return seen;
	}
	if (p->default_deny && !p->complain)
		return denied(POLICY_NO_RULE, -EACCES);
	if (p->default_deny)
		note(&seen, POLICY_NO_RULE, true);
	return seen;
}

/* ---- random policies and calls -------------------------------------------------- */

static const char *const globs[] = {
	"/a/**", "/a/b", "/**/.git{,/**}", "/a/*/c", "**/*.png", "/b/?", "/{a,b}/c",
	"/*",	 "**",	 "/a/b/c/.git/*",
};

static struct policy_rule random_rule(void)
{
	static const uint32_t sets[] = { GATE_FS_READ,	 GATE_FS_WRITE,
					 GATE_FS_CREATE, GATE_FS_DELETE,
					 GATE_FS_STAT,	 0x3f,
					 GATE_CLOCK,	 GATE_FS_READ | GATE_FS_WRITE };
	static const uint64_t busy = 1ull << GATE_OP_path_open | 1ull << GATE_OP_path_rename |
				     1ull << GATE_OP_fd_write;
	struct policy_rule r = { .id = "r", .fd = -1, .deny_errno = EACCES };

	if (pick(2))
		r.sets = sets[pick(ARRAY_LEN(sets))];
	if (r.sets == 0 || pick(3) == 0)
		r.ops = pick(3)	  ? 1ull << pick(GATE_OP_COUNT)
			: pick(2) ? (1ull << GATE_OP_COUNT) - 1
				  : busy;
	if (pick(2))
		r.path = globs[pick(ARRAY_LEN(globs))];
	if (pick(4) == 0)
		r.fd = pick(5);
	switch (pick(6)) {
	case 0:
		r.audit = true;
		break;
	case 1:
		r.then = POLICY_KILL;
		break;
	case 2:
	case 3:
		r.then = POLICY_DENY;
		r.deny_errno = pick(2) ? ENOSPC : EACCES;
		break;
	default:
		break;
	}
	r.complain = pick(6) == 0;
	return r;
}

static void random_path(char *buf, size_t size)
{
	size_t n = 0;

	for (unsigned k = 1 + pick(4); k > 0; k--)
		n += (size_t)snprintf(buf + n, size - n, "/%s", parts[pick(ARRAY_LEN(parts))]);
}

static void random_object(struct gate_obj *o, char *buf, size_t size)
{
	memset(o, 0, sizeof(*o));
	o->fd = pick(6);
	o->sets = pick(2) ? 1u << pick(6) : pick(64);
	if (pick(8) == 0) {
		o->class = GATE_CLASS_STREAM;
		return;
	}
	random_path(buf, size);
	o->class = GATE_CLASS_FILE;
	o->path = buf;
	o->path_len = (uint32_t)strlen(buf);
}

static struct gate_req random_call(char bufs[2][128])
{
	static const unsigned busy[] = { GATE_OP_path_open, GATE_OP_path_rename, GATE_OP_path_link,
					 GATE_OP_path_symlink, GATE_OP_fd_write };
	struct gate_req q = { .op = pick(2) ? pick(GATE_OP_COUNT) : busy[pick(ARRAY_LEN(busy))] };

	random_object(&q.obj[0], bufs[0], 128);
	random_object(&q.obj[1], bufs[1], 128);
	if (q.op == GATE_OP_path_symlink)
		q.obj[0].class = GATE_CLASS_NONE;
	return q;
}

static void check_call(const struct policy *p, const struct policy_judge *j)
{
	char bufs[2][128];
	struct gate_req q = random_call(bufs);
	struct policy_verdict want = model(p, &q), got = policy_judge(j, &q);

	if (want.value == got.value && want.rule == got.rule && want.record == got.record &&
	    want.complained == got.complained)
		goto refused;
	fail_msg("%s %.*s %.*s: model %d by %d (record %d complained %d), program %d by %d (%d %d)",
		 op_names[q.op], (int)q.obj[0].path_len, q.obj[0].path ? q.obj[0].path : "",
		 (int)q.obj[1].path_len, q.obj[1].path ? q.obj[1].path : "", want.value,
		 (int)want.rule, want.record, want.complained, got.value, (int)got.rule, got.record,
		 got.complained);
refused:
	/* What is refused whatever its arguments was refused here too. */
	if (policy_judge_refused(j) >> q.op & 1)
		assert_int_not_equal(want.value, 0);
}

static void test_model(void **state)
{
	for (int k = 0; k < N_POLICIES; k++) {
		struct policy_rule rules[24];
		struct policy p = { .name = "random", .rules = rules, .n_rules = pick(24) };
		struct policy_judge *j;
		void *image;
		size_t len;

		p.default_deny = pick(3) == 0;
		p.complain = pick(6) == 0;
		for (size_t i = 0; i < p.n_rules; i++)
			rules[i] = random_rule();
		j = test_judge(&p, &image, &len);
		for (int i = 0; i < N_CALLS; i++)
			check_call(&p, j);
		(void)policy_judge_free(j);
		free(image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_model) };

	return cmocka_run_group_tests_name("policy-model", tests, NULL, NULL);
}
