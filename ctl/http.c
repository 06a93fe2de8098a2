#include "ctl/http.h"

#include <ctype.h>
#include <strings.h>

#include "wasmd/bytes.h"

/* ---- heads -------------------------------------------------------------- */

size_t http_head_size(const char *buf, size_t len)
{
	const char *end = memmem(buf, len, "\r\n\r\n", 4);

	return end != NULL ? (size_t)(end - buf) + 4 : 0;
}

static int bad(struct err *e, const char *what)
{
	return err_set(e, ERR_PEER, "the daemon's answer is not HTTP: %s", what);
}

/* Takes the line up to CRLF; false when there is none. */
static bool take_line(struct rd *r, struct http_span *ret)
{
	const uint8_t *end = memmem(r->p, rd_left(r), "\r\n", 2);

	if (end == NULL)
		return false;
	*ret = (struct http_span){ (const char *)r->p, (size_t)(end - r->p) };
	r->p = end + 2;
	return true;
}

/* No control bytes but tab: neither NUL, nor a CR or LF that stands alone. */
static bool clean(struct http_span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return true;
}

static int parse_status(struct http_span s, struct http_head *h, struct err *e)
{
	if (s.n < 12 || memcmp(s.p, "HTTP/1.", 7) != 0 || (s.p[7] != '0' && s.p[7] != '1') ||
	    s.p[8] != ' ' || (s.n > 12 && s.p[12] != ' ') || !clean(s))
		return bad(e, "status line");
	for (int i = 9; i < 12; i++) {
		if (!isdigit((unsigned char)s.p[i]))
			return bad(e, "status line");
		h->status = h->status * 10 + (s.p[i] - '0');
	}
	if (h->status < 100)
		return bad(e, "status below 100");
	h->close = s.p[7] == '0';
	return 0;
}

static struct http_span trim(struct http_span s)
{
	while (s.n > 0 && (*s.p == ' ' || *s.p == '\t'))
		s = (struct http_span){ s.p + 1, s.n - 1 };
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool span_is(struct http_span s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* Whether the comma-separated list @s holds @word. */
static bool list_has(struct http_span s, const char *word)
{
	while (s.n > 0) {
		const char *comma = memchr(s.p, ',', s.n);
		size_t n = comma != NULL ? (size_t)(comma - s.p) : s.n;

		if (span_is(trim((struct http_span){ s.p, n }), word))
			return true;
		if (comma == NULL)
			break;
		s = (struct http_span){ comma + 1, s.n - n - 1 };
	}
	return false;
}

static int field_length(struct http_head *h, struct http_span v, struct err *e)
{
	uint64_t n = 0;

	if (h->has_length)
		return bad(e, "two Content-Length");
	if (v.n == 0 || v.n > 18)
		return bad(e, "Content-Length");
	for (size_t i = 0; i < v.n; i++) {
		if (!isdigit((unsigned char)v.p[i]))
			return bad(e, "Content-Length");
		n = n * 10 + (uint64_t)(v.p[i] - '0');
	}
	h->has_length = true;
	h->length = n;
	return 0;
}

static int field_encoding(struct http_head *h, struct http_span v, struct err *e)
{
	if (h->chunked || !span_is(v, "chunked"))
		return bad(e, "Transfer-Encoding");
	h->chunked = true;
	return 0;
}

static int field_connection(struct http_head *h, struct http_span v, struct err *e)
{
	(void)e;
	if (list_has(v, "close"))
		h->close = true;
	return 0;
}

static int field_upgrade(struct http_head *h, struct http_span v, struct err *e)
{
	if (v.n >= sizeof(h->upgrade))
		return bad(e, "Upgrade");
	memcpy(h->upgrade, v.p, v.n);
	h->upgrade[v.n] = '\0';
	return 0;
}

static int field_type(struct http_head *h, struct http_span v, struct err *e)
{
	const char *semi = memchr(v.p, ';', v.n);
	size_t n = 0;

	(void)e;
	v = trim((struct http_span){ v.p, semi != NULL ? (size_t)(semi - v.p) : v.n });
	for (; n < v.n && n < sizeof(h->type) - 1; n++)
		h->type[n] = (char)tolower((unsigned char)v.p[n]);
	h->type[n] = '\0';
	return 0;
}

/* The fields we act on; all others are checked for form and passed over. */
static const struct {
	const char *name;
	int (*take)(struct http_head *h, struct http_span v, struct err *e);
} fields[] = {
	{ "Content-Length", field_length }, { "Transfer-Encoding", field_encoding },
	{ "Connection", field_connection }, { "Upgrade", field_upgrade },
	{ "Content-Type", field_type },
};

static bool is_token(struct http_span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) &&
		    (s.p[i] == '\0' || strchr("!#$%&'*+-.^_`|~", s.p[i]) == NULL))
			return false;
	return s.n > 0;
}

