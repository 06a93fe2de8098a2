/*
 * The glue to libmicrohttpd: see http.h. Its epoll descriptor is one source of
 * our loop; it never runs a thread and never sleeps. A request that waits is
 * suspended, and meanwhile we watch its connection for the client going away.
 */
#include "daemon/front/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "daemon/front/framing.h"
#include "daemon/front/json.h"
#include "daemon/front/peers.h"
#include "daemon/front/tenant.h"

/* Memory of one connection: a head, or a piece of a body. The library clears it
 * for each request: 128 KiB would be a third of what a short one costs. */
#define HEAD_BYTES	 (32u << 10)
#define IDLE_SECONDS	 60u   /* a connection that says nothing is closed */
#define IGNORED_BODY	 4096u /* where a route takes none */
#define STREAM_BLOCK	 (64u << 10)
#define LEAVING		 128u /* connections that were told to go and are not gone yet */
#define TURNS		 4    /* of the library before others have theirs */
#define TIMER_SLACK_USEC 1000000u

struct http {
	struct front *front;
	struct MHD_Daemon *mhd;
	sd_event_source *io, *timer, *again;
	struct conn *waiting; /* suspended requests */
	struct peers peers;
};

struct conn {
	struct request r;
	struct conn *next, *prev; /* while it waits */
	struct http *http;
	struct MHD_Connection *mhd;
	struct upgraded *upgrade; /* offered, not begun */
	int fd;
	uint64_t received;
	struct MHD_Response *answer;
	unsigned status;
	struct peer *peer;
	bool begun, served, suspended;
	const struct stream_ops *stream; /* an answer that is made bit by bit */
	void *stream_arg;
	bool cut;  /* it ends here */
	bool last; /* the connection is closed after the answer */
	char allow[64];
	sd_event_source *hup;
};

struct upgraded {
	struct http *http;
	struct MHD_UpgradeResponseHandle *handle;
	upgrade_fn *begin;
	void *arg;
};

/* ---- the loop ----------------------------------------------------------- */

static void run_again(struct http *h)
{
	(void)sd_event_source_set_enabled(h->again, SD_EVENT_ONESHOT);
}

/* The timer only ever closes what is idle: it may come early, and a second late. */
static void set_timer(struct http *h, uint64_t ms)
{
	uint64_t due = now_mono() / 1000 + ms * 1000, armed = 0;
	int on = SD_EVENT_OFF;

	(void)sd_event_source_get_enabled(h->timer, &on);
	(void)sd_event_source_get_time(h->timer, &armed);
	if (on != SD_EVENT_OFF && armed <= due + TIMER_SLACK_USEC)
		return;
	(void)sd_event_source_set_time(h->timer, due);
	(void)sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
}

static void http_run(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;

	for (int i = 0; i < TURNS; i++) {
		(void)MHD_run(h->mhd);
		if (MHD_get_timeout(h->mhd, &ms) != MHD_YES)
			return;
		if (ms != 0) {
			set_timer(h, ms);
			return;
		}
	}
	run_again(h);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	http_run(arg);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	http_run(arg);
	return 0;
}

static int on_again(sd_event_source *source, void *arg)
{
	http_run(arg);
	return 0;
}

/* ---- answers ------------------------------------------------------------ */

static void waiting_add(struct conn *c)
{
	c->suspended = true;
	c->prev = NULL;
	c->next = c->http->waiting;
	if (c->next != NULL)
		c->next->prev = c;
	c->http->waiting = c;
}

static void waiting_remove(struct conn *c)
{
	c->suspended = false;
	*(c->prev != NULL ? &c->prev->next : &c->http->waiting) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
}

static void resume(struct conn *c)
{
	waiting_remove(c);
	c->hup = sd_event_source_disable_unref(c->hup);
	MHD_resume_connection(c->mhd);
	run_again(c->http);
}

/* Takes @answer; NULL, when memory is short, becomes a closed connection. */
static void put_answer(struct request *r, unsigned status, struct MHD_Response *answer)
{
	struct conn *c = r->conn;

	if (c->answer != NULL) {
		MHD_destroy_response(answer);
		return;
	}
	c->status = status;
	c->answer = answer;
	c->served = true;
	if (c->suspended)
		resume(c);
}

static struct MHD_Response *response_of(char *take, size_t len, const char *type)
{
	struct MHD_Response *answer =
		MHD_create_response_from_buffer(len, take, MHD_RESPMEM_MUST_FREE);

	if (answer == NULL)
		free(take);
	else
		(void)MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return answer;
}

