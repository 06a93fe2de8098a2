/*
 * Asking priv: every request has a number, and its answer finds the caller.
 */
#ifndef FRONT_PRIVCHAN_H
#define FRONT_PRIVCHAN_H

#include "daemon/front/front.h"

struct priv_call;

/* @fd is the descriptor that came (taken by whoever sets *fd to -1), or -1;
 * @e is NULL when priv did what was asked. Called once, never from priv_ask. */
typedef void priv_fn(void *arg, int *fd, int64_t pid, const struct err *e);

MUST_CHECK int privchan_new(struct front *f, int fd, struct err *e);
struct privchan *privchan_free(struct privchan *p);
/* Priv has said which fences stand and what it has found. */
bool privchan_told(const struct privchan *p);

/* @client is the connection of who asks, @module a sealed memfd. */
MUST_CHECK int priv_zygote(struct privchan *p, const char *tenant, const uint8_t *digest,
			   int client, int module, priv_fn *done, void *arg, struct priv_call **ret,
			   struct err *e);
/* @host NULL: a fresh tmpfs of @tmpfs bytes. */
MUST_CHECK int priv_mount(struct privchan *p, const char *tenant, const char *host, uint64_t tmpfs,
			  bool write, int client, priv_fn *done, void *arg, struct priv_call **ret,
			  struct err *e);
/* The zygote and its instances are killed, whatever they do. */
void priv_end(struct privchan *p, int64_t pid);
/* From now on the front's death is no failed start. */
void priv_serving(struct privchan *p);
/* The answer will be dropped, its descriptor closed. NULL is fine. */
void priv_forget(struct priv_call *c);

#endif
