/*
 * libwasmd: a client of the daemon, in C. It connects to the socket, sends
 * requests of docs/api.md and hands back status and JSON; an upgraded start
 * passes three descriptors and then reads events. One connection per struct
 * client, kept alive; not for use by two threads at once. What the daemon
 * answers is checked like any stranger's bytes. It never prints or exits.
 */
#ifndef WASMD_CLIENT_H
#define WASMD_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "wasmd/api.h"
#include "wasmd/cleanup.h"
#include "wasmd/err.h"

struct client;
struct client_stream;
struct client_frames;

struct client_options {
	const char *socket;  /* NULL: $WASMD_SOCKET, then the user's own, then the system's */
	const char *tenant;  /* NULL: the caller's default tenant */
	unsigned timeout_ms; /* without a byte moving; 0: wait for ever */
};

/* Finds the socket and connects. ERR_PEER: nobody listens; ERR_PERM: the
 * caller may not connect. Both name the path and the remedy. */
MUST_CHECK int client_new(const struct client_options *o, struct client **ret, struct err *e);
struct client *client_free(struct client *c);

/* The path of the socket in use; lives as long as @c. */
const char *client_socket(const struct client *c);

/* After a failed request: nobody listened, or the connection ended before the
 * whole answer had come. A daemon that is started anew can be asked again. */
bool client_lost(const struct client *c);

/* From now on; 0: wait for ever. */
void client_set_timeout(struct client *c, unsigned timeout_ms);

/* Takes the next bytes of a body; 0, or an error that ends the request. */
typedef int client_sink(void *arg, const void *p, size_t n, struct err *e);

struct client_request {
	const char *method, *path; /* the path with its query, already escaped */
	const char *type;	   /* content type of the body; NULL: JSON */
	const void *body;	   /* sent when @stream is false; may be NULL */
	size_t body_len;
	bool stream; /* the body is all that can be read from @body_fd */
	int body_fd;
	client_sink *sink; /* takes the body of a good answer; NULL: it is JSON */
	void *sink_arg;
};

struct client_reply {
	int status;   /* HTTP's, below 400 */
	json_t *json; /* owned by the caller; NULL without a body or with a sink */
};

/* Sends @rq and reads its answer. A status of 400 and above becomes an error
 * with the daemon's own code, message and hint. */
MUST_CHECK int client_call(struct client *c, const struct client_request *rq,
			   struct client_reply *ret, struct err *e);

/* Sends @rq only; the answer is left unread. @c can only be freed afterwards. */
MUST_CHECK int client_send(struct client *c, const struct client_request *rq, struct err *e);

/* Short forms: no body, or the JSON @body (borrowed, may be NULL). *ret_json
 * (where ret_json is not NULL) is the caller's to json_decref. */
MUST_CHECK int client_get(struct client *c, const char *path, json_t **ret_json, struct err *e);
MUST_CHECK int client_post(struct client *c, const char *path, const json_t *body,
			   json_t **ret_json, struct err *e);
MUST_CHECK int client_delete(struct client *c, const char *path, struct err *e);

/* Makes @e the error that {"error": {...}}, or its inner object, tells of; HTTP
 * @status stands in when it tells nothing. Returns the code. */
int client_error(const json_t *error, int status, struct err *e);

/* @s percent-encoded for a path segment or a query value, to be freed; NULL
 * when memory is short. */
char *client_escape(const char *s);

/* Asks @path to upgrade and passes @fds (standard input, output, error) when
 * the daemon has agreed. The connection leaves @c, which connects anew when
 * it is used again. Freeing the stream before its end kills the instance. */
MUST_CHECK int client_attach(struct client *c, const char *path, const int fds[3],
			     struct client_stream **ret, struct err *e);
struct client_stream *client_stream_free(struct client_stream *s);

/* For poll(2): readable means that client_stream_next has something to do. */
int client_stream_fd(const struct client_stream *s);

/* The next event that has arrived, without blocking: *ret is NULL when there
 * is none yet and *ret_end tells whether any can still come. */
MUST_CHECK int client_stream_next(struct client_stream *s, json_t **ret, bool *ret_end,
				  struct err *e);

/* A running instance's input and output as frames; it goes on when the
 * connection ends. */
#define CLIENT_FRAMES_UPGRADE "wasmd-stream"
#define CLIENT_INPUT_MAX      (32u << 10) /* bytes of standard input in one frame */

enum client_frame_kind { CLIENT_STDIN, CLIENT_STDOUT, CLIENT_STDERR, CLIENT_EVENT };

struct client_frame {
	enum client_frame_kind kind;
	const char *p; /* until the next call */
	size_t n;
};

/* Asks @path to upgrade. The connection leaves @c, as with client_attach. */
MUST_CHECK int client_frames_open(struct client *c, const char *path, struct client_frames **ret,
				  struct err *e);
struct client_frames *client_frames_free(struct client_frames *s);
int client_frames_fd(const struct client_frames *s);

/* The next frame that has arrived, without blocking: *ret_got is false when
 * there is none yet and *ret_end tells whether any can still come. */
MUST_CHECK int client_frames_next(struct client_frames *s, struct client_frame *ret, bool *ret_got,
				  bool *ret_end, struct err *e);

/* Whether all input was sent; only then may more be given. */
bool client_frames_idle(const struct client_frames *s);
/* Up to CLIENT_INPUT_MAX bytes of standard input; none close it. */
void client_frames_input(struct client_frames *s, const void *p, size_t n);
/* Sends what can be sent without blocking. */
MUST_CHECK int client_frames_flush(struct client_frames *s, struct err *e);

#endif
