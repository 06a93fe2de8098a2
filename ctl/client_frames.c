/*
 * The upgraded connection of an attach: frames of bytes both ways. What is to
 * be sent waits here until the daemon takes it, so that its output is read
 * meanwhile and neither side waits for the other.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "ctl/client_private.h"

#define FRAME_HEAD 8u
#define FRAME_MAX  (8u << 20) /* bytes of one; an ended instance is one frame */

struct client_frames {
	int fd;
	bool end;
	char *in;
	size_t at, len, cap;
	char out[FRAME_HEAD + CLIENT_INPUT_MAX];
	size_t out_at, out_len;
};

static int frames_new(struct client *c, struct client_frames **ret, struct err *e)
{
	struct client_frames *s = calloc(1, sizeof(*s));
	size_t early = c->in.len - c->in.at;

	if (s == NULL || (s->in = malloc(HTTP_HEAD_MAX)) == NULL) {
		free(s);
		return err_nomem(e);
	}
	s->cap = HTTP_HEAD_MAX;
	memcpy(s->in, c->in.buf + c->in.at, early);
	s->len = early;
	s->fd = fd_take(&c->fd);
	client_drop(c);
	*ret = s;
	return 0;
}

int client_frames_open(struct client *c, const char *path, struct client_frames **ret,
		       struct err *e)
{
	if (client_upgrade(c, path, CLIENT_FRAMES_UPGRADE, e) != 0) {
		client_drop(c);
		return e->code;
	}
	return frames_new(c, ret, e);
}

struct client_frames *client_frames_free(struct client_frames *s)
{
	if (s == NULL)
		return NULL;
	close_p(&s->fd);
	free(s->in);
	free(s);
	return NULL;
}

int client_frames_fd(const struct client_frames *s)
{
	return s->fd;
}

/* ---- out ---------------------------------------------------------------- */

bool client_frames_idle(const struct client_frames *s)
{
	return s->out_at == s->out_len;
}

void client_frames_input(struct client_frames *s, const void *p, size_t n)
{
	const uint32_t len = (uint32_t)n;
	char *h = s->out;

	memset(h, 0, 4);
	for (int i = 0; i < 4; i++)
		h[4 + i] = (char)(len >> (24 - 8 * i));
	if (n > 0)
		memcpy(h + FRAME_HEAD, p, n);
	s->out_at = 0;
	s->out_len = FRAME_HEAD + n;
}

/* A daemon that hangs up is found out when its side is read. */
int client_frames_flush(struct client_frames *s, struct err *e)
{
	while (s->out_at < s->out_len) {
		ssize_t n = send(s->fd, s->out + s->out_at, s->out_len - s->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			s->out_at += (size_t)n;
		else if (errno == EAGAIN)
			return 0;
		else if (errno == EPIPE || errno == ECONNRESET)
			s->out_at = s->out_len;
		else if (errno != EINTR)
			return err_set(e, ERR_PEER, "sending input: %s", strerror(errno));
	}
	return 0;
}

/* ---- in ----------------------------------------------------------------- */

static int room_for(struct client_frames *s, size_t n, struct err *e)
{
	char *more;

	memmove(s->in, s->in + s->at, s->len - s->at);
	s->len -= s->at;
	s->at = 0;
	if (n <= s->cap)
		return 0;
	more = realloc(s->in, n);
	if (more == NULL)
		return err_nomem(e);
	s->in = more;
	s->cap = n;
	return 0;
}

/* Takes one whole frame out of the buffer; else *ret_need is its size. */
static int take_frame(struct client_frames *s, struct client_frame *ret, bool *ret_got,
		      size_t *ret_need, struct err *e)
{
	const unsigned char *h = (const unsigned char *)s->in + s->at;
	size_t have = s->len - s->at, n;

	*ret_got = false;
	*ret_need = FRAME_HEAD;
	if (have < FRAME_HEAD)
		return 0;
	n = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | h[7];
	if (h[0] < CLIENT_STDOUT || h[0] > CLIENT_EVENT || (h[1] | h[2] | h[3]) != 0)
		return err_set(e, ERR_PEER, "a frame of the daemon is of an unknown kind");
	if (n > FRAME_MAX)
		return err_set(e, ERR_PEER, "a frame of the daemon is above %u bytes", FRAME_MAX);
	*ret_need = FRAME_HEAD + n;
	if (have < FRAME_HEAD + n)
		return 0;
	*ret = (struct client_frame){ h[0], (const char *)h + FRAME_HEAD, n };
	*ret_got = true;
	s->at += FRAME_HEAD + n;
	return 0;
}

/* *ret_more is false when nothing has arrived. */
static int read_more(struct client_frames *s, bool *ret_more, struct err *e)
{
	ssize_t n;

	do
		n = recv(s->fd, s->in + s->len, s->cap - s->len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN && errno != ECONNRESET)
		return err_set(e, ERR_PEER, "reading frames: %s", strerror(errno));
	s->end = n == 0 || (n < 0 && errno == ECONNRESET);
	s->len += n > 0 ? (size_t)n : 0;
	*ret_more = n > 0 || s->end;
	return 0;
}

int client_frames_next(struct client_frames *s, struct client_frame *ret, bool *ret_got,
		       bool *ret_end, struct err *e)
{
	bool more = true;
	size_t need;

	*ret_end = false;
	for (;;) {
		if (take_frame(s, ret, ret_got, &need, e) != 0)
			return e->code;
		if (*ret_got || !more)
			return 0;
		if (s->end) {
			*ret_end = true;
			return 0;
		}
		if (room_for(s, need, e) != 0 || read_more(s, &more, e) != 0)
			return e->code;
	}
}
