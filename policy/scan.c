/*
 * The position scanner. It knows just enough JSON to step over values: the
 * text was accepted by jansson, so it checks nothing but its bounds.
 */
#include "policy/scan.h"

#include <stdio.h>
#include <string.h>

struct scan {
	const char *p, *end;
};

static bool in_set(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static char peek(const struct scan *s)
{
	return (char)(s->p < s->end ? *s->p : '\0');
}

/* To the next byte that begins a value, a key or a close. */
static void skip_space(struct scan *s)
{
	while (in_set(peek(s), " \t\r\n,:"))
		s->p++;
}

static void skip_string(struct scan *s)
{
	s->p++;
	while (s->p < s->end && *s->p != '"')
		s->p += *s->p == '\\' && s->end - s->p > 1 ? 2 : 1;
	if (s->p < s->end)
		s->p++;
}

static void skip_nested(struct scan *s)
{
	size_t depth = 0;

	do {
		if (peek(s) == '"') {
			skip_string(s);
			continue;
		}
		if (in_set(peek(s), "{["))
			depth++;
		else if (in_set(peek(s), "}]"))
			depth--;
		s->p++;
	} while (depth > 0 && s->p < s->end);
}

static void skip_value(struct scan *s)
{
	if (peek(s) == '"')
		skip_string(s);
	else if (in_set(peek(s), "{["))
		skip_nested(s);
	else
		while (s->p < s->end && !in_set(*s->p, " \t\r\n,:]}"))
			s->p++;
}

static int hex4(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int d = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

		v = v << 4 | (d & 15);
	}
	return v;
}

/* One byte of a key as it stands, decoded where it is plain ASCII. */
static char key_byte(struct scan *s)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *k;
	char c = *s->p++;

	if (c != '\\' || s->p >= s->end)
		return c;
	c = *s->p++;
	if (c == 'u' && s->end - s->p >= 4) {
		int v = hex4(s->p);

		s->p += 4;
		return (char)(v < 128 ? v : 0);
	}
	k = strchr(from, c);
	return (char)(k != NULL && c != '\0' ? to[k - from] : c);
}

/* Is the key that begins here @want? Steps over it. */
static bool key_is(struct scan *s, const char *want)
{
	struct scan k = { s->p + 1, s->end };
	bool same = true;

	skip_string(s);
	for (; same && *want != '\0'; want++)
		same = k.p < s->p && *k.p != '"' && key_byte(&k) == *want;
	return same && k.p < s->end && *k.p == '"';
}

/* From a container's first byte to the child that @at names; false: none. */
static bool step_into(struct scan *s, const struct at *at, const char **ret_key)
{
	size_t index = 0;

	s->p++;
	for (skip_space(s); s->p < s->end && !in_set(*s->p, "]}"); skip_space(s)) {
		bool here;

		*ret_key = s->p;
		here = at->key != NULL ? key_is(s, at->key) : index++ == at->index;
		if (at->key != NULL)
			skip_space(s);
		if (here)
			return true;
		skip_value(s);
	}
	return false;
}

/* Moves to the value at @at, parents first. */
static bool walk_to(struct scan *s, const struct at *at, const char **ret_key)
{
	if (at == NULL || at->up == NULL) {
		skip_space(s);
		*ret_key = s->p;
		return true;
	}
	return walk_to(s, at->up, ret_key) && step_into(s, at, ret_key);
}

static struct scan_pos pos_of(const char *text, const char *p)
{
	struct scan_pos pos = { 1, 1 };

	for (; text < p; text++) {
		pos.line += *text == '\n';
		pos.column = *text == '\n' ? 1 : pos.column + 1;
	}
	return pos;
}

struct scan_pos scan_find(const char *text, size_t len, const struct at *at, bool key)
{
	struct scan s = { text, text + len };
	const char *key_at = text;

	(void)walk_to(&s, at, &key_at);
	return pos_of(text, key ? key_at : s.p);
}

void scan_lines(const char *text, size_t len, const struct at *at, uint32_t *lines, size_t n)
{
	struct scan s = { text, text + len };
	const char *key_at, *from = text;
	uint32_t line = 1;

	if (!walk_to(&s, at, &key_at))
		return;
	s.p++;
	for (size_t i = 0; i < n; i++) {
		skip_space(&s);
		for (; from < s.p; from++)
			line += *from == '\n';
		lines[i] = line;
		skip_value(&s);
	}
}