/* Takes @take; a line feed stands behind it in the NUL's place. */
static void answer_line(struct request *r, unsigned status, char *take)
{
	size_t len = take != NULL ? strlen(take) : 0;

	if (take != NULL)
		take[len++] = '\n';
	put_answer(r, status, take != NULL ? response_of(take, len, "application/json") : NULL);
}

void answer_json(struct request *r, unsigned status, json_t *take)
{
	char *text = take != NULL ? json_dumps(take, JSON_COMPACT) : NULL;

	json_decref(take);
	answer_line(r, status, text);
}

void answer_json_text(struct request *r, unsigned status, const char *text)
{
	answer_line(r, status, text != NULL ? strdup(text) : NULL);
}

void answer_empty(struct request *r, unsigned status)
{
	static char none[1];

	put_answer(r, status, MHD_create_response_from_buffer(0, none, MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result suspend(struct conn *c);

static ssize_t read_stream(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct conn *c = cls;
	ssize_t n = c->cut ? STREAM_END : c->stream->read(c->stream_arg, buf, max);

	if (n > 0 || (n == 0 && suspend(c) == MHD_YES))
		return n;
	return MHD_CONTENT_READER_END_OF_STREAM;
}

void answer_stream(struct request *r, const char *type, const struct stream_ops *ops, void *arg)
{
	struct conn *c = r->conn;
	struct MHD_Response *answer = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, c, NULL);

	c->stream = ops;
	c->stream_arg = arg;
	if (answer != NULL)
		(void)MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	put_answer(r, MHD_HTTP_OK, answer);
}

void stream_wake(struct request *r)
{
	if (r->conn->suspended)
		resume(r->conn);
}

static void stream_cut(struct conn *c)
{
	c->cut = true;
	stream_wake(&c->r);
}

static enum MHD_Result send_answer(struct conn *c)
{
	struct MHD_Response *answer = c->answer;
	enum MHD_Result r;

	if (answer == NULL)
		return MHD_NO;
	if (c->allow[0] != '\0')
		(void)MHD_add_response_header(answer, MHD_HTTP_HEADER_ALLOW, c->allow);
	if (c->status == MHD_HTTP_TOO_MANY_REQUESTS)
		(void)MHD_add_response_header(answer, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	if (c->last)
		(void)MHD_add_response_header(answer, MHD_HTTP_HEADER_CONNECTION, "close");
	r = MHD_queue_response(c->mhd, c->status, answer);
	MHD_destroy_response(answer);
	c->answer = NULL;
	return r;
}

/* ---- upgrades ----------------------------------------------------------- */

static void on_upgraded(void *cls, struct MHD_Connection *mhd, void *req_cls, const char *extra,
			size_t extra_size, MHD_socket sock,
			struct MHD_UpgradeResponseHandle *handle)
{
	struct upgraded *u = cls;

	((struct conn *)req_cls)->upgrade = NULL;
	u->handle = handle;
	u->begin(u->arg, sock, extra_size > 0, u);
}

void answer_upgrade(struct request *r, const char *protocol, upgrade_fn *begin, void *arg)
{
	struct upgraded *u = calloc(1, sizeof(*u));
	struct MHD_Response *answer = NULL;

	if (u != NULL) {
		*u = (struct upgraded){ .http = r->conn->http, .begin = begin, .arg = arg };
		answer = MHD_create_response_for_upgrade(on_upgraded, u);
	}
	if (answer != NULL)
		(void)MHD_add_response_header(answer, MHD_HTTP_HEADER_UPGRADE, protocol);
	r->conn->upgrade = u;
	put_answer(r, MHD_HTTP_SWITCHING_PROTOCOLS, answer);
}

void upgraded_close(struct upgraded *u)
{
	struct http *h = u->http;

	(void)MHD_upgrade_action(u->handle, MHD_UPGRADE_ACTION_CLOSE);
	free(u);
	if (h->again != NULL)
		run_again(h);
}

/* ---- reading requests --------------------------------------------------- */

const char *request_query(const struct request *r, const char *key)
{
	return MHD_lookup_connection_value(r->conn->mhd, MHD_GET_ARGUMENT_KIND, key);
}

bool request_flag(const struct request *r, const char *key)
{
	const char *v = request_query(r, key);

	return v != NULL && strcmp(v, "0") != 0 && strcmp(v, "false") != 0;
}

int64_t request_since(const struct request *r, int64_t otherwise, struct err *e)
{
	const char *v = request_query(r, "since");
	int64_t ns = otherwise;

	if (v != NULL && !time_parse(v, &ns)) {
		(void)err_set(e, ERR_USAGE, "?since= is no time");
		(void)err_hint(e, "2026-11-22T10:00:00Z, or how long ago: 90s, 10m, 1h30m");
	}
	return ns;
}

const char *request_header(const struct request *r, const char *key)
{
	return MHD_lookup_connection_value(r->conn->mhd, MHD_HEADER_KIND, key);
}

struct collect {
	const char *key;
	char **list;
	size_t n;
	bool failed;
};

static enum MHD_Result collect_value(void *cls, enum MHD_ValueKind kind, const char *key,
				     const char *value)
{
	struct collect *c = cls;
	char **list;

	if (strcmp(key, c->key) != 0)
		return MHD_YES;
	list = realloc(c->list, (c->n + 2) * sizeof(*list));
	if (list != NULL) {
		c->list = list;
		list[c->n] = strdup(value != NULL ? value : "");
		list[c->n + 1] = NULL;
		if (list[c->n++] != NULL)
			return MHD_YES;
	}
	c->failed = true;
	return MHD_NO;
}

char **request_query_all(const struct request *r, const char *key)
{
	struct collect c = { .key = key, .list = calloc(1, sizeof(char *)) };

	if (c.list != NULL)
		(void)MHD_get_connection_values(r->conn->mhd, MHD_GET_ARGUMENT_KIND, collect_value,
						&c);
	return c.failed ? strv_free(c.list) : c.list;
}

static enum MHD_Result check_query(void *cls, enum MHD_ValueKind kind, const char *key,
				   size_t key_size, const char *value, size_t value_size)
{
	struct request *r = cls;
	CLEANUP(free_p) char *shown = NULL;

	if (strlen(key) == key_size && route_takes(r->route, key)) {
		if (value == NULL || strlen(value) == value_size)
			return MHD_YES;
		(void)err_set(&r->err, ERR_USAGE, "?%s= holds a NUL byte", key);
		return MHD_NO;
	}
	shown = text_escape(key, key_size);
	(void)err_set(&r->err, ERR_USAGE, "unknown query parameter \"%.80s\"",
		      shown != NULL ? shown : "");
	if (r->route->query[0] != '\0')
		(void)err_hint(&r->err, "this route takes: %s", r->route->query);
	return MHD_NO;
}

/* No body may be announced that would be refused anyway. */
static bool too_long(const struct request *r)
{
	static const uint64_t most[] = {
		[BODY_NONE] = IGNORED_BODY,
		[BODY_JSON] = LIM_HTTP_BODY,
		[BODY_MODULE] = LIM_MODULE_BYTES,
		[BODY_STDIN] = LIM_RUN_STDIN,
	};
	const char *length = request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return r->conn->received > most[r->route->body] ||
	       (length != NULL && strtoull(length, NULL, 10) > most[r->route->body]);
}

static void err_too_long(struct request *r)
{
	static const char *const what[] = { "this route takes no body", "the body is too long",
					    "the module is too large",
					    "standard input is too long" };

	(void)err_set(&r->err, r->route->body == BODY_NONE ? ERR_USAGE : ERR_LIMIT, "%s",
		      what[r->route->body]);
}

static void find_route(struct conn *c, const char *url, const char *method)
{
	struct request *r = &c->r;
	CLEANUP(free_p) char *shown = NULL;

	r->route = route_match(method, url, r->ref, sizeof(r->ref), c->allow, sizeof(c->allow));
	if (r->route != NULL) {
		c->allow[0] = '\0';
		return;
	}
	shown = text_escape(url, strlen(url));
	if (c->allow[0] == '\0') {
		(void)err_set(&r->err, ERR_NOTFOUND, "there is no %.150s",
			      shown != NULL ? shown : "");
		(void)err_hint(&r->err, "routes begin with /v1; see docs/api.md");
		return;
	}
	c->status = MHD_HTTP_METHOD_NOT_ALLOWED;
	(void)err_set(&r->err, ERR_USAGE, "%.150s takes %s", shown != NULL ? shown : "", c->allow);
}

/* All that can be judged before the body: an error here latches. */
static void read_head(struct conn *c, const char *url, const char *method, const char *version)
{
	struct request *r = &c->r;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

	c->fd = info != NULL ? info->connect_fd : -1;
	if (r->err.code == 0 && framing_check(c->mhd, version, &r->err) < 0)
		c->last = true;
	if (r->err.code != 0)
		return;
	find_route(c, url, method);
	if (r->err.code != 0)
		return;
	if (tenant_of(r->front, c->fd, request_header(r, WASMD_TENANT_HEADER), &r->who, &r->err) <
	    0)
		return;
	(void)MHD_get_connection_values_n(c->mhd, MHD_GET_ARGUMENT_KIND, check_query, r);
	if (r->err.code == 0 && too_long(r))
		err_too_long(r);
	if (r->err.code != 0 || r->route->body != BODY_MODULE)
		return;
	if (upload_begin(r->front, &r->upload, &r->err) < 0)
		r->upload = NULL; /* latched: answered after the body */
}

static void take_json(struct request *r, const char *data, size_t size)
{
	if (r->body_len + size > r->body_cap) {
		size_t cap = (r->body_len + size) * 2;
		char *p = realloc(r->body, cap);

		if (p == NULL) {
			(void)err_nomem(&r->err);
			return;
		}
		r->body = p;
		r->body_cap = cap;
	}
	memcpy(r->body + r->body_len, data, size);
	r->body_len += size;
}

static void take_stdin(struct request *r, const char *data, size_t size)
{
	if (r->stdin_fd < 0)
		r->stdin_fd = memfd_create("wasmd-stdin", MFD_CLOEXEC);
	if (r->stdin_fd < 0 || write(r->stdin_fd, data, size) != (ssize_t)size)
		(void)err_nomem(&r->err);
}

/* A piece of the body. After an error the rest is read and dropped, so that
 * the client can read the answer; a client that never ends is cut off. */
static enum MHD_Result take_body(struct conn *c, const char *data, size_t size)
{
	struct request *r = &c->r;

	c->received += size;
	peers_touch(&c->http->peers, c->peer);
	if (r->err.code == 0 && too_long(r))
		err_too_long(r);
	if (r->err.code != 0)
		return c->received > 2ull * LIM_MODULE_BYTES ? MHD_NO : MHD_YES;
	switch (r->route->body) {
	case BODY_NONE:
		break;
	case BODY_JSON:
		take_json(r, data, size);
		break;
	case BODY_MODULE:
		if (upload_write(r->upload, data, size, &r->err) < 0)
			r->upload = upload_free(r->upload);
		break;
	case BODY_STDIN:
		take_stdin(r, data, size);
		break;
	}
	return MHD_YES;
}

/* ---- connections -------------------------------------------------------- */

static struct peer *peer_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http *h = cls;
	struct peer *p = *context;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED && p != NULL) {
		peers_remove(&h->peers, p);
		free(p);
		*context = NULL;
	} else if (what == MHD_CONNECTION_NOTIFY_STARTED && info != NULL) {
		p = calloc(1, sizeof(*p));
		*context = p;
		if (p != NULL)
			peers_add(&h->peers, p, info->connect_fd);
		else
			(void)shutdown(info->connect_fd, SHUT_RDWR);
	}
}

/* ---- life of a request -------------------------------------------------- */

static struct conn *conn_new(struct http *h, struct MHD_Connection *mhd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->http = h;
	c->mhd = mhd;
	c->r.front = h->front;
	c->r.stdin_fd = -1;
	c->r.conn = c;
	c->r.who.conn = -1;
	c->peer = peer_of(mhd);
	return c;
}

/* The request line as it came, before anything is decoded. The version stands
 * behind the path and its NUL, unless that NUL came with the request. */
static void *on_line(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct conn *c = conn_new(cls, mhd);

	if (c != NULL &&
	    (strstr(uri, "%00") != NULL || strncmp(uri + strlen(uri) + 1, "HTTP/", 5) != 0))
		(void)err_set(&c->r.err, ERR_USAGE,
			      "the path or the query holds a NUL byte or a blank");
	return c;
}

/* The handler is told, once, that nobody waits for its answer any more. */
static void abandon(struct conn *c)
{
	struct request *r = &c->r;

	watch_drop(&r->watch);
	if (r->gone != NULL && c->answer == NULL)
		r->gone(r);
	r->gone = NULL;
	r->upload = upload_free(r->upload);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **req_cls,
			 enum MHD_RequestTerminationCode why)
{
	struct conn *c = *req_cls;

	if (c == NULL)
		return;
	*req_cls = NULL;
	if (c->peer != NULL)
		c->peer->busy = false;
	if (c->suspended) {
		abandon(c);
		waiting_remove(c);
	}
	if (c->upgrade != NULL) { /* it never came to it */
		c->upgrade->begin(c->upgrade->arg, -1, false, NULL);
		free(c->upgrade);
	}
	watch_drop(&c->r.watch);
	if (c->stream != NULL)
		c->stream->done(c->stream_arg);
	c->hup = sd_event_source_disable_unref(c->hup);
	(void)upload_free(c->r.upload);
	fd_clear(&c->r.stdin_fd);
	free(c->r.body);
	MHD_destroy_response(c->answer);
	free(c);
}

/* The client closed its end (not: has said all it will say). */
static int on_hup(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct conn *c = arg;

	if (c->stream != NULL) {
		stream_cut(c);
		return 0;
	}
	abandon(c);
	answer_empty(&c->r, MHD_HTTP_NO_CONTENT); /* nobody reads it; it ends the request */
	return 0;
}

static enum MHD_Result suspend(struct conn *c)
{
	if (sd_event_add_io(c->http->front->loop, &c->hup, c->fd, EPOLLHUP, on_hup, c) < 0)
		return MHD_NO;
	waiting_add(c);
	MHD_suspend_connection(c->mhd);
	return MHD_YES;
}

void answer_error(struct request *r, const struct err *e)
{
	unsigned status = (unsigned)err_info(e->code).http;

	answer_json(r, r->conn->allow[0] != '\0' ? MHD_HTTP_METHOD_NOT_ALLOWED : status,
		    json_error(e));
}

static enum MHD_Result dispatch(struct conn *c)
{
	struct request *r = &c->r;

	if (!c->served) {
		c->served = c->peer->busy = true;
		if (r->front->ending) /* there are no zygotes any more */
			(void)err_set(&r->err, ERR_BUSY, "the daemon is ending");
		if (r->err.code != 0)
			answer_error(r, &r->err);
		else
			r->route->serve(r);
	}
	return c->answer != NULL ? send_answer(c) : suspend(c);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url,
				 const char *method, const char *version, const char *data,
				 size_t *size, void **req_cls)
{
	struct conn *c = *req_cls;
	enum MHD_Result r;

	if (c == NULL || c->peer == NULL)
		return MHD_NO;
	if (!c->begun) {
		c->begun = true;
		peers_touch(&c->http->peers, c->peer);
		read_head(c, url, method, version);
		if (c->last || (c->r.err.code != 0 && c->r.route != NULL && too_long(&c->r)))
			return dispatch(c); /* before a body that would be in vain */
		return MHD_YES;
	}
	if (*size == 0)
		return dispatch(c);
	r = take_body(c, data, *size);
	*size = 0;
	return r;
}

/* ---- set-up ------------------------------------------------------------- */

static void quiet(void *cls, const char *fmt, va_list ap)
{
	/* What the library says of clients is theirs to make up. */
}

int http_serve(struct http *h, struct err *e)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	sd_event *loop = h->front->loop;

	if (info == NULL || sd_event_add_io(loop, &h->io, info->epoll_fd, EPOLLIN, on_io, h) < 0 ||
	    sd_event_add_time_relative(loop, &h->timer, CLOCK_MONOTONIC, 0, 1, on_timer, h) < 0 ||
	    sd_event_add_defer(loop, &h->again, on_again, h) < 0)
		return err_nomem(e);
	return 0;
}

