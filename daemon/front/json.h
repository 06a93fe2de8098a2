/*
 * Objects to JSON and back. Whatever a guest or client supplied is escaped on
 * the way out; on the way in unknown fields are refused, the nearest named.
 */
#ifndef FRONT_JSON_H
#define FRONT_JSON_H

#include <jansson.h>

#include "daemon/front/instance.h"
#include "daemon/front/logs.h"
#include "daemon/front/module.h"
#include "daemon/front/store.h"

/* @key is ours and plain; takes @take, also when it can't be put. */
static inline void json_put(json_t *o, const char *key, json_t *take)
{
	(void)json_object_set_new_nocheck(o, key, take);
}

/* A string that is always valid: what can't be shown becomes \xNN. */
json_t *json_text(const char *s);
/* The same for bytes, with "<key>_base64" added when something was escaped. */
void json_put_bytes(json_t *o, const char *key, const void *bytes, size_t len);
json_t *json_digest(const uint8_t *digest);
json_t *json_time(int64_t ns); /* null for 0 */

json_t *json_error(const struct err *e);
json_t *json_module(struct front *f, const char *tenant, const struct store_module *m);
json_t *json_instance(const struct instance *i);
/* The same as text, kept with the instance until it changes; NULL when memory is short. */
const char *json_instance_text(struct instance *i);
json_t *json_exit(const struct instance *i); /* null until it has ended */
json_t *json_denial(const struct denial *d);
/* stdout and stderr of a run, into its instance. */
void json_put_output(json_t *o, const struct gather *g);

/* What the store keeps of an instance, and back. */
char *json_spec_write(const struct instance *i);
char *json_outcome_write(const struct instance *i);
MUST_CHECK int json_instance_read(const struct store_instance *row, struct instance *ret,
				  struct err *e);

/* A body that is one JSON object, or NULL with the place of what is wrong. */
json_t *json_body_read(const char *text, size_t len, struct err *e);

/* Body of POST /v1/instances. Strings point into @doc or are owned by *ret. */
struct create_request {
	json_t *doc;
	const char *module, *name, *policy; /* name "", policy NULL when not given */
	char **args, **env;		    /* env: "NAME=value" */
	struct restart restart;
	bool stdin_open, reactor;
};

MUST_CHECK int json_create_read(const char *text, size_t len, struct create_request *ret,
				struct err *e);
void create_request_done(struct create_request *r);

#endif
