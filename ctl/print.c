#include "ctl/print.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "wasmd/vec.h"

/* ---- text --------------------------------------------------------------- */

/* Characters that hide, or reorder what stands around them. */
static const struct {
	uint32_t first, last;
} unfit[] = {
	{ 0x00, 0x1f },	    { 0x7f, 0x9f },	{ 0xad, 0xad },	    { 0x61c, 0x61c },
	{ 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
	{ 0xd800, 0xdfff }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe0fff },
};

static bool is_unfit(uint32_t ch)
{
	for (size_t i = 0; i < ARRAY_LEN(unfit); i++)
		if (ch >= unfit[i].first && ch <= unfit[i].last)
			return true;
	return false;
}

/* Bytes of the sequence that @lead begins; 0 when it can begin none. */
static size_t sequence(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* The character at @s and its length; length 0 when it is not UTF-8. */
static size_t decode(const char *s, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = sequence((unsigned char)s[0]);
	uint32_t ch = (unsigned char)s[0];

	if (len == 0 || len > n)
		return 0;
	if (len > 1)
		ch &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		ch = ch << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (ch < least[len] || ch > 0x10ffff)
		return 0;
	*ret = ch;
	return len;
}

size_t text_put(FILE *f, const char *s, size_t n, enum text_keep keep)
{
	size_t columns = 0, len;
	uint32_t ch = 0;

	for (size_t i = 0; i < n; i += len) {
		len = decode(s + i, n - i, &ch);
		if (len == 0 || (len == 1 && is_unfit(ch) &&
				 !(keep == TEXT_LINES && (ch == '\n' || ch == '\t')))) {
			columns += (size_t)fprintf(f, "\\x%02x", (unsigned char)s[i]);
			len = 1;
		} else if (len > 1 && is_unfit(ch)) {
			columns += (size_t)fprintf(f, "\\u{%x}", (unsigned)ch);
		} else {
			(void)fwrite(s + i, 1, len, f);
			columns++;
		}
	}
	return columns;
}

char *text_escape(const char *s, enum text_keep keep)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	if (f == NULL)
		return NULL;
	(void)text_put(f, s, strlen(s), keep);
	if (fclose(f) != 0) {
		free(out);
		return NULL;
	}
	return out;
}

void text_tell(const char *before, const char *s, enum text_keep keep)
{
	CLEANUP(free_p) char *line = NULL;
	size_t size = 0, at = 0;
	FILE *f = open_memstream(&line, &size);

	if (f == NULL)
		return;
	(void)fputs(before, f);
	(void)text_put(f, s, strlen(s), keep);
	(void)fputc('\n', f);
	if (fclose(f) != 0)
		return;
	while (at < size) {
		struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
		ssize_t n = write(STDERR_FILENO, line + at, size - at);

		/* A guest with the same descriptor may have made it non-blocking. */
		if (n < 0 && errno == EAGAIN)
			(void)poll(&ready, 1, -1);
		else if (n < 0 && errno != EINTR)
			return;
		at += n > 0 ? (size_t)n : 0;
	}
}

size_t text_cut(const char *s, size_t n)
{
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		unsigned char ch = (unsigned char)s[n - back];

		if ((ch & 0xc0) != 0x80)
			return sequence(ch) > back ? back : 0;
	}
	return 0;
}

/* ---- tables ------------------------------------------------------------- */

struct cell {
	char *text; /* escaped */
	size_t width;
};

struct table {
	size_t columns;
	bool failed;
	VEC(struct cell) cells; /* the heads first */
};

void table_add(struct table *t, const char *s)
{
	struct cell *c = VEC_PUSH(&t->cells);
	size_t size;
	FILE *f = NULL;

	if (c != NULL)
		f = open_memstream(&c->text, &size);
	if (f == NULL) {
		t->failed = true;
		return;
	}
	if (s == NULL || s[0] == '\0')
		s = "-";
	c->width = text_put(f, s, strlen(s), TEXT_LINE);
	if (fclose(f) != 0)
		t->failed = true;
}

int table_new(const char *const *heads, size_t columns, struct table **ret, struct err *e)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_nomem(e);
	t->columns = columns;
	for (size_t i = 0; i < columns; i++)
		table_add(t, heads[i]);
	*ret = t;
	return 0;
}

struct table *table_free(struct table *t)
{
	if (t == NULL)
		return NULL;
	for (size_t i = 0; i < t->cells.len; i++)
		free(t->cells.at[i].text);
	VEC_DONE(&t->cells);
	free(t);
	return NULL;
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < t->cells.len; i += t->columns)
		if (t->cells.at[i].width > width)
			width = t->cells.at[i].width;
	return width;
}

int table_print(const struct table *t, FILE *f, struct err *e)
{
	CLEANUP(free_p) size_t *widths = calloc(t->columns, sizeof(*widths));

	if (t->failed || widths == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < t->columns; i++)
		widths[i] = column_width(t, i);
	for (size_t i = 0; i < t->cells.len; i++) {
		const struct cell *c = &t->cells.at[i];
		size_t column = i % t->columns;

		(void)fputs(c->text, f);
		if (column + 1 < t->columns)
			(void)fprintf(f, "%*s", (int)(widths[column] - c->width + 2), "");
		else
			(void)fputc('\n', f);
	}
	return 0;
}

/* ---- numbers ------------------------------------------------------------ */

void age_text(int64_t seconds, char *buf, size_t size)
{
	static const struct {
		int64_t above, unit;
		const char *name;
	} rows[] = {
		{ 172800, 86400, "d" },
		{ 7200, 3600, "h" },
		{ 120, 60, "min" },
		{ INT64_MIN, 1, "s" },
	};
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (seconds < rows[i].above)
		i++;
	(void)snprintf(buf, size, "%lld %s", (long long)(seconds / rows[i].unit), rows[i].name);
}

void bytes_text(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes;
	size_t i = 0;

	for (; v >= 1024 && i + 1 < ARRAY_LEN(units); i++)
		v /= 1024;
	(void)snprintf(buf, size, v < 10 && i > 0 && v != (double)(int)v ? "%.1f %s" : "%.0f %s", v,
		       units[i]);
}

void nanos_text(uint64_t ns, char *buf, size_t size)
{
	static const struct {
		uint64_t unit;
		const char *name;
	} rows[] = { { 1000000000, "s" }, { 1000000, "ms" }, { 1000, "us" }, { 1, "ns" } };
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(rows) && ns < rows[i].unit)
		i++;
	(void)snprintf(buf, size, "%.4g %s", (double)ns / (double)rows[i].unit, rows[i].name);
}
