/*
 * The upgraded connection of a foreground start: three descriptors go out,
 * lines of JSON come in.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "ctl/client_private.h"

#define EVENT_MAX (8u << 20) /* bytes of one event; an instance's arguments are in it */

struct client_stream {
	int fd;
	bool end; /* the daemon has closed its side */
	char *buf;
	size_t at, len, cap;
};

/* The daemon reads the byte and its descriptors in one recvmsg. */
static int pass_descriptors(const struct client *c, const int fds[3], struct err *e)
{
	union {
		char space[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char byte = 'F';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.space,
			    .msg_controllen = sizeof(control.space) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	short got;

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(3 * sizeof(int));
	memcpy(CMSG_DATA(h), fds, 3 * sizeof(int));
	while (sendmsg(c->fd, &m, MSG_NOSIGNAL) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return err_set(e, ERR_PEER, "passing the standard streams: %s",
				       strerror(errno));
		if (client_wait(c->fd, POLLOUT, c->timeout_ms, &got, e) != 0)
			return e->code;
	}
	return 0;
}

/* What was read behind the 101 already belongs to the stream. */
static int stream_new(struct client *c, struct client_stream **ret, struct err *e)
{
	struct client_stream *s = calloc(1, sizeof(*s));
	size_t early = c->in.len - c->in.at;

	if (s == NULL || (s->buf = malloc(HTTP_HEAD_MAX)) == NULL) {
		free(s);
		return err_nomem(e);
	}
	s->cap = HTTP_HEAD_MAX;
	memcpy(s->buf, c->in.buf + c->in.at, early);
	s->len = early;
	s->fd = fd_take(&c->fd);
	client_drop(c);
	*ret = s;
	return 0;
}

int client_upgrade(struct client *c, const char *path, const char *protocol, struct err *e)
{
	char extra[96];
	struct client_request rq = { .method = "POST", .path = path };
	struct http_head h;

	(void)snprintf(extra, sizeof(extra), "Connection: Upgrade\r\nUpgrade: %s\r\n", protocol);
	if (client_put(c, &rq, extra, e) != 0 || http_read_head(&c->in, &h, e) != 0)
		return e->code;
	if (h.status >= 400)
		return client_refusal(c, &h, e);
	if (h.status != 101 || strcasecmp(h.upgrade, protocol) != 0)
		return err_set(e, ERR_PEER, "the daemon does not speak %s here (status %d)",
			       protocol, h.status);
	return 0;
}

int client_attach(struct client *c, const char *path, const int fds[3], struct client_stream **ret,
		  struct err *e)
{
	if (client_upgrade(c, path, WASMD_UPGRADE, e) != 0 || pass_descriptors(c, fds, e) != 0) {
		client_drop(c);
		return e->code;
	}
	return stream_new(c, ret, e);
}

struct client_stream *client_stream_free(struct client_stream *s)
{
	if (s == NULL)
		return NULL;
	close_p(&s->fd);
	free(s->buf);
	free(s);
	return NULL;
}

int client_stream_fd(const struct client_stream *s)
{
	return s->fd;
}

static int make_room(struct client_stream *s, struct err *e)
{
	char *more;

	memmove(s->buf, s->buf + s->at, s->len - s->at);
	s->len -= s->at;
	s->at = 0;
	if (s->len < s->cap)
		return 0;
	if (s->cap >= EVENT_MAX)
		return err_set(e, ERR_PEER, "an event of the daemon is above %u bytes", EVENT_MAX);
	more = realloc(s->buf, s->cap * 2);
	if (more == NULL)
		return err_nomem(e);
	s->buf = more;
	s->cap *= 2;
	return 0;
}

/* Reads what has arrived; *ret_more is false when there was nothing. */
static int read_more(struct client_stream *s, bool *ret_more, struct err *e)
{
	ssize_t n;

	if (make_room(s, e) != 0)
		return e->code;
	do
		n = recv(s->fd, s->buf + s->len, s->cap - s->len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN && errno != ECONNRESET)
		return err_set(e, ERR_PEER, "reading events: %s", strerror(errno));
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		s->end = true;
	*ret_more = n > 0;
	s->len += n > 0 ? (size_t)n : 0;
	return 0;
}

/* Takes one whole line out of the buffer; NULL when there is none. */
static int take_event(struct client_stream *s, json_t **ret, struct err *e)
{
	const char *line = s->buf + s->at, *end = memchr(line, '\n', s->len - s->at);
	json_error_t why;
	json_t *event;

	if (end == NULL)
		return 0;
	event = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, &why);
	s->at += (size_t)(end - line) + 1;
	if (!json_is_object(event)) {
		json_decref(event);
		return err_set(e, ERR_PEER, "an event of the daemon is not JSON");
	}
	*ret = event;
	return 0;
}

int client_stream_next(struct client_stream *s, json_t **ret, bool *ret_end, struct err *e)
{
	bool more = true;

	*ret = NULL;
	*ret_end = false;
	for (;;) {
		if (take_event(s, ret, e) != 0)
			return e->code;
		if (*ret != NULL || !more)
			return 0;
		if (s->end) {
			*ret_end = true;
			return 0;
		}
		if (read_more(s, &more, e) != 0)
			return e->code;
		more = more || s->end;
	}
}
