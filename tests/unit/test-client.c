/* The client's HTTP: whatever a daemon or an impostor answers is read or
 * refused, never half believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "ctl/http.h"
#include "wasmd/client.h"

struct script {
	const char *p;
	size_t len, at, step;
};

static ssize_t play(void *arg, void *buf, size_t n, struct err *e)
{
	struct script *s = arg;

	(void)e;
	if (n > s->step)
		n = s->step;
	if (n > s->len - s->at)
		n = s->len - s->at;
	memcpy(buf, s->p + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

struct taken {
	char p[4096];
	size_t len;
};

static int take(void *arg, const void *p, size_t n, struct err *e)
{
	struct taken *t = arg;

	(void)e;
	assert_true(n <= sizeof(t->p) - t->len);
	memcpy(t->p + t->len, p, n);
	t->len += n;
	return 0;
}

/* Reads one whole answer from @text, @step bytes at a time. */
static int answer(const char *text, size_t len, size_t step, struct http_head *h, struct taken *t)
{
	struct script s = { .p = text, .len = len, .step = step };
	struct http_in *in = calloc(1, sizeof(*in));
	struct err e = { 0 };
	int r;

	assert_non_null(in);
	in->fill = play;
	in->arg = &s;
	t->len = 0;
	r = http_read_head(in, h, &e);
	if (r == 0)
		r = http_read_body(in, h, take, t, &e);
	if (r != 0)
		assert_true(e.code == r && e.msg[0] != '\0');
	free(in);
	return r;
}

static const char plain[] = "HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=x\r\n"
			    "Content-Length:  5 \r\n\r\nhello";
