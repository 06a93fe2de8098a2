/*
 * What instances say: kept as framed records in a file per instance, or
 * gathered in memory for one answer. Bounded; the beginning is kept.
 */
#ifndef FRONT_LOGS_H
#define FRONT_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

/* A record in a log file: this, then @len bytes. Stream 0: the log was full. */
struct log_frame {
	int64_t time;
	uint32_t stream, len;
};

struct log;

MUST_CHECK int log_open(const char *state, const char *tenant, const char *id, struct log **ret,
			struct err *e);
void log_put(struct log *l, uint32_t stream, const void *bytes, size_t len);
/* Where its end would be after @len bytes more; 0 bytes: where it is. */
uint64_t log_end(const struct log *l, size_t len);
struct log *log_close(struct log *l);
uint64_t log_size(const char *state, const char *tenant, const char *id); /* bytes of its file */
void log_remove(const char *state, const char *tenant, const char *id);

/* STATE/logs/TENANT/ID.log; false when it does not fit. Names were checked. */
bool log_path(const char *state, const char *tenant, const char *id, char *ret, size_t size);

/* What of a log is wanted, and how. */
struct log_query {
	uint32_t stream; /* 1, 2, or 0 for both */
	int64_t since;	 /* ns since 1970 */
	int64_t tail;	 /* last lines only; -1: all */
	bool timestamps; /* before each line */
};

struct log_reader;

/* An instance without a log reads as empty. */
MUST_CHECK int log_reader_open(const char *state, const char *tenant, const char *id,
			       const struct log_query *q, struct log_reader **ret, struct err *e);
/* Bytes put into @buf; 0 at the end, which may be another one later. */
ssize_t log_read(struct log_reader *r, char *buf, size_t cap);
struct log_reader *log_reader_close(struct log_reader *r);

/* Standard output and error of one run, at most LIM_RUN_OUTPUT together. */
struct gather {
	char *bytes[2];
	size_t len[2], cap[2];
	bool truncated;
};

MUST_CHECK int gather_new(struct gather **ret, struct err *e);
struct gather *gather_free(struct gather *g);
void gather_put(struct gather *g, uint32_t stream, const void *bytes, size_t len);

#endif