static int parse_field(struct http_span line, struct http_head *h, struct err *e)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct http_span name, value;

	if (colon == NULL || !clean(line))
		return bad(e, "header line");
	name = (struct http_span){ line.p, (size_t)(colon - line.p) };
	value = trim((struct http_span){ colon + 1, line.n - name.n - 1 });
	if (!is_token(name))
		return bad(e, "header name");
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (span_is(name, fields[i].name))
			return fields[i].take(h, value, e);
	return 0;
}

int http_head_parse(const char *buf, size_t len, struct http_head *ret, struct err *e)
{
	struct rd r = rd_of(buf, len);
	struct http_head h = { 0 };
	struct http_span line;
	unsigned n = 0;

	if (!take_line(&r, &line))
		return bad(e, "status line");
	if (parse_status(line, &h, e) != 0)
		return e->code;
	for (;;) {
		if (!take_line(&r, &line))
			return bad(e, "the head has no end");
		if (line.n == 0)
			break;
		if (++n > HTTP_FIELDS_MAX)
			return bad(e, "too many header lines");
		if (parse_field(line, &h, e) != 0)
			return e->code;
	}
	if (h.chunked && h.has_length)
		return bad(e, "both Content-Length and Transfer-Encoding");
	*ret = h;
	return 0;
}

/* ---- chunks ------------------------------------------------------------- */

static int hex_digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch = (char)tolower((unsigned char)ch);
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static int size_end(struct http_chunks *c, struct err *e)
{
	if (c->digits == 0 || !c->cr)
		return bad(e, "chunk size");
	c->state = c->left != 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER;
	c->digits = c->line = 0;
	c->cr = false;
	return 0;
}

static int size_byte(struct http_chunks *c, char ch, struct err *e)
{
	int d = c->state == HTTP_CHUNK_SIZE ? hex_digit(ch) : -1;

	if (ch == '\n')
		return size_end(c, e);
	if (c->cr || ++c->line > HTTP_LINE_MAX)
		return bad(e, "chunk size");
	c->cr = ch == '\r';
	if (d >= 0) {
		c->left = c->left << 4 | (uint64_t)d;
		return ++c->digits > 15 ? bad(e, "chunk size") : 0;
	}
	if (c->state == HTTP_CHUNK_SIZE && ch != ';' && ch != ' ' && ch != '\t' && !c->cr)
		return bad(e, "chunk size");
	c->state = HTTP_CHUNK_EXT;
	return 0;
}

static int trailer_byte(struct http_chunks *c, char ch, struct err *e)
{
	if (ch == '\n') {
		if (!c->cr)
			return bad(e, "trailer");
		if (c->line == 1)
			c->state = HTTP_CHUNK_DONE;
		c->line = 0;
		c->cr = false;
		return 0;
	}
	if (c->cr || ++c->line > HTTP_LINE_MAX)
		return bad(e, "trailer");
	c->cr = ch == '\r';
	return 0;
}

static int chunk_byte(struct http_chunks *c, char ch, struct err *e)
{
	switch (c->state) {
	case HTTP_CHUNK_SIZE:
	case HTTP_CHUNK_EXT:
		return size_byte(c, ch, e);
	case HTTP_CHUNK_DATA_CR:
		c->state = HTTP_CHUNK_DATA_LF;
		return ch == '\r' ? 0 : bad(e, "end of a chunk");
	case HTTP_CHUNK_DATA_LF:
		c->state = HTTP_CHUNK_SIZE;
		return ch == '\n' ? 0 : bad(e, "end of a chunk");
	case HTTP_CHUNK_TRAILER:
		return trailer_byte(c, ch, e);
	case HTTP_CHUNK_DATA:
	case HTTP_CHUNK_DONE:
		break;
	}
	return 0;
}

int http_chunks_next(struct http_chunks *c, const char *in, size_t len, size_t *ret_used,
		     struct http_span *ret_data, struct err *e)
{
	size_t at = 0;

