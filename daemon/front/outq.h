/*
 * Bytes on their way to a client that reads when it likes. Bounded: a client
 * that does not read loses what comes, then its connection.
 */
#ifndef FRONT_OUTQ_H
#define FRONT_OUTQ_H

#include <stdbool.h>
#include <stddef.h>

struct outq {
	char *bytes;
	size_t at, end, cap; /* what waits stands from at to end */
};

/* false when that would be more than @most, or memory is short. */
bool outq_put(struct outq *q, const void *bytes, size_t len, size_t most);
/* Sends what the socket takes; false when it is broken. */
bool outq_flush(struct outq *q, int fd);
void outq_done(struct outq *q);

static inline size_t outq_len(const struct outq *q)
{
	return q->end - q->at;
}

#endif
