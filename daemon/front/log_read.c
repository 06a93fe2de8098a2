/* Reading a log, from its beginning or its last lines: see logs.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "daemon/front/logs.h"
#include "daemon/front/text.h"
#include "daemon/slot.h"
#include "wasmd/limits.h"

#define STAMP_BYTES 25 /* a time and a blank */

struct log_reader {
	char path[LIM_PATH_BYTES];
	int fd; /* -1: not there, perhaps not yet */
	struct log_query q;
	off_t next;    /* where the next record begins */
	uint64_t skip; /* lines that come before the wanted last ones */
	bool inside;   /* a line that has had its time */
	struct log_frame head;
	size_t at; /* in the body of the record that is being read */
	char body[SLOT_OUTPUT_RECORD];
};

/* The next wanted record is in @r: false when there is none. */
static bool load(struct log_reader *r)
{
	if (r->fd < 0)
		r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
	while (pread(r->fd, &r->head, sizeof(r->head), r->next) == (ssize_t)sizeof(r->head) &&
	       r->head.len <= sizeof(r->body)) {
		off_t at = r->next + (off_t)sizeof(r->head);

		r->at = 0;
		if (pread(r->fd, r->body, r->head.len, at) != (ssize_t)r->head.len)
			break;
		r->next = at + (off_t)r->head.len;
		if (r->head.stream != 0 && r->head.time >= r->q.since &&
		    (r->q.stream == 0 || r->head.stream == r->q.stream))
			return true;
	}
	r->head.len = 0;
	r->at = 0;
	return false;
}

/* Goes past one line, or to the end of the record: true when the line ended. */
static bool pass_line(struct log_reader *r)
{
	const char *end = memchr(r->body + r->at, '\n', r->head.len - r->at);

	r->at = end != NULL ? (size_t)(end + 1 - r->body) : r->head.len;
	return end != NULL;
}

/* Counts the lines, then begins anew with all but the last ones to be skipped. */
static void find_tail(struct log_reader *r)
{
	uint64_t lines = 0;
	bool inside = false;

	while (load(r))
		while (r->at < r->head.len) {
			inside = !pass_line(r);
			lines += !inside;
		}
	lines += inside;
	r->skip = lines > (uint64_t)r->q.tail ? lines - (uint64_t)r->q.tail : 0;
	r->next = 0;
}

int log_reader_open(const char *state, const char *tenant, const char *id,
		    const struct log_query *q, struct log_reader **ret, struct err *e)
{
	struct log_reader *r = calloc(1, sizeof(*r));

	if (r == NULL || !log_path(state, tenant, id, r->path, sizeof(r->path))) {
		free(r);
		return err_nomem(e);
	}
	r->q = *q;
	r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0 && errno != ENOENT) {
		(void)err_set(e, ERR_IO, "the log of the instance: %s", strerror(errno));
		free(r);
		return e->code;
	}
	if (q->tail >= 0)
		find_tail(r);
	*ret = r;
	return 0;
}

/* Bytes of the current record that may go out at once. */
static size_t piece(const struct log_reader *r)
{
	const char *from = r->body + r->at;
	size_t left = r->head.len - r->at;
	const char *end = r->q.timestamps ? memchr(from, '\n', left) : NULL;

	return end != NULL ? (size_t)(end + 1 - from) : left;
}

static size_t put_stamp(struct log_reader *r, char *buf)
{
	char text[TIME_TEXT];

	time_text(r->head.time, text);
	memcpy(buf, text, STAMP_BYTES - 1);
	buf[STAMP_BYTES - 1] = ' ';
	r->inside = true;
	return STAMP_BYTES;
}

ssize_t log_read(struct log_reader *r, char *buf, size_t cap)
{
	size_t have = 0;

	while (have + STAMP_BYTES < cap && (r->at < r->head.len || load(r))) {
		size_t n;

		if (r->skip > 0) {
			r->skip -= pass_line(r);
			continue;
		}
		if (r->q.timestamps && !r->inside)
			have += put_stamp(r, buf + have);
		n = piece(r) < cap - have ? piece(r) : cap - have;
		memcpy(buf + have, r->body + r->at, n);
		have += n;
		r->at += n;
		r->inside = n == 0 || buf[have - 1] != '\n';
	}
	return (ssize_t)have;
}

struct log_reader *log_reader_close(struct log_reader *r)
{
	if (r != NULL)
		fd_clear(&r->fd);
	free(r);
	return NULL;
}