struct scan_pos scan_place(const char *text, size_t at)
{
	return pos_of(text, text + at);
}

size_t scan_depth(const char *text, size_t len, size_t most, size_t *ret_over)
{
	struct scan s = { text, text + len };
	size_t depth = 0, deepest = 0;

	while (s.p < s.end) {
		if (*s.p == '"') {
			skip_string(&s);
			continue;
		}
		if (in_set(*s.p, "{[") && ++depth > deepest) {
			deepest = depth;
			if (depth == most + 1)
				*ret_over = (size_t)(s.p - text);
		} else if (in_set(*s.p, "}]") && depth > 0) {
			depth--;
		}
		s.p++;
	}
	return deepest;
}

/* Room for the tail is kept by cutting, never by overrunning. */
static size_t put(char *buf, size_t size, size_t at, const char *text)
{
	int n = at < size ? snprintf(buf + at, size - at, "%s", text) : 0;

	return n < 0 ? at : at + (size_t)n;
}

static size_t path_put(const struct at *at, char *buf, size_t size)
{
	char part[80];
	size_t n;

	if (at == NULL || at->up == NULL)
		return put(buf, size, 0, "$");
	n = path_put(at->up, buf, size);
	if (at->key != NULL)
		(void)snprintf(part, sizeof(part), ".%.72s", at->key);
	else
		(void)snprintf(part, sizeof(part), "[%zu]", at->index);
	return put(buf, size, n, part);
}

void scan_path(const struct at *at, char *buf, size_t size)
{
	(void)path_put(at, buf, size);
}

/* ---- text that was refused ------------------------------------------------ */

#define MOST_OPEN 32u /* deeper text was refused before */

/* An array or object that is open at some byte. */
struct open {
	const char *key; /* of the member being read; NULL: an array */
	size_t index;
};

static size_t put_key(const char *key, const char *end, char *buf, size_t size, size_t at)
{
	struct scan s = { key, end };
	char part[64];
	ptrdiff_t n;

	skip_string(&s);
	n = s.p - key - 2;
	(void)snprintf(part, sizeof(part), ".%.*s", (int)(n < 0 ? 0 : n > 60 ? 60 : n), key + 1);
	return put(buf, size, at, part);
}

static void put_open(const struct open *open, size_t n, const char *end, char *buf, size_t size)
{
	size_t at = put(buf, size, 0, "$");

	for (size_t i = 0; i < n; i++) {
		char part[32];

		if (open[i].key != NULL && *open[i].key == '"') {
			at = put_key(open[i].key, end, buf, size, at);
		} else if (open[i].key == NULL) {
			(void)snprintf(part, sizeof(part), "[%zu]", open[i].index);
			at = put(buf, size, at, part);
		}
	}
}

/* Steps over one token, keeping @open. Returns how many are open then. */
static size_t step_token(struct scan *s, struct open *open, size_t n, bool *value)
{
	struct open *top = n > 0 ? &open[n - 1] : NULL;
	const char *at = s->p;

	if (in_set(*at, "{[") && n < MOST_OPEN) {
		open[n++] = (struct open){ .key = *at == '{' ? at : NULL };
		*value = false;
	} else if (in_set(*at, "}]")) {
		n -= n > 0;
	} else if (*at == '"') {
		if (top != NULL && top->key != NULL && !*value)
			top->key = at;
		skip_string(s);
		return n;
	} else if (*at == ',' && top != NULL) {
		top->index++;
	}
	if (in_set(*at, ",:"))
		*value = *at == ':';
	s->p++;
	return n;
}

struct scan_pos scan_stop(const char *text, size_t len, size_t stop, char *path, size_t size)
{
	struct scan s = { text, text + (stop < len ? stop : len) };
	struct open open[MOST_OPEN];
	bool value = false;
	size_t n = 0;

	while (s.p < s.end)
		n = step_token(&s, open, n, &value);
	put_open(open, n, s.end, path, size);
	return pos_of(text, n > 0 && open[n - 1].key != NULL ? open[n - 1].key : s.p);
}
