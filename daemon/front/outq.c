/* Bytes on their way to a client: see outq.h. */
#include "daemon/front/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool outq_put(struct outq *q, const void *bytes, size_t len, size_t most)
{
	if (outq_len(q) + len > most)
		return false;
	if (q->at > 0) {
		memmove(q->bytes, q->bytes + q->at, outq_len(q));
		q->end -= q->at;
		q->at = 0;
	}
	if (q->end + len > q->cap) {
		size_t cap = (q->end + len) * 2;
		char *p = realloc(q->bytes, cap);

		if (p == NULL)
			return false;
		q->bytes = p;
		q->cap = cap;
	}
	memcpy(q->bytes + q->end, bytes, len);
	q->end += len;
	return true;
}

bool outq_flush(struct outq *q, int fd)
{
	while (outq_len(q) > 0) {
		ssize_t n = send(fd, q->bytes + q->at, outq_len(q), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		q->at += (size_t)n;
	}
	return true;
}

void outq_done(struct outq *q)
{
	free(q->bytes);
	*q = (struct outq){ 0 };
}
