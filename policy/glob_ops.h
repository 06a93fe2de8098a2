/* The operations of a glob's automaton: between glob.c and glob_match.c. */
#ifndef POLICY_GLOB_OPS_H
#define POLICY_GLOB_OPS_H

enum glob_kind {
	GLOB_MATCH,
	GLOB_FAIL,
	GLOB_BYTE,	/* this byte */
	GLOB_ANY,	/* any byte */
	GLOB_NOT_SLASH, /* any byte but '/' */
	GLOB_CLASS,	/* a byte of class arg */
	GLOB_FORK,	/* both the next operation and arg */
	GLOB_JUMP,	/* arg */
	GLOB_KINDS,
};

#endif
