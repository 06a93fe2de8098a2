/* The audit: see audit.h. */
#include "daemon/front/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "daemon/front/json.h"
#include "daemon/front/live.h"
#include "wasmd/gate.h"

#define TAIL_BYTES   (64u << 10) /* longest line that we look for at the end */
#define GATHER_BYTES (64u << 10)
#define REPEAT_NS    1000000000u /* identical calls within it are counted */

struct audit {
	int fd;
	uint64_t seq;
	char *buf;
	size_t len, cap;
	uint64_t lines;	  /* in buf */
	uint64_t dropped; /* lines that the file did not take and none tells of yet */
	bool failing;	  /* said once */
};

static const char *const op_names[] = {
#define GATE(name, sets, syscalls) [GATE_OP_##name] = #name,
	WASMD_GATE_OPS(GATE)
#undef GATE
};

/* ---- the file ----------------------------------------------------------- */

/* "seq" of the last whole line in @tail, or 0. */
static uint64_t last_seq(const char *tail)
{
	const char *key = NULL;
	unsigned long long seq = 0;

	for (const char *p = tail; (p = strstr(p, "\"seq\":")) != NULL; p++)
		if (strchr(p, '\n') != NULL)
			key = p;
	if (key != NULL)
		(void)sscanf(key, "\"seq\":%llu", &seq);
	return seq;
}

static int read_tail(struct audit *a, struct err *e)
{
	CLEANUP(free_p) char *tail = calloc(1, TAIL_BYTES + 1);
	off_t end = lseek(a->fd, 0, SEEK_END);
	off_t from = end > (off_t)TAIL_BYTES ? end - (off_t)TAIL_BYTES : 0;
	ssize_t n;

	if (tail == NULL)
		return err_nomem(e);
	n = pread(a->fd, tail, TAIL_BYTES, from);
	if (n < 0)
		return err_set(e, ERR_IO, "the audit: %s", strerror(errno));
	if (memchr(tail, '\0', (size_t)n) != NULL)
		return err_set(e, ERR_IO, "the audit file holds NUL bytes");
	a->seq = last_seq(tail);
	if (n > 0 && tail[n - 1] != '\n') /* a line that a crash cut short */
		(void)!write(a->fd, "\n", 1);
	return 0;
}

int audit_open(const char *path, struct audit **ret, struct err *e)
{
	struct audit *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return err_nomem(e);
	a->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (a->fd < 0)
		(void)err_set(e, ERR_IO, "the audit %s: %s", path, strerror(errno));
	if (e->code != 0 || read_tail(a, e) < 0) {
		(void)audit_close(a);
		return e->code;
	}
	*ret = a;
	return 0;
}

/* All or nothing: half a line would spoil the next. */
static bool write_whole(struct audit *a)
{
	ssize_t n = write(a->fd, a->buf, a->len);
	int why = n < 0 ? errno : ENOSPC;

	if (n == (ssize_t)a->len)
		return true;
	if (n > 0)
		(void)!ftruncate(a->fd, lseek(a->fd, 0, SEEK_END) - n);
	errno = why;
	return false;
}

void audit_flush(struct audit *a)
{
	if (a->len == 0)
		return;
	if (write_whole(a)) {
		a->failing = false;
		a->dropped = 0; /* the first of the lines told of them */
	} else {
		if (!a->failing)
			front_log("the audit can't be written: %s", strerror(errno));
		a->failing = true;
		a->dropped += a->lines;
	}
	a->len = a->lines = 0;
}

/* Takes @o and appends it as a line. */
static void line_put(struct audit *a, json_t *o)
{
	CLEANUP(free_p) char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	size_t n = text != NULL ? strlen(text) : 0;

	json_decref(o);
	if (text == NULL)
		return;
	if (a->len + n + 1 > a->cap) {
		size_t cap = a->len + n + 1 + GATHER_BYTES;
		char *p = realloc(a->buf, cap);

		if (p == NULL)
			return;
		a->buf = p;
		a->cap = cap;
	}
	memcpy(a->buf + a->len, text, n);
	a->buf[a->len + n] = '\n';
	a->len += n + 1;
	a->lines++;
	if (a->len > GATHER_BYTES)
		audit_flush(a);
}

