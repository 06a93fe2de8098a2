/*
 * What a policy program may ask of its host: one function per row of
 * helpers.def. Each checks its arguments; none makes a system call.
 */
#include "policy/glob.h"
#include "policy/prog.h"

/* The object and glob named by the arguments, or NULL: a bad argument. */
static const struct gate_obj *object_of(const struct helper_env *env, const uint64_t args[5])
{
	if (args[0] != (uintptr_t)env->req || args[1] >= ARRAY_LEN(env->req->obj) ||
	    args[2] >= env->n_globs)
		return NULL;
	return &env->req->obj[args[1]];
}

static bool has_path(const struct gate_obj *o)
{
	return o->class != GATE_CLASS_NONE && o->path_len != 0;
}

static bool help_path_match(const struct helper_env *env, const uint64_t args[5], uint64_t *ret)
{
	const struct gate_obj *o = object_of(env, args);

	if (o == NULL)
		return false;
	*ret = has_path(o) && glob_match(&env->globs[args[2]], o->path, o->path_len);
	return true;
}

/* Is the object above, or itself, something that the glob names? */
static bool help_path_above(const struct helper_env *env, const uint64_t args[5], uint64_t *ret)
{
	const struct gate_obj *o = object_of(env, args);

	if (o == NULL)
		return false;
	*ret = has_path(o) && glob_above(&env->globs[args[2]], o->path, o->path_len);
	return true;
}

struct helper_info helper_info(int32_t id)
{
	switch (id) {
#define HELPER(num, name, args, ret) \
	case num:                    \
		return (struct helper_info){ #name, args, help_##name };
		POLICY_HELPERS(HELPER)
#undef HELPER
	default:
		return (struct helper_info){ 0 };
	}
}
