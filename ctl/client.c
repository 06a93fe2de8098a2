/*
 * Finding the daemon, sending requests, reading answers. Answers are parsed
 * by http.c; what an upgraded connection carries is in client_stream.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ctl/client_private.h"

#define UPLOAD_PIECE (256u << 10) /* read and sent at once */

/* ---- the socket --------------------------------------------------------- */

static int set_path(struct client *c, const char *path, struct err *e)
{
	if (path[0] == '\0' || strlen(path) >= sizeof(c->path))
		return err_set(e, ERR_USAGE, "the socket's path \"%s\" %s", path,
			       path[0] != '\0' ? "is longer than a socket's may be" : "is empty");
	memcpy(c->path, path, strlen(path) + 1);
	return 0;
}

static int find_socket(struct client *c, const char *given, struct err *e)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char own[sizeof(c->path)];
	struct stat st;

	if (given == NULL)
		given = getenv(WASMD_SOCKET_ENV);
	if (given != NULL && given[0] != '\0')
		return set_path(c, given, e);
	if (dir != NULL && dir[0] == '/' &&
	    (size_t)snprintf(own, sizeof(own), "%s/wasmd.sock", dir) < sizeof(own) &&
	    stat(own, &st) == 0)
		return set_path(c, own, e);
	return set_path(c, WASMD_SOCKET_DEFAULT, e);
}

static int connect_failed(const struct client *c, int why, struct err *e)
{
	switch (why) {
	case ENOENT:
		err_set(e, ERR_PEER, "wasmd is not running: there is no socket %s", c->path);
		return err_hint(e, "start it (systemctl start wasmd), or name its socket with -H "
				   "or in $" WASMD_SOCKET_ENV);
	case ECONNREFUSED:
		err_set(e, ERR_PEER, "wasmd is not running: nobody listens on %s", c->path);
		return err_hint(e, "start it (systemctl start wasmd), or name its socket with -H "
				   "or in $" WASMD_SOCKET_ENV);
	case EACCES:
	case EPERM:
		err_set(e, ERR_PERM, "you have no permission to connect to %s", c->path);
		return err_hint(e,
				"ask the administrator to admit you to the socket's group "
				"(ls -l %s shows it)",
				c->path);
	case EAGAIN:
		return err_set(e, ERR_BUSY, "wasmd at %s is too busy to answer", c->path);
	default:
		return err_set(e, ERR_PEER, "cannot connect to %s: %s", c->path, strerror(why));
	}
}

static int open_connection(struct client *c, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = c->timeout_ms / 1000,
				    .tv_usec = (suseconds_t)(c->timeout_ms % 1000) * 1000 };
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_set(e, ERR_IO, "socket: %s", strerror(errno));
	memcpy(addr.sun_path, c->path, sizeof(c->path));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
		c->lost = errno == ENOENT || errno == ECONNREFUSED;
		return connect_failed(c, errno, e);
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return err_set(e, ERR_IO, "socket: %s", strerror(errno));
	c->fd = fd_take(&fd);
	c->in.at = c->in.len = 0;
	return 0;
}

void client_drop(struct client *c)
{
	fd_clear(&c->fd);
	c->in.at = c->in.len = 0;
}

/* A kept connection on which something can be read was closed by the daemon. */
static int ready_connection(struct client *c, struct err *e)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	if (c->fd >= 0 && (c->in.at != c->in.len || poll(&p, 1, 0) != 0))
		client_drop(c);
	return c->fd >= 0 ? 0 : open_connection(c, e);
}

int client_wait(int fd, short events, unsigned timeout_ms, short *ret_events, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&p, 1, timeout_ms != 0 ? (int)timeout_ms : -1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, ERR_IO, "poll: %s", strerror(errno));
	if (n == 0) {
		err_set(e, ERR_TIMEOUT, "the daemon has not answered for %u ms", timeout_ms);
		return err_hint(e, "--request-timeout sets how long to wait");
	}
	*ret_events = p.revents;
	return 0;
}

