/*
 * Reading HTTP/1.1 answers: heads, bodies by length, chunked or to the end.
 * The bytes come through a function, so that tests can play any daemon.
 * Nothing here connects, sends or knows what a body means.
 */
#ifndef WASMD_CTL_HTTP_H
#define WASMD_CTL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

#define HTTP_HEAD_MAX	 (16u << 10) /* bytes of an answer's head; ours are under 1 KiB */
#define HTTP_FIELDS_MAX	 100u	     /* header lines of one answer */
#define HTTP_LINE_MAX	 1024u	     /* bytes of a chunk's size line or of a trailer */
#define HTTP_INTERIM_MAX 8u	     /* 1xx answers before the real one */

struct http_head {
	int status;
	bool chunked, close, has_length;
	uint64_t length;
	char type[64];	  /* lower case, without parameters; "" when not said */
	char upgrade[32]; /* as it came; "" when not said */
};

/* Bytes of the head that @buf begins with, its blank line included; 0 while
 * that has not arrived. */
size_t http_head_size(const char *buf, size_t len);

/* Parses a whole head of @len bytes. ERR_PEER says what is wrong with it. */
MUST_CHECK int http_head_parse(const char *buf, size_t len, struct http_head *ret, struct err *e);

enum http_chunk_state {
	HTTP_CHUNK_SIZE, /* in the digits of a size */
	HTTP_CHUNK_EXT,	 /* behind them, before LF */
	HTTP_CHUNK_DATA,
	HTTP_CHUNK_DATA_CR, /* the CR behind the data */
	HTTP_CHUNK_DATA_LF,
	HTTP_CHUNK_TRAILER, /* a line behind the last chunk */
	HTTP_CHUNK_DONE,
};

struct http_chunks {
	enum http_chunk_state state;
	uint64_t left;	 /* of the chunk's data */
	unsigned digits; /* of its size, so far */
	unsigned line;	 /* bytes of the current line */
	bool cr;	 /* the byte before was CR */
};

struct http_span {
	const char *p;
	size_t n;
};

/* Takes bytes of a chunked body up to and including the next piece of data,
 * which *ret_data names in place (empty when there is none). */
MUST_CHECK int http_chunks_next(struct http_chunks *c, const char *in, size_t len, size_t *ret_used,
				struct http_span *ret_data, struct err *e);

struct http_in {
	/* Bytes read, 0 at the end, or a negative code. */
	ssize_t (*fill)(void *arg, void *buf, size_t n, struct err *e);
	void *arg;
	size_t at, len;
	char buf[HTTP_HEAD_MAX];
};

/* Reads the head of the next answer that is not an interim one. */
MUST_CHECK int http_read_head(struct http_in *in, struct http_head *ret, struct err *e);

typedef int http_sink(void *arg, const void *p, size_t n, struct err *e);

/* Reads the whole body of @h into @sink. */
MUST_CHECK int http_read_body(struct http_in *in, const struct http_head *h, http_sink *sink,
			      void *arg, struct err *e);

/* Whether the connection can carry another request after the body of @h. */
bool http_reusable(const struct http_head *h);

#endif
