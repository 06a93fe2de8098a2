/*
 * The glue to libmicrohttpd: connections in, requests as objects, answers
 * out. Handlers see what is here and nothing of the library.
 */
#ifndef FRONT_HTTP_H
#define FRONT_HTTP_H

#include <jansson.h>

#include "daemon/front/front.h"
#include "daemon/front/instance.h"
#include "daemon/front/module.h"
#include "daemon/front/route.h"

struct http;

/* Takes the listening socket. */
/* Serves nobody until http_serve. */
MUST_CHECK int http_new(struct front *f, int listen_fd, struct http **ret, struct err *e);
MUST_CHECK int http_serve(struct http *h, struct err *e);
/* No new connections; those that wait are told that the daemon ends. */
void http_quiesce(struct http *h);
struct http *http_free(struct http *h);

struct request {
	struct front *front;
	const struct route *route;
	struct who who;
	char ref[LIM_NAME + 80]; /* what stood for {ref} */
	struct err err;		 /* latched while the body came */
	char *body;		 /* BODY_JSON */
	size_t body_len, body_cap;
	struct upload *upload; /* BODY_MODULE */
	int stdin_fd;	       /* BODY_STDIN; -1 when the body was empty */
	struct watch watch;    /* for a handler that waits */
	/* The client went away while a handler waits; the watch is dropped already. */
	void (*gone)(struct request *r);
	void *arg;	   /* of the handler */
	struct conn *conn; /* http.c's own */
};

/* Exactly one answer per request: in the handler, or later when it waits. */
void answer_json(struct request *r, unsigned status, json_t *take);
/* @text is JSON, and is copied; NULL is memory that was short. */
void answer_json_text(struct request *r, unsigned status, const char *text);
/* @text is JSON, and is copied; NULL is memory that was short. */
void answer_json_text(struct request *r, unsigned status, const char *text);
void answer_error(struct request *r, const struct err *e);
void answer_empty(struct request *r, unsigned status);

/* A body made bit by bit. */
#define STREAM_END (-1)
struct stream_ops {
	/* Bytes put into @buf; 0: none yet, stream_wake asks again; or STREAM_END. */
	ssize_t (*read)(void *arg, char *buf, size_t max);
	void (*done)(void *arg); /* once, at the end of the request */
};
void answer_stream(struct request *r, const char *type, const struct stream_ops *ops, void *arg);
void stream_wake(struct request *r);

/* An upgraded connection. @early: bytes came before the 101 was sent. */
struct upgraded;
typedef void upgrade_fn(void *arg, int fd, bool early, struct upgraded *u);
void answer_upgrade(struct request *r, const char *protocol, upgrade_fn *begin, void *arg);
void upgraded_close(struct upgraded *u);

/* The first value of a query parameter, or NULL. */
const char *request_query(const struct request *r, const char *key);
/* It is there, and neither 0 nor false. */
bool request_flag(const struct request *r, const char *key);
/* ?since=, or @otherwise; latches the error of one that can't be read. */
int64_t request_since(const struct request *r, int64_t otherwise, struct err *e);
/* Every value of it, in order; NULL when memory is short. */
char **request_query_all(const struct request *r, const char *key);
const char *request_header(const struct request *r, const char *key);

#endif