static ssize_t fill(void *arg, void *buf, size_t n, struct err *e)
{
	struct client *c = arg;
	short got;

	for (;;) {
		ssize_t r = recv(c->fd, buf, n, 0);

		c->lost = r == 0 || (r < 0 && errno == ECONNRESET);
		if (r >= 0)
			return r;
		if (c->lost)
			return 0;
		if (errno == EAGAIN) {
			if (client_wait(c->fd, POLLIN, c->timeout_ms, &got, e) != 0)
				return e->code;
		} else if (errno != EINTR) {
			return err_set(e, ERR_PEER, "reading from %s: %s", c->path,
				       strerror(errno));
		}
	}
}

/* ---- sending ------------------------------------------------------------ */

/* Sends all of @p. *ret_early: the daemon answered or hung up before it took
 * everything; its answer says why. */
static int send_all(struct client *c, const char *p, size_t n, bool *ret_early, struct err *e)
{
	short got = 0;

	while (n > 0) {
		ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);

		if (w > 0) {
			p += w;
			n -= (size_t)w;
			continue;
		}
		if (errno == EPIPE || errno == ECONNRESET || (got & POLLIN)) {
			*ret_early = true;
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR)
			return err_set(e, ERR_PEER, "sending to %s: %s", c->path, strerror(errno));
		if (client_wait(c->fd, POLLOUT | POLLIN, c->timeout_ms, &got, e) != 0)
			return e->code;
	}
	return 0;
}

