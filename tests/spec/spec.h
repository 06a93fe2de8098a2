/*
 * The runner's parts: manifests are read by script.c, values compared by
 * value.c, the harness's own module is in spectest.c.
 */
#ifndef SPEC_H
#define SPEC_H

#include <jansson.h>

#include "wasmd/vec.h"
#include "wasmd/vm.h"

/* How many assertions went which way. */
struct tally {
	unsigned passed, failed, skipped;
};

/* Skipped assertions by the feature they need. */
struct skips {
	struct {
		char name[48];
		unsigned n;
	} at[64];
	unsigned len;
};

struct spec_module {
	void *bytes; /* borrowed by the code */
	struct vm_code *code;
	char feature[48]; /* why it is not there; "": it is, or it is broken */
};

struct spec_instance {
	struct vm_instance *in; /* NULL: see feature */
	char feature[48];
	char name[64];	     /* "$M1" of the script, or "" */
	char registered[64]; /* or "" */
};

/* One manifest being run. */
struct script {
	const char *dir, *name; /* directory with a slash; "core/i32" */
	struct vm_store *st;
	VEC(struct spec_module) modules;
	VEC(struct spec_instance) instances;
	struct spec_module *defined; /* the last module_definition */
	struct vm_extern spectest[16];
	struct tally tally;
	struct skips *skips;
	long line;
};

/* value.c: false when the value is of a type that is not known here, which
 * *ret_feature then names. */
bool value_parse(const json_t *v, union vm_value *ret, const char **ret_feature);
bool value_fits(const json_t *want, union vm_value got, uint8_t type);
void value_print(union vm_value v, uint8_t type, char *buf, size_t size);

/* spectest.c */
int spectest_make(struct script *s, struct err *e);
int spectest_resolve(void *script, const struct vm_import *imp, struct vm_extern *ret,
		     struct err *e);

/* script.c */
void script_run(const char *dir, const char *name, const char *base, struct tally *tally,
		struct skips *skips);
void skip_count(struct skips *s, const char *name, unsigned n);

#endif
