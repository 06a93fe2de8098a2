/*
 * Where a body ends, and for whom it is, is said once in a head, and plainly
 * (RFC 9112, section 11.2). What is said twice is refused, whatever it says.
 */
#ifndef FRONT_FRAMING_H
#define FRONT_FRAMING_H

#include <microhttpd.h>

#include "wasmd/cleanup.h"
#include "wasmd/err.h"

/* @version is the request line's. ERR_USAGE: the connection must end. */
MUST_CHECK int framing_check(struct MHD_Connection *mhd, const char *version, struct err *e);

#endif
