/* What client.c and client_stream.c share. */
#ifndef WASMD_CTL_CLIENT_PRIVATE_H
#define WASMD_CTL_CLIENT_PRIVATE_H

#include <sys/un.h>

#include "ctl/http.h"
#include "wasmd/client.h"

#define CLIENT_JSON_MAX (64u << 20) /* of one JSON answer: a list of many instances */
#define CLIENT_HEAD_MAX (64u << 10) /* of one request: its path holds what /v1/run takes */

struct client {
	int fd;	   /* -1: connects when it is next used */
	bool lost; /* the connection could not be made, or ended early */
	unsigned timeout_ms;
	char *tenant;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct http_in in;
};

/* Connects if need be, and sends the head and body of @rq. */
MUST_CHECK int client_put(struct client *c, const struct client_request *rq, const char *extra,
			  struct err *e);

/* Waits until @events of @fd are ready. ERR_TIMEOUT, ERR_IO. */
MUST_CHECK int client_wait(int fd, short events, unsigned timeout_ms, short *ret_events,
			   struct err *e);

/* Drops the connection; the next request makes another. */
void client_drop(struct client *c);

/* Asks for @protocol on @path and reads the 101; what came behind it is in c->in. */
MUST_CHECK int client_upgrade(struct client *c, const char *path, const char *protocol,
			      struct err *e);

/* Reads the body of a refusal and makes it the error. */
int client_refusal(struct client *c, const struct http_head *h, struct err *e);

#endif