	*ret_data = (struct http_span){ in, 0 };
	while (at < len && c->state != HTTP_CHUNK_DONE && c->state != HTTP_CHUNK_DATA)
		if (chunk_byte(c, in[at++], e) != 0)
			return e->code;
	if (c->state == HTTP_CHUNK_DATA && at < len) {
		size_t n = c->left < len - at ? (size_t)c->left : len - at;

		*ret_data = (struct http_span){ in + at, n };
		at += n;
		c->left -= n;
		if (c->left == 0)
			c->state = HTTP_CHUNK_DATA_CR;
	}
	*ret_used = at;
	return 0;
}

/* ---- reading ------------------------------------------------------------ */

/* At least one more byte; 0 at the end. */
static ssize_t refill(struct http_in *in, struct err *e)
{
	ssize_t n;

	if (in->at == in->len)
		in->at = in->len = 0;
	if (in->at > 0 && in->len == sizeof(in->buf)) {
		memmove(in->buf, in->buf + in->at, in->len - in->at);
		in->len -= in->at;
		in->at = 0;
	}
	if (in->len == sizeof(in->buf))
		return err_set(e, ERR_PEER, "the head of the daemon's answer is above %u bytes",
			       HTTP_HEAD_MAX);
	n = in->fill(in->arg, in->buf + in->len, sizeof(in->buf) - in->len, e);
	if (n > 0)
		in->len += (size_t)n;
	return n;
}

static int one_head(struct http_in *in, struct http_head *ret, struct err *e)
{
	size_t size;
	ssize_t n;
	int r;

	while ((size = http_head_size(in->buf + in->at, in->len - in->at)) == 0) {
		n = refill(in, e);
		if (n < 0)
			return e->code;
		if (n == 0)
			return err_set(
				e, ERR_PEER,
				in->at == in->len
					? "the daemon closed the connection without an answer"
					: "the daemon's answer breaks off in its head");
	}
	r = http_head_parse(in->buf + in->at, size, ret, e);
	in->at += size;
	return r;
}

int http_read_head(struct http_in *in, struct http_head *ret, struct err *e)
{
	for (unsigned i = 0; i < HTTP_INTERIM_MAX; i++) {
		if (one_head(in, ret, e) != 0)
			return e->code;
		if (ret->status >= 200 || ret->status == 101)
			return 0;
	}
	return bad(e, "too many interim answers");
}

static int broken_off(struct err *e)
{
	return err_set(e, ERR_PEER, "the daemon's answer breaks off in its body");
}

static int body_chunked(struct http_in *in, http_sink *sink, void *arg, struct err *e)
{
	struct http_chunks c = { 0 };
	struct http_span data = { NULL, 0 };
	size_t used = 0;
	ssize_t n;

	while (c.state != HTTP_CHUNK_DONE) {
		if (in->at == in->len) {
			n = refill(in, e);
			if (n <= 0)
				return n < 0 ? e->code : broken_off(e);
		}
		if (http_chunks_next(&c, in->buf + in->at, in->len - in->at, &used, &data, e) != 0)
			return e->code;
		in->at += used;
		if (data.n > 0 && sink(arg, data.p, data.n, e) != 0)
			return e->code;
	}
	return 0;
}

/* @left bytes, or all to the end when @to_end. */
static int body_plain(struct http_in *in, uint64_t left, bool to_end, http_sink *sink, void *arg,
		      struct err *e)
{
	while (to_end || left > 0) {
		ssize_t r = in->at < in->len ? 1 : refill(in, e);
		size_t n;

		if (r < 0)
			return e->code;
		if (r == 0)
			return to_end ? 0 : broken_off(e);
		n = in->len - in->at;
		if (!to_end && n > left)
			n = (size_t)left;
		if (sink(arg, in->buf + in->at, n, e) != 0)
			return e->code;
		in->at += n;
		left -= to_end ? 0 : n;
	}
	return 0;
}

static bool bodyless(const struct http_head *h)
{
	return h->status < 200 || h->status == 204 || h->status == 304;
}

int http_read_body(struct http_in *in, const struct http_head *h, http_sink *sink, void *arg,
		   struct err *e)
{
	if (bodyless(h))
		return 0;
	if (h->chunked)
		return body_chunked(in, sink, arg, e);
	return body_plain(in, h->length, !h->has_length, sink, arg, e);
}

bool http_reusable(const struct http_head *h)
{
	return !h->close && (bodyless(h) || h->chunked || h->has_length);
}
