/*
 * Fences that can be switched off, for the attacks of tests/attacks alone.
 * Only a build with -Dattack=true has the switch, and meson makes no release
 * build of it; everywhere else attack_off() is the constant false.
 *
 * The switch is an environment variable with the names of the fences that are
 * off, commas between. A name that is not known ends the process.
 */
#ifndef WASMD_ATTACK_H
#define WASMD_ATTACK_H

#include <stdbool.h>

/* FENCE(id, "name"): each is asked for where it stands, once. */
/* clang-format off */
#define ATTACK_FENCES(FENCE)                                                            \
	FENCE(WASI,         "wasi")         /* rights, the walk of a path, kinds of files */ \
	FENCE(POLICY,       "policy")       /* the gate's judgement */                       \
	FENCE(MOUNTS,       "mounts")       /* detached mounts, and the empty root */        \
	FENCE(LANDLOCK,     "landlock")                                                      \
	FENCE(SECCOMP,      "seccomp")                                                       \
	FENCE(CAPABILITIES, "capabilities")                                                  \
	FENCE(LIMITS,       "limits")
/* clang-format on */

enum attack_fence {
	ATTACK_NOTHING, /* a step that is no fence */
#define FENCE(id, name) ATTACK_##id,
	ATTACK_FENCES(FENCE)
#undef FENCE
		ATTACK_COUNT,
};

#ifdef WASMD_ATTACK
#ifdef NDEBUG
#error "fences that can be switched off have no place in a release"
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTACK_BUILD 1
#define ATTACK_ENV   "WASMD_ATTACK_OFF"

static inline enum attack_fence attack_named(const char *name, size_t n)
{
	static const char *const names[] = {
#define FENCE(id, name) [ATTACK_##id] = (name),
		ATTACK_FENCES(FENCE)
#undef FENCE
	};

	for (unsigned i = 1; i < ATTACK_COUNT; i++)
		if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
			return (enum attack_fence)i;
	(void)fprintf(stderr, ATTACK_ENV ": there is no fence \"%.*s\"\n", (int)n, name);
	abort();
}

static inline bool attack_off(enum attack_fence f)
{
	static unsigned off;
	const char *s = off == 0 ? getenv(ATTACK_ENV) : NULL;

	for (off |= 1; s != NULL && *s != '\0'; s += strspn(s, ",")) {
		size_t n = strcspn(s, ",");

		off |= 1u << attack_named(s, n);
		s += n;
	}
	return f != ATTACK_NOTHING && (off >> f & 1) != 0;
}

/* The variable for the environment of a child, or NULL. */
static inline const char *attack_env(void)
{
	static char line[160];
	const char *s = getenv(ATTACK_ENV);

	(void)snprintf(line, sizeof(line), "%s=%s", ATTACK_ENV, s != NULL ? s : "");
	return s != NULL ? line : NULL;
}

static inline void attack_warn(void)
{
	const char *s = getenv(ATTACK_ENV);

	(void)fprintf(stderr, "wasmd: a test build, for attacks alone; fences off: %s\n",
		      s != NULL ? s : "none");
}
#else
#define ATTACK_BUILD 0

static inline bool attack_off(enum attack_fence f)
{
	(void)f;
	return false;
}

static inline const char *attack_env(void)
{
	return 0;
}

static inline void attack_warn(void)
{
}
#endif

#endif