static bool known_length(const struct client_request *rq, uint64_t *ret)
{
	struct stat st;
	off_t at;

	*ret = rq->body_len;
	if (!rq->stream)
		return true;
	if (fstat(rq->body_fd, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	at = lseek(rq->body_fd, 0, SEEK_CUR);
	*ret = at >= 0 && at <= st.st_size ? (uint64_t)(st.st_size - at) : 0;
	return at >= 0;
}

static int put_head(struct client *c, const struct client_request *rq, const char *extra,
		    bool sized, uint64_t length, bool *ret_early, struct err *e)
{
	CLEANUP(free_p) char *head = NULL;
	char body[64] = "";
	int n;

	if (!sized)
		(void)snprintf(body, sizeof(body), "Transfer-Encoding: chunked\r\n");
	else if (length > 0 || strcmp(rq->method, "POST") == 0)
		(void)snprintf(body, sizeof(body), "Content-Length: %llu\r\n",
			       (unsigned long long)length);
	n = asprintf(&head, "%s %s HTTP/1.1\r\nHost: wasmd\r\n%s%s%s%s%s%s%s%s\r\n", rq->method,
		     rq->path, c->tenant != NULL ? WASMD_TENANT_HEADER ": " : "",
		     c->tenant != NULL ? c->tenant : "", c->tenant != NULL ? "\r\n" : "",
		     rq->body_len > 0 || rq->stream ? "Content-Type: " : "",
		     rq->body_len > 0 || rq->stream
			     ? (rq->type != NULL ? rq->type : "application/json")
			     : "",
		     rq->body_len > 0 || rq->stream ? "\r\n" : "", body, extra);
	if (n < 0) {
		head = NULL;
		return err_nomem(e);
	}
	if ((size_t)n > CLIENT_HEAD_MAX)
		return err_set(e, ERR_USAGE, "the request's path is too long");
	return send_all(c, head, (size_t)n, ret_early, e);
}

/* Reads up to @n bytes of the body; 0 at its end. */
static ssize_t body_piece(int fd, char *buf, size_t n, struct err *e)
{
	ssize_t r;

	do
		r = read(fd, buf, n);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_set(e, ERR_IO, "reading what is to be sent: %s", strerror(errno));
	return r;
}

static int stream_sized(struct client *c, int fd, uint64_t left, char *buf, bool *ret_early,
			struct err *e)
{
	while (left > 0 && !*ret_early) {
		ssize_t n =
			body_piece(fd, buf, left < UPLOAD_PIECE ? (size_t)left : UPLOAD_PIECE, e);

		if (n < 0)
			return e->code;
		if (n == 0)
			return err_set(e, ERR_IO, "the file became shorter while it was sent");
		left -= (uint64_t)n;
		if (send_all(c, buf, (size_t)n, ret_early, e) != 0)
			return e->code;
	}
	return 0;
}

static int stream_chunked(struct client *c, int fd, char *buf, bool *ret_early, struct err *e)
{
	enum { HEAD = 16 };

	while (!*ret_early) {
		ssize_t n = body_piece(fd, buf + HEAD, UPLOAD_PIECE, e);
		char size[HEAD];
		size_t h;

		if (n < 0)
			return e->code;
		if (n == 0)
			return send_all(c, "0\r\n\r\n", 5, ret_early, e);
		h = (size_t)snprintf(size, sizeof(size), "%zx\r\n", (size_t)n);
		memcpy(buf + HEAD - h, size, h);
		memcpy(buf + HEAD + n, "\r\n", 2);
		if (send_all(c, buf + HEAD - h, h + (size_t)n + 2, ret_early, e) != 0)
			return e->code;
	}
	return 0;
}

static int put_body(struct client *c, const struct client_request *rq, bool sized, uint64_t length,
		    bool *ret_early, struct err *e)
{
	CLEANUP(free_p) char *buf = NULL;

	if (!rq->stream)
		return send_all(c, rq->body, rq->body_len, ret_early, e);
	buf = malloc(UPLOAD_PIECE + 32);
	if (buf == NULL)
		return err_nomem(e);
	return sized ? stream_sized(c, rq->body_fd, length, buf, ret_early, e)
		     : stream_chunked(c, rq->body_fd, buf, ret_early, e);
}

int client_put(struct client *c, const struct client_request *rq, const char *extra, struct err *e)
{
	uint64_t length;
	bool sized = known_length(rq, &length), early = false;

	c->lost = false;
	if (ready_connection(c, e) != 0)
		return e->code;
	if (put_head(c, rq, extra, sized, length, &early, e) != 0 ||
	    (!early && put_body(c, rq, sized, length, &early, e) != 0)) {
		client_drop(c);
		return e->code;
	}
	return 0;
}

int client_send(struct client *c, const struct client_request *rq, struct err *e)
{
	return client_put(c, rq, "", e);
}

/* ---- answers ------------------------------------------------------------ */

struct gather {
	char *p;
	size_t len, cap;
};

static void gather_done(struct gather *g)
{
	free(g->p);
}

static int gather_sink(void *arg, const void *p, size_t n, struct err *e)
{
	struct gather *g = arg;

	if (n > CLIENT_JSON_MAX - g->len)
		return err_set(e, ERR_PEER, "the daemon's answer is above %u bytes",
			       CLIENT_JSON_MAX);
	if (g->len + n > g->cap) {
		size_t cap = (g->len + n) * 2;
		char *more = realloc(g->p, cap);

		if (more == NULL)
			return err_nomem(e);
		g->p = more;
		g->cap = cap;
	}
	memcpy(g->p + g->len, p, n);
	g->len += n;
	return 0;
}

/* *ret stays NULL for an empty body. */
static int read_json(struct client *c, const struct http_head *h, json_t **ret, struct err *e)
{
	CLEANUP(gather_done) struct gather g = { 0 };
	json_error_t why;

	if (http_read_body(&c->in, h, gather_sink, &g, e) != 0)
		return e->code;
	if (g.len == 0)
		return 0;
	*ret = json_loadb(g.p, g.len, JSON_REJECT_DUPLICATES, &why);
	if (*ret == NULL)
		return err_set(e, ERR_PEER, "the daemon's answer (%d) is not JSON: %s", h->status,
			       why.text);
	return 0;
}

static int code_of_wire(const char *wire)
{
#define ERR(name, num, text, http, status) \
	if (strcmp(wire, text) == 0)       \
		return ERR_##name;
	WASMD_ERRS(ERR)
#undef ERR
	return ERR_INTERNAL;
}

int client_error(const json_t *error, int status, struct err *e)
{
	const json_t *inner = json_object_get(error, "error");
	const char *code, *message, *hint;

	if (json_is_object(inner))
		error = inner;
	code = json_string_value(json_object_get(error, "code"));
	message = json_string_value(json_object_get(error, "message"));
	hint = json_string_value(json_object_get(error, "hint"));
	if (message == NULL)
		return err_set(e, ERR_PEER, "the daemon answered %d without a reason", status);
	err_set(e, code_of_wire(code != NULL ? code : ""), "%s", message);
	if (hint != NULL)
		err_hint(e, "%s", hint);
	return e->code;
}

int client_refusal(struct client *c, const struct http_head *h, struct err *e)
{
	struct err ignored = { 0 };
	json_t *body = NULL;

	if (read_json(c, h, &body, &ignored) != 0)
		body = NULL;
	client_error(body, h->status, e);
	json_decref(body);
	return e->code;
}

static int read_answer(struct client *c, const struct client_request *rq, struct client_reply *ret,
		       struct http_head *h, struct err *e)
{
	if (http_read_head(&c->in, h, e) != 0)
		return e->code;
	if (h->status >= 400)
		return client_refusal(c, h, e);
	if (h->status < 200 || h->status >= 300)
		return err_set(e, ERR_PEER, "the daemon answered with status %d", h->status);
	if (rq->sink != NULL)
		return http_read_body(&c->in, h, rq->sink, rq->sink_arg, e);
	return read_json(c, h, &ret->json, e);
}

int client_call(struct client *c, const struct client_request *rq, struct client_reply *ret,
		struct err *e)
{
	struct client_reply reply = { 0 };
	struct http_head h = { 0 };

	if (client_put(c, rq, "", e) != 0)
		return e->code;
	if (read_answer(c, rq, &reply, &h, e) != 0) {
		/* After a refusal the body may be half sent, after a fault half read. */
		client_drop(c);
		return e->code;
	}
	if (!http_reusable(&h))
		client_drop(c);
	reply.status = h.status;
	*ret = reply;
	return 0;
}

static int short_call(struct client *c, const struct client_request *rq, json_t **ret_json,
		      struct err *e)
{
	struct client_reply reply = { 0 };

	if (client_call(c, rq, &reply, e) != 0)
		return e->code;
	if (ret_json == NULL) {
		json_decref(reply.json);
		return 0;
	}
	if (reply.json == NULL)
		return err_set(e, ERR_PEER, "the daemon's answer is empty");
	*ret_json = reply.json;
	return 0;
}

int client_get(struct client *c, const char *path, json_t **ret_json, struct err *e)
{
	struct client_request rq = { .method = "GET", .path = path };

	return short_call(c, &rq, ret_json, e);
}

int client_delete(struct client *c, const char *path, struct err *e)
{
	struct client_request rq = { .method = "DELETE", .path = path };

	return short_call(c, &rq, NULL, e);
}

int client_post(struct client *c, const char *path, const json_t *body, json_t **ret_json,
		struct err *e)
{
	CLEANUP(free_p) char *text = NULL;
	struct client_request rq = { .method = "POST", .path = path };

	if (body != NULL) {
		text = json_dumps(body, JSON_COMPACT);
		if (text == NULL)
			return err_nomem(e);
		rq.body = text;
		rq.body_len = strlen(text);
	}
	return short_call(c, &rq, ret_json, e);
}

char *client_escape(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~:";
	char *out = malloc(strlen(s) * 3 + 1), *p = out;

	if (out == NULL)
		return NULL;
	for (; *s != '\0'; s++)
		if (strchr(plain, *s) != NULL)
			*p++ = *s;
		else
			p += sprintf(p, "%%%02X", (unsigned char)*s);
	*p = '\0';
	return out;
}

/* ---- life --------------------------------------------------------------- */

/* A header's value cannot be allowed to end its line. */
static int set_tenant(struct client *c, const char *tenant, struct err *e)
{
	if (tenant == NULL)
		return 0;
	for (const char *p = tenant; *p != '\0'; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			return err_set(e, ERR_USAGE,
				       "a tenant's name has no spaces and no control "
				       "characters");
	c->tenant = strdup(tenant);
	return c->tenant != NULL ? 0 : err_nomem(e);
}

int client_new(const struct client_options *o, struct client **ret, struct err *e)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_nomem(e);
	c->fd = -1;
	c->timeout_ms = o->timeout_ms;
	c->in.fill = fill;
	c->in.arg = c;
	if (set_tenant(c, o->tenant, e) != 0 || find_socket(c, o->socket, e) != 0 ||
	    open_connection(c, e) != 0) {
		client_free(c);
		return e->code;
	}
	*ret = c;
	return 0;
}

struct client *client_free(struct client *c)
{
	if (c == NULL)
		return NULL;
	close_p(&c->fd);
	free(c->tenant);
	free(c);
	return NULL;
}

const char *client_socket(const struct client *c)
{
	return c->path;
}

void client_set_timeout(struct client *c, unsigned timeout_ms)
{
	c->timeout_ms = timeout_ms;
}

bool client_lost(const struct client *c)
{
	return c->lost;
}