int http_new(struct front *f, int listen_fd, struct http **ret, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return err_nomem(e);
	h->front = f;
	h->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, on_access, h, MHD_OPTION_EXTERNAL_LOGGER, quiet, h,
		MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
		LIM_CONNECTIONS + LEAVING, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
		MHD_OPTION_URI_LOG_CALLBACK, on_line, h, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, h, MHD_OPTION_END);
	if (h->mhd == NULL) {
		(void)http_free(h);
		return err_set(e, ERR_IO, "the HTTP server does not start");
	}
	*ret = h;
	return 0;
}

void http_quiesce(struct http *h)
{
	const struct err e = { .code = ERR_BUSY, .msg = "the daemon is ending" };
	int fd = MHD_quiesce_daemon(h->mhd);

	close_p(&fd);
	while (h->waiting != NULL) {
		struct conn *c = h->waiting;

		if (c->stream != NULL) {
			stream_cut(c);
			continue;
		}
		abandon(c);
		answer_error(&c->r, &e);
	}
	for (int i = 0; i < 8; i++) /* the answers go out; nobody is waited for */
		(void)MHD_run(h->mhd);
}

struct http *http_free(struct http *h)
{
	if (h == NULL)
		return NULL;
	h->io = sd_event_source_disable_unref(h->io);
	h->timer = sd_event_source_disable_unref(h->timer);
	h->again = sd_event_source_disable_unref(h->again);
	if (h->mhd != NULL)
		MHD_stop_daemon(h->mhd);
	free(h);
	return NULL;
}
