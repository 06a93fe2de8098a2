/*
 * The built-in policy: what an instance gets that names none. Arguments,
 * standard streams, clocks, random, modest limits; no files, no network.
 */
#include "wasmd/policy.h"

/* clang-format off */
static const char minimal[] =
	"{\n"
	"  \"name\": \"minimal\",\n"
	"  \"mode\": \"enforce\",\n"
	"  \"isolation\": { \"require\": [\"seccomp\", \"landlock\", \"namespaces\", \"rlimits\"] },\n"
	"  \"limits\": { \"memory\": \"256MiB\", \"fuel\": 1000000000000, \"cpu\": \"5m\", \"wall\": \"10m\",\n"
	"              \"stack\": \"1MiB\", \"fds\": 64, \"output\": \"64MiB\", \"host_calls\": 100000000 },\n"
	"  \"args\": true,\n"
	"  \"random\": true,\n"
	"  \"default\": \"granted\"\n"
	"}\n";
/* clang-format on */

const char *policy_minimal(void)
{
	return minimal;
}
