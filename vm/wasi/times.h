/*
 * The times that the two set_times calls take.
 */
#ifndef WASI_TIMES_H
#define WASI_TIMES_H

#include <time.h>

#include "vm/wasi/wasi_priv.h"

/* For utimensat; EINVAL when @flags (FST_*) contradict themselves. */
enum werr times_of(uint64_t atim, uint64_t mtim, uint64_t flags, struct timespec ts[2]);

#endif
