/*
 * Policies that a zygote has verified before, so that its children need not:
 * they inherit them. A policy is known by its bytes, all of them.
 */
#ifndef DAEMON_LOCKED_KNOWN_H
#define DAEMON_LOCKED_KNOWN_H

#include <stdint.h>

#include "wasmd/policy.h"

#define KNOWN_POLICIES 4u

struct known {
	struct {
		void *image; /* NULL: free */
		size_t len;
		struct policy_judge *judge; /* borrows the image */
	} at[KNOWN_POLICIES];
	uint32_t next; /* to be forgotten for another */
};

/* The judge of the image in @fd, @len bytes long and sealed; NULL: not known. */
struct policy_judge *known_find(const struct known *k, int fd, size_t len);

/* Makes the image in @fd known, if it is sealed and verifies. */
void known_learn(struct known *k, int fd);

#endif