/* The numbers of lines that are missing stay missing; so many they are. */
static void tell_dropped(struct audit *a)
{
	json_t *o = json_object();

	json_put(o, "v", json_integer(AUDIT_SCHEMA));
	json_put(o, "seq", json_integer((json_int_t)++a->seq));
	json_put(o, "time", json_time(now_real()));
	json_put(o, "source", json_text("daemon"));
	json_put(o, "event", json_text("lost"));
	json_put(o, "count", json_integer((json_int_t)a->dropped));
	line_put(a, o);
}

struct audit *audit_close(struct audit *a)
{
	if (a == NULL)
		return NULL;
	audit_flush(a);
	if (a->dropped > 0)
		tell_dropped(a);
	audit_flush(a);
	fd_clear(&a->fd);
	free(a->buf);
	free(a);
	return NULL;
}

/* What stands in every line of an instance: ours, never the ring's. */
static json_t *line_new(struct audit *a, const struct instance *i, int64_t time, const char *source)
{
	json_t *o = json_object();

	if (a->dropped > 0 && a->len == 0)
		tell_dropped(a);
	json_put(o, "v", json_integer(AUDIT_SCHEMA));
	json_put(o, "seq", json_integer((json_int_t)++a->seq));
	json_put(o, "time", json_time(time));
	json_put(o, "tenant", json_text(i->tenant));
	json_put(o, "module", json_digest(i->spec.module));
	json_put(o, "instance", json_text(i->id));
	json_put(o, "policy", json_digest(i->spec.policy));
	json_put(o, "generation", json_integer((json_int_t)i->generation));
	json_put(o, "source", json_text(source));
	return o;
}

void audit_event(struct audit *a, const struct instance *i, const char *source, const char *what)
{
	json_t *o = line_new(a, i, now_real(), source);

	json_put(o, "event", json_text(what));
	line_put(a, o);
}

void audit_lost(struct audit *a, const struct instance *i, uint64_t lost)
{
	json_t *o;

	if (lost == 0)
		return;
	o = line_new(a, i, now_real(), "worker");
	json_put(o, "event", json_text("lost"));
	json_put(o, "count", json_integer((json_int_t)(lost & INT64_MAX)));
	line_put(a, o);
}

/* ---- calls -------------------------------------------------------------- */

/* One record, judged: every index in range, both paths within it. */
struct call {
	struct slot_audit r;
	const uint8_t *path[2];
	const struct policy_rule *rule; /* NULL: the default, or a grant */
};

static bool call_read(const struct live *l, const uint8_t *body, size_t len, struct call *c)
{
	const struct policy *doc = l->policy->doc;

	if (len < sizeof(c->r))
		return false;
	memcpy(&c->r, body, sizeof(c->r));
	if (c->r.path_len[0] > LIM_PATH_BYTES || c->r.path_len[1] > LIM_PATH_BYTES ||
	    len != sizeof(c->r) + c->r.path_len[0] + c->r.path_len[1])
		return false;
	if (c->r.op >= GATE_OP_COUNT || c->r.verdict > 0 || c->r.verdict < GATE_KILL)
		return false;
	if (c->r.rule != POLICY_NO_RULE && c->r.rule >= doc->n_rules)
		return false;
	c->rule = c->r.rule != POLICY_NO_RULE ? &doc->rules[c->r.rule] : NULL;
	c->path[0] = body + sizeof(c->r);
	c->path[1] = c->path[0] + c->r.path_len[0];
	return true;
}

static const char *verdict_text(const struct slot_audit *r)
{
	if (r->complained != 0)
		return "complain";
	if (r->verdict == GATE_KILL)
		return "kill";
	return r->verdict < 0 ? "deny" : "allow";
}

static json_t *errno_text(int err)
{
	const char *name = err > 0 ? strerrorname_np(err) : NULL;

	return name != NULL ? json_text(name) : json_null();
}

