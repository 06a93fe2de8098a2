/*
 * What the halves of fuzz_messages share: an input as a script of messages,
 * and one way to send what no honest peer would. The front and priv are
 * different files, for their heads name different things alike.
 */
#ifndef TESTS_FUZZ_MESSAGES_H
#define TESTS_FUZZ_MESSAGES_H

#include "daemon/ipc.h"

#define SCRIPT_MAX 48u /* messages of one input */

struct script {
	const uint8_t *p, *end;
	unsigned n; /* messages taken */
};

/* How a message is bent. */
enum {
	BEND_FIT = 1,	/* its body is cut or grown to what its type asks for */
	BEND_BARE = 2,	/* no type: the bytes are all there is */
	BEND_FLAG = 64, /* the receiver's own */
};

struct bent {
	uint8_t to;    /* whom to, as the receiver counts */
	uint8_t n_fds; /* how many descriptors come along */
	uint8_t kind;  /* of which kind, as the receiver has them */
	uint8_t bend;
	uint8_t type;
	uint16_t len;
	const uint8_t *bytes;
	const uint8_t *more; /* bytes beyond the body that fits */
	size_t n_more;
};

/* The next message; false at the end. */
bool script_next(struct script *s, struct bent *b);
/* Sends it raw on @fd with these descriptors, past the table and its judge. */
void bent_send(int fd, const struct bent *b, const int *fds);

/* The lowest free descriptor, to see that none is lost. */
int lowest_free(void);
/* A sealed memfd, or with @seal false an open one. Traps when there is none. */
int memfd_with(const void *bytes, size_t len, bool seal);
int null_fd(void);

/* The receivers. */
void fuzz_front(struct script *s);
void fuzz_priv(struct script *s);
void fuzz_opener_answer(struct script *s);
void fuzz_start(struct script *s);
void fuzz_calls(struct script *s);

#endif
