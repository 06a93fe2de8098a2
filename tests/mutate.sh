#!/bin/sh
# mutate.sh BUILD [FILE..]: takes one enforcing line at a time out of a copy of
# the tree (policy/lower_gate.c, policy/judge.c), builds it and runs the policy's
# tests. Prints the lines that no test notices; exits 1 when there are any. Slow,
# and not part of any suite. BUILD is configured for the copy when it is new.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1
shift
[ $# -gt 0 ] || set -- policy/lower_gate.c policy/judge.c
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git -C "$root" ls-files -z | (cd "$root" && xargs -0 cp --parents -t "$copy")
[ -f "$build/build.ninja" ] && { echo "$build: name a folder that is not there yet" >&2; exit 2; }
CC=${CC:-clang-19} meson setup "$build" "$copy" -Dwerror=false \
	-Db_sanitize=address,undefined -Dfaults=true >/dev/null

unit="policy policy-image policy-model policy-bpf policy-glob policy-seccomp"
targets="tests/policy/run-policy tests/policy/run-bpf"
for t in $unit; do targets="$targets tests/unit/test-$t"; done

# shellcheck disable=SC2086 # lists of words
builds() { ninja -C "$build" $targets >/dev/null 2>&1; }

# shellcheck disable=SC2086
green() {
	timeout 120 meson test -C "$build" --no-rebuild $unit >/dev/null 2>&1 &&
		timeout 120 meson test -C "$build" --no-rebuild --suite policy >/dev/null 2>&1
}

# Conditions that refuse, returns of refusals, and calls that emit a check.
lines() {
	grep -nE '^	+(if \(.*\)$|return .*(bad|err_set|false|broken|NEVER)|emit_exit\(|match_|land\()' \
		"$1" | cut -d: -f1
}

builds && green || { echo "the tests fail before anything is taken out" >&2; exit 2; }
survivors=0 tried=0
for f; do
	for n in $(lines "$f"); do
		# A condition is made never true with what hangs on it; others go.
		sed -E "${n}s/^(	+)if \(.*/\1if (0)/; ${n}{/if \(0\)/!s/.*/;/}" "$root/$f" >"$copy/$f"
		builds || continue # the compiler misses it
		tried=$((tried + 1))
		if green; then
			survivors=$((survivors + 1))
			echo "$f:$n: $(sed -n "${n}p" "$root/$f" | sed 's/^	*//')"
		fi
	done
	cp "$root/$f" "$copy/$f"
done
echo "$tried lines taken out, $survivors of them noticed by no test"
[ "$survivors" -eq 0 ]
