#!/bin/sh
# The tests named, as an ordinary user with a daemon of their own: the other
# way that wasmd is run. as-user.sh BUILD TEST.py ...
set -eu
build=$1
shift
[ "$(id -u)" = 0 ] || { echo "SKIP as-user: this is an ordinary user already"; exit 0; }
as() { setpriv --reuid=64321 --regid=64321 --clear-groups env HOME=/tmp WASMD_BUILD="$build" "$@"; }
as test -x "$build/daemon/wasmd" -a -r "$1" || {
	echo "SKIP as-user: uid 64321 cannot reach $build"
	exit 0
}
for t in "$@"; do as python3 "$t"; done
