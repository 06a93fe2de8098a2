/* Digests, names, ids, times, escapes: see text.h. */
#include "daemon/front/text.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "wasmd/limits.h"

static const char hex_digits[] = "0123456789abcdef";

static void hex_put(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex_digits[bytes[i] >> 4];
		out[2 * i + 1] = hex_digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

void digest_text(const uint8_t *digest, char ret[DIGEST_TEXT])
{
	memcpy(ret, "sha256:", 7);
	hex_put(digest, DIGEST_BYTES, ret + 7);
}

bool digest_parse(const char *text, uint8_t ret[DIGEST_BYTES])
{
	if (strncmp(text, "sha256:", 7) == 0)
		text += 7;
	if (strlen(text) != 64 || !hex_ok(text))
		return false;
	for (size_t i = 0; i < DIGEST_BYTES; i++)
		ret[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
	return true;
}

int digest_of(const void *bytes, size_t len, uint8_t ret[DIGEST_BYTES])
{
	return EVP_Digest(bytes, len, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

static bool name_char(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return !first && (c == '_' || c == '.' || c == '-');
}

bool name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= LIM_NAME)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!name_char(name[i], i == 0))
			return false;
	return true;
}

bool hex_ok(const char *s)
{
	for (; *s != '\0'; s++)
		if (hex_value(*s) < 0)
			return false;
	return true;
}

int id_new(char ret[ID_TEXT])
{
	uint8_t raw[16];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return -EIO;
	hex_put(raw, sizeof(raw), ret);
	return 0;
}

static uint64_t now_of(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int64_t now_real(void)
{
	return (int64_t)now_of(CLOCK_REALTIME);
}

uint64_t now_mono(void)
{
	return now_of(CLOCK_MONOTONIC);
}

static void two_digits(char *at, unsigned n)
{
	at[0] = (char)('0' + n / 10 % 10);
	at[1] = (char)('0' + n % 10);
}

void time_text(int64_t ns, char ret[TIME_TEXT])
{
	time_t sec = ns / 1000000000;
	unsigned year;
	struct tm tm;

	if (gmtime_r(&sec, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	year = (unsigned)tm.tm_year + 1900;
	memcpy(ret, "0000-00-00T00:00:00.000Z", 25);
	two_digits(ret, year / 100);
	two_digits(ret + 2, year);
	two_digits(ret + 5, (unsigned)tm.tm_mon + 1);
	two_digits(ret + 8, (unsigned)tm.tm_mday);
	two_digits(ret + 11, (unsigned)tm.tm_hour);
	two_digits(ret + 14, (unsigned)tm.tm_min);
	two_digits(ret + 17, (unsigned)tm.tm_sec);
	two_digits(ret + 20, (unsigned)(ns / 10000000 % 100));
	ret[22] = (char)('0' + ns / 1000000 % 10);
}

/* "1h30m" in ns; units in order of falling size are not asked for. */
static bool span_parse(const char *text, int64_t *ret)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = { 1, 60, 3600, 86400 };

	*ret = 0;
	do {
		char *end = NULL;
		long n = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
		const char *unit = n >= 0 && *end != '\0' ? strchr(units, *end) : NULL;

		if (unit == NULL || __builtin_mul_overflow(n, seconds[unit - units], &n) ||
		    __builtin_mul_overflow(n, 1000000000, &n) ||
		    __builtin_add_overflow(*ret, n, ret))
			return false;
		text = end + 1;
	} while (*text != '\0');
	return true;
}

/* ".5" and then "Z" or "+01:00"; false when something else stands there. */
static bool rest_parse(const char *text, int64_t *ns)
{
	int64_t unit = 100000000;
	int hours = 0, minutes = 0, len = 0;

	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10)
			*ns += (*text - '0') * unit;
	if ((text[0] == 'Z' || text[0] == 'z') && text[1] == '\0')
		return true;
	if ((*text != '+' && *text != '-') ||
	    sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &len) != 2 || text[1 + len] != '\0')
		return false;
	*ns -= (*text == '-' ? -1 : 1) * (hours * 3600ll + minutes * 60ll) * 1000000000;
	return true;
}

bool time_parse(const char *text, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ns = 0;

	if (rest == NULL) {
		if (!span_parse(text, &ns))
			return false;
		*ret_ns = now_real() - ns;
		return true;
	}
	if (tm.tm_year > 300 || tm.tm_year < -100 || !rest_parse(rest, &ns))
		return false;
	*ret_ns = timegm(&tm) * 1000000000 + ns;
	return true;
}

/* Length of the valid UTF-8 sequence at @p, or 0. */
static size_t utf8_seq(const uint8_t *p, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t v;

	if (n <= 1)
		return n;
	if (n > left || p[0] > 0xf4)
		return 0;
	v = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (p[i] & 0x3fu);
	}
	return v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? 0 : n;
}

bool utf8_ok(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_seq(p + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

/* Control characters of one and two bytes: C0, DEL and C1. */
static bool is_control(const uint8_t *p, size_t n)
{
	if (n == 1)
		return p[0] < 0x20 || p[0] == 0x7f;
	return n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

char *text_escape(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	char *out = malloc(len * 4 + 1);
	char *o = out;

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < len;) {
		size_t n = utf8_seq(p + i, len - i);

		if (n == 0 || is_control(p + i, n)) {
			o += sprintf(o, "\\x%02x", p[i++]);
			continue;
		}
		if (p[i] == '\\')
			*o++ = '\\';
		memcpy(o, p + i, n);
		o += n;
		i += n;
	}
	*o = '\0';
	return out;
}

char *text_base64(const void *bytes, size_t len)
{
	char *out = malloc((len + 2) / 3 * 4 + 1);

	if (out == NULL)
		return NULL;
	(void)EVP_EncodeBlock((unsigned char *)out, bytes, (int)len);
	out[(len + 2) / 3 * 4] = '\0';
	return out;
}

size_t strv_len(const char *const *list)
{
	size_t n = 0;

	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

char **strv_copy(const char *const *list)
{
	size_t n = strv_len(list);
	char **v = calloc(n + 1, sizeof(*v));

	for (size_t i = 0; v != NULL && i < n; i++) {
		v[i] = strdup(list[i]);
		if (v[i] == NULL)
			return strv_free(v);
	}
	return v;
}

char **strv_free(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
	return NULL;
}
