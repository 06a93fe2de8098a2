#!/bin/sh
# Each header compiles alone, first and twice, under the compiler given.
set -eu
root=$1 cc=$2 bad=0 n=0
for h in $(cd "$root" && find include vm policy daemon ctl -name '*.h' | sort); do
	n=$((n + 1))
	printf '#include "%s"\n#include "%s"\n' "$h" "$h" |
		$cc -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-function \
			-fsyntax-only -I"$root" -I"$root/include" -x c - || {
		echo "$h does not compile alone and twice"
		bad=$((bad + 1))
	}
done
echo "$n headers, $bad that do not stand alone"
[ "$n" -gt 10 ] && [ "$bad" -eq 0 ]