static const char chunked[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n"
			      "transfer-encoding: chunked\r\n\r\n"
			      "3\r\nhel\r\n02;x=y\r\nlo\r\n0\r\nTrailer: z\r\n\r\n";

static void test_good(void **state)
{
	struct http_head h;
	struct taken t;

	(void)state;
	for (size_t step = 1; step < 80; step++) {
		assert_int_equal(answer(plain, sizeof(plain) - 1, step, &h, &t), 0);
		assert_int_equal(h.status, 200);
		assert_string_equal(h.type, "application/json");
		assert_true(t.len == 5 && memcmp(t.p, "hello", 5) == 0);
		assert_true(http_reusable(&h));
		assert_int_equal(answer(chunked, sizeof(chunked) - 1, step, &h, &t), 0);
		assert_int_equal(h.status, 201);
		assert_true(t.len == 5 && memcmp(t.p, "hello", 5) == 0);
		assert_true(http_reusable(&h));
	}
}

static void test_truncated(void **state)
{
	struct http_head h;
	struct taken t;

	(void)state;
	for (size_t step = 1; step < 200; step += 66) {
		for (size_t n = 0; n < sizeof(plain) - 1; n++)
			assert_int_equal(answer(plain, n, step, &h, &t), ERR_PEER);
		for (size_t n = 0; n < sizeof(chunked) - 1; n++)
			assert_int_equal(answer(chunked, n, step, &h, &t), ERR_PEER);
	}
}

/* Every byte turned into every other: read or refused, and no more than it held. */
static void test_flipped(void **state)
{
	char text[sizeof(chunked)];
	struct http_head h;
	struct taken t;

	(void)state;
	for (size_t i = 0; i < sizeof(chunked) - 1; i++)
		for (int b = 0; b < 256; b++) {
			memcpy(text, chunked, sizeof(text));
			text[i] = (char)b;
			if (answer(text, sizeof(text) - 1, 7, &h, &t) == 0)
				assert_true(t.len <= sizeof(text) && h.status >= 100);
		}
}

static void test_to_end(void **state)
{
	static const char text[] = "HTTP/1.0 200 OK\r\n\r\nall of it";
	struct http_head h;
	struct taken t;

	(void)state;
	assert_int_equal(answer(text, sizeof(text) - 1, 3, &h, &t), 0);
	assert_int_equal(t.len, 9);
	assert_false(http_reusable(&h));
}

static void test_refused(void **state)
{
#define HEAD   "HTTP/1.1 200 OK\r\n"
#define CHUNKS HEAD "Transfer-Encoding: chunked\r\n\r\n"
	static const char *const rows[] = {
		"hello\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		HEAD "no colon\r\n\r\n",
		HEAD ": no name\r\n\r\n",
		HEAD "Bad Name: x\r\n\r\n",
		HEAD " folded: x\r\n\r\n",
		HEAD "A: b\nContent-Length: 0\r\n\r\n",
		HEAD "A: b\rc\r\n\r\n",
		HEAD "A: \x01\r\n\r\n",
		HEAD "Content-Length: -1\r\n\r\n",
		HEAD "Content-Length: +1\r\n\r\nx",
		HEAD "Content-Length: 0x1\r\n\r\nx",
		HEAD "Content-Length: 1,1\r\n\r\nx",
		HEAD "Content-Length: 99999999999999999999\r\n\r\nx",
		HEAD "Content-Length:\r\n\r\n",
		HEAD "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		HEAD "Transfer-Encoding: gzip\r\n\r\n",
		HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		HEAD "Upgrade: 0123456789012345678901234567890123456789\r\n\r\n",
		CHUNKS "\r\n0\r\n\r\n",
		CHUNKS ";\r\n0\r\n\r\n",
		CHUNKS "g\r\n0\r\n\r\n",
		CHUNKS "-1\r\nx\r\n0\r\n\r\n",
		CHUNKS "ffffffffffffffff\r\nx\r\n0\r\n\r\n",
		CHUNKS "10000000000000000\r\nx\r\n0\r\n\r\n",
		CHUNKS "0000000000000000000001\r\nx\r\n0\r\n\r\n",
		CHUNKS "1\nx\r\n0\r\n\r\n",
		CHUNKS "1\r\rx\r\n0\r\n\r\n",
		CHUNKS "1\r\nxy\r\n0\r\n\r\n",
		CHUNKS "1\r\nx0\r\n\r\n",
		CHUNKS "0\r\nA: b\n\r\n",
	};
	struct http_head h;
	struct taken t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (answer(rows[i], strlen(rows[i]), 5, &h, &t) != ERR_PEER)
			fail_msg("row %zu was taken: %s", i, rows[i]);
}

static void test_huge(void **state)
{
	size_t size = HTTP_HEAD_MAX * 2;
	char *text = malloc(size);
	struct http_head h;
	struct taken t;
	size_t n;

	(void)state;
	assert_non_null(text);
	n = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\nA: ");
	memset(text + n, 'a', size - n);
	assert_int_equal(answer(text, size, 1000, &h, &t), ERR_PEER);
	for (n = 17; n + 6 < HTTP_HEAD_MAX; n += 6)
		memcpy(text + n, "A: b\r\n", 6);
	memcpy(text + n, "\r\n", 2);
	assert_int_equal(answer(text, n + 2, 1000, &h, &t), ERR_PEER);
	n = (size_t)sprintf(text, "%s1;", CHUNKS);
	memset(text + n, 'x', size - n);
	assert_int_equal(answer(text, size, 1000, &h, &t), ERR_PEER);
	n = (size_t)sprintf(text, "%s0\r\n", CHUNKS);
	memset(text + n, 'x', size - n);
	assert_int_equal(answer(text, size, 1000, &h, &t), ERR_PEER);
	free(text);
}

static void test_interim_without_end(void **state)
{
	char text[4096] = "";
	struct http_head h;
	struct taken t;

	(void)state;
	for (unsigned i = 0; i < HTTP_INTERIM_MAX + 1; i++)
		strcat(text, "HTTP/1.1 100 Continue\r\n\r\n");
	strcat(text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(answer(text, strlen(text), 4096, &h, &t), ERR_PEER);
}

/* ---- against a listening socket ------------------------------------------ */

struct daemon {
	char dir[32], path[64];
	int fd;
};

static void daemon_open(struct daemon *d)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(d->dir, "/tmp/wasmd-test-XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	(void)snprintf(d->path, sizeof(d->path), "%s/s", d->dir);
	strcpy(a.sun_path, d->path);
	d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(d->fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(d->fd, 4), 0);
}

static void daemon_close(struct daemon *d)
{
	close(d->fd);
	unlink(d->path);
	rmdir(d->dir);
}

static struct client *meet(struct daemon *d, int *ret_conn)
{
	struct client_options o = { .socket = d->path, .timeout_ms = 200 };
	struct err e = { 0 };
	struct client *c;

	assert_int_equal(client_new(&o, &c, &e), 0);
	*ret_conn = accept(d->fd, NULL, NULL);
	assert_true(*ret_conn >= 0);
	return c;
}

static void test_nobody(void **state)
{
	struct client_options o = { .socket = "/tmp/there-is-no-such-socket" };
	struct client *c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(client_new(&o, &c, &e), ERR_PEER);
	assert_non_null(strstr(e.msg, o.socket));
	assert_non_null(strstr(e.hint, "start it"));
}

static void test_bad_tenant(void **state)
{
	struct client_options o = { .socket = "/tmp/x", .tenant = "a\r\nHost: b" };
	struct client *c;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(client_new(&o, &c, &e), ERR_USAGE);
}

static void test_timeout(void **state)
{
	struct daemon d;
	struct err e = { 0 };
	struct client *c;
	json_t *j;
	int conn;

	(void)state;
	daemon_open(&d);
	c = meet(&d, &conn);
	assert_int_equal(client_get(c, "/v1/info", &j, &e), ERR_TIMEOUT);
	close(conn);
	client_free(c);
	daemon_close(&d);
}

/* A kept connection that the daemon has closed is not used again. */
static void test_stale(void **state)
{
	struct client_request rq = { .method = "GET", .path = "/v1/info" };
	struct daemon d;
	struct err e = { 0 };
	struct client *c;
	char got[256] = "";
	int conn;

	(void)state;
	daemon_open(&d);
	c = meet(&d, &conn);
	close(conn);
	assert_int_equal(client_send(c, &rq, &e), 0);
	conn = accept(d.fd, NULL, NULL);
	assert_true(read(conn, got, sizeof(got) - 1) > 0);
	assert_string_equal(got, "GET /v1/info HTTP/1.1\r\nHost: wasmd\r\n\r\n");
	close(conn);
	client_free(c);
	daemon_close(&d);
}

static void test_escape(void **state)
{
	char *s = client_escape("a/b?c=d &%\n\xff~:sha");

	(void)state;
	assert_string_equal(s, "a%2Fb%3Fc%3Dd%20%26%25%0A%FF~:sha");
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_to_end),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_interim_without_end),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_bad_tenant),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