static void put_arguments(json_t *o, const struct call *c)
{
	static const char *const keys[] = { "path", "path2" };
	const struct slot_audit *r = &c->r;

	if (r->fd != GATE_NO_FD)
		json_put(o, "fd", json_integer((json_int_t)(r->fd & INT64_MAX)));
	for (int i = 0; i < 2; i++)
		if (r->path_len[i] > 0)
			json_put_bytes(o, keys[i], c->path[i], r->path_len[i]);
	json_put(o, "flags", json_integer(r->flags));
	json_put(o, "rights", json_integer((json_int_t)(r->rights & INT64_MAX)));
	json_put(o, "len", json_integer((json_int_t)(r->len & INT64_MAX)));
	json_put(o, "offset", json_integer((json_int_t)(r->offset & INT64_MAX)));
}

static void put_call(struct audit *a, struct live *l, const struct call *c, uint64_t count)
{
	const struct slot_audit *r = &c->r;
	json_t *o = line_new(a, l->inst, (int64_t)(r->time_ns & INT64_MAX), "worker");

	json_put(o, "call", json_text(op_names[r->op]));
	put_arguments(o, c);
	json_put(o, "verdict", json_text(verdict_text(r)));
	json_put(o, "errno", r->verdict != GATE_KILL ? errno_text(-r->verdict) : json_null());
	json_put(o, "rule", c->rule != NULL ? json_text(c->rule->id) : json_null());
	if (c->rule != NULL)
		json_put(o, "line", json_integer(c->rule->line));
	json_put(o, "count", json_integer((json_int_t)count));
	line_put(a, o);
}

static void count_denial(struct live *l, const struct call *c)
{
	const struct slot_audit *r = &c->r;
	const struct policy *doc = l->policy->doc;
	char allow[1024] = "";
	CLEANUP(free_p)
	char *path = r->path_len[0] > 0 ? text_escape(c->path[0], r->path_len[0]) : NULL;
	struct denial d = {
		.call = (char *)(uintptr_t)op_names[r->op],
		.path = path,
		.rule = c->rule != NULL ? (char *)(uintptr_t)c->rule->id : NULL,
		.allow = allow,
		.fd = r->fd <= LIM_GUEST_FDS ? (int64_t)r->fd : -1,
		.line = c->rule != NULL ? c->rule->line : doc->default_line,
		.err = r->verdict == GATE_KILL ? 0 : -r->verdict,
		.complain = r->complained != 0,
		.count = 1,
	};

	policy_explain(doc, r->rule, op_names[r->op], path, allow, sizeof(allow));
	instance_denied(l->inst, &d);
}

/* ---- the same again ----------------------------------------------------- */

/* The last record of an instance, and how often it came since its line. */
struct audit_repeat {
	uint64_t since_ns, more;
	size_t len;
	uint8_t body[];
};

/* All but its time. */
static bool repeats(const struct audit_repeat *r, const uint8_t *body, size_t len)
{
	const size_t from = offsetof(struct slot_audit, time_ns) + sizeof(uint64_t);

	return r != NULL && r->len == len && now_mono() - r->since_ns < REPEAT_NS &&
	       memcmp(r->body + from, body + from, len - from) == 0;
}

static void remember(struct live *l, const uint8_t *body, size_t len)
{
	struct audit_repeat *r = realloc(l->repeat, sizeof(*r) + len);

	if (r == NULL) { /* then each has its line */
		free(l->repeat);
		l->repeat = NULL;
		return;
	}
	*r = (struct audit_repeat){ .since_ns = now_mono(), .len = len };
	memcpy(r->body, body, len);
	l->repeat = r;
}

void audit_settle(struct audit *a, struct live *l, bool last)
{
	struct audit_repeat *r = l->repeat;
	struct call c;

	if (r == NULL || r->more == 0 || (!last && now_mono() - r->since_ns < REPEAT_NS))
		return;
	if (call_read(l, r->body, r->len, &c))
		put_call(a, l, &c, r->more);
	r->more = 0;
}

int audit_call(struct audit *a, struct live *l, const uint8_t *body, size_t len)
{
	struct call c;

	if (!call_read(l, body, len, &c))
		return -1;
	if (repeats(l->repeat, body, len)) {
		l->repeat->more++;
		memcpy(l->repeat->body, body,
		       sizeof(c.r.time_ns)); /* the line tells the last time */
	} else {
		audit_settle(a, l, true);
		put_call(a, l, &c, 1);
		remember(l, body, len);
	}
	if (c.r.verdict != 0 || c.r.complained != 0)
		count_denial(l, &c);
	return 0;
}
