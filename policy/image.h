/*
 * The image: everything a worker needs to know of its policy, as bytes
 * without pointers. One head, then sections that it locates. Written by
 * image.c in the front; read as hostile input by judge.c in the worker.
 */
#ifndef POLICY_IMAGE_H
#define POLICY_IMAGE_H

#include <stdint.h>

#include "wasmd/policy.h"

#define IMAGE_MAGIC   UINT64_C(0x4c4f50444d534157) /* "WASMDPOL" */
#define IMAGE_VERSION 2u

#define IMAGE_RANDOM 1u
#define IMAGE_PATHS  2u
#define IMAGE_FLAGS  (IMAGE_RANDOM | IMAGE_PATHS)

/* Bytes [at, at + len) of the image. */
struct image_part {
	uint32_t at, len;
};

struct image_mount {
	uint64_t landlock;
	struct image_part guest; /* NUL included */
	struct image_part only;	 /* struct image_part, one per glob; none: everything */
	uint32_t write, tmpfs;
};

struct image_head {
	uint64_t magic;
	uint32_t version, len; /* of the whole image */
	uint32_t flags, require;
	uint32_t n_rules, pad;
	uint64_t refused, landlock_handled, clock_resolution;
	struct policy_limits limits;
	struct image_part prog;	  /* struct insn */
	struct image_part filter; /* struct sock_filter */
	struct image_part globs;  /* struct image_part, one per glob */
	struct image_part mounts; /* struct image_mount */
};
_Static_assert(sizeof(struct image_head) % 8 == 0, "sections are aligned after it");

#endif
