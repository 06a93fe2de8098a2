#!/bin/sh
# Every fuzz target for SECONDS (60), from its corpus; what it finds is kept in
# BUILD/found/TARGET. Move a finding to tests/fuzz/corpus/TARGET once mended.
set -eu
build=$1 seconds=${2:-60} bad=0
here=$(dirname "$0")
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
for target in "$build"/tests/fuzz/fuzz_*; do
	[ -x "$target" ] && [ -f "$target" ] || continue
	name=$(basename "$target")
	mkdir -p "$build/found/$name" "$build/corpus/$name" "$here/corpus/$name"
	echo "== $name, $seconds s"
	set --
	[ -f "$here/$name.dict" ] && set -- -dict="$here/$name.dict"
	"$target" "$@" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=0 \
		-verbosity=0 -artifact_prefix="$build/found/$name/" \
		"$build/corpus/$name" "$here/corpus/$name" || bad=1
done
[ "$bad" -eq 0 ] && echo "no findings"
exit $bad
