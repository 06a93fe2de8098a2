/*
 * Values of a manifest: unsigned decimals, floats as bit patterns.
 */
#include "spec.h"

#define EXTERN_TAG 1u /* an externref N is the pointer N + 1: never null */

static const char *text_of(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s != NULL ? s : "";
}

bool value_parse(const json_t *v, union vm_value *ret, const char **ret_feature)
{
	const char *type = text_of(v, "type"), *text = text_of(v, "value");

	ret->bits = 0;
	if (strcmp(type, "i32") == 0 || strcmp(type, "f32") == 0) {
		ret->i32 = (uint32_t)strtoull(text, NULL, 10);
	} else if (strcmp(type, "i64") == 0 || strcmp(type, "f64") == 0) {
		ret->bits = strtoull(text, NULL, 10);
	} else if (strcmp(type, "externref") == 0 || strcmp(type, "funcref") == 0) {
		if (strcmp(text, "null") != 0)
			ret->bits = strtoull(text, NULL, 10) + EXTERN_TAG;
	} else {
		*ret_feature = type;
		return false;
	}
	return true;
}

static bool nan32_fits(const char *want, uint32_t bits)
{
	if (strcmp(want, "nan:canonical") == 0)
		return (bits & 0x7fffffff) == 0x7fc00000;
	return (bits & 0x7fc00000) == 0x7fc00000;
}

static bool nan64_fits(const char *want, uint64_t bits)
{
	if (strcmp(want, "nan:canonical") == 0)
		return (bits & INT64_MAX) == 0x7ff8000000000000;
	return (bits & 0x7ff8000000000000) == 0x7ff8000000000000;
}

static bool number_fits(const char *want, union vm_value got, uint8_t type)
{
	bool nan = strncmp(want, "nan:", 4) == 0;

	if (type == VM_I32 || type == VM_F32)
		return nan ? nan32_fits(want, got.i32)
			   : got.i32 == (uint32_t)strtoull(want, NULL, 10);
	return nan ? nan64_fits(want, got.bits) : got.bits == strtoull(want, NULL, 10);
}

/* A reference with no value given must only not be null. */
static bool ref_fits(const char *type, const char *want, union vm_value got)
{
	if (strcmp(type, "refnull") == 0 || strcmp(want, "null") == 0)
		return got.bits == 0;
	if (*want == '\0')
		return got.bits != 0;
	return got.bits == strtoull(want, NULL, 10) + EXTERN_TAG;
}

bool value_fits(const json_t *want, union vm_value got, uint8_t type)
{
	const char *kind = text_of(want, "type");
	const json_t *one;
	size_t i;

	if (strcmp(kind, "either") == 0) {
		json_array_foreach(json_object_get(want, "values"), i,
				   one) if (value_fits(one, got, type)) return true;
		return false;
	}
	if (type == VM_FUNCREF || type == VM_EXTERNREF)
		return ref_fits(kind, text_of(want, "value"), got);
	return number_fits(text_of(want, "value"), got, type);
}

void value_print(union vm_value v, uint8_t type, char *buf, size_t size)
{
	switch (type) {
	case VM_I32:
		(void)snprintf(buf, size, "i32 %u", v.i32);
		break;
	case VM_I64:
		(void)snprintf(buf, size, "i64 %llu", (unsigned long long)v.i64);
		break;
	case VM_F32:
		(void)snprintf(buf, size, "f32 %g (0x%x)", (double)v.f32, v.i32);
		break;
	case VM_F64:
		(void)snprintf(buf, size, "f64 %g (0x%llx)", v.f64, (unsigned long long)v.i64);
		break;
	default:
		(void)snprintf(buf, size, "ref %p", v.ref);
	}
}
