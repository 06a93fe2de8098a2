#!/bin/sh
# The main job, shown: a real program runs under a policy, one call is denied,
# and the audit says by which rule. Starts a private daemon and ends it again.
set -eu
build=$(cd "${1:-b-rel}" && pwd)
here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/wasmd-demo.XXXXXX")
chmod 755 "$dir"
daemon=
finish() {
	[ -z "$daemon" ] || { kill -INT "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null; } || true
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM
say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
show() { say "$*"; "$@" || echo "(exit status $?)"; }

mkdir "$dir/data" "$dir/state"
printf 'It was the best of times,\nit was the worst of times.\n' >"$dir/data/book.txt"
printf 'the combination is 0451\n' >"$dir/data/secret.txt"
sed "s|@DATA@|$dir/data|" "$here/examples/demo/p.json" >"$dir/p.json"
clang-19 --target=wasm32-wasi -O2 "$here/tests/guest/wc.c" -o "$dir/wc.wasm"
clang-19 --target=wasm32-wasi -O2 "$here/tests/guest/spin.c" -o "$dir/spin.wasm"

config=
if [ "$(id -u)" = 0 ]; then # a root daemon serves the tenants that its configuration names
	cat >"$dir/wasmd.json" <<-JSON
	{ "tenants": [ { "name": "demo", "uid": 65534, "gid": 65534, "clients": [0],
	  "ceiling": { "mounts": [ { "host": "$dir/data", "access": "ro" } ] } } ] }
	JSON
	config="--config $dir/wasmd.json"
fi

PATH="$build/ctl:$build/daemon:$PATH"
export WASMD_SOCKET="$dir/wasmd.sock" PATH
say wasmd --state "$dir/state" --socket "$WASMD_SOCKET" $config
"$build/daemon/wasmd" --state "$dir/state" --socket "$WASMD_SOCKET" $config &
daemon=$!
for _ in $(seq 100); do [ -S "$WASMD_SOCKET" ] && wasmctl info >/dev/null 2>&1 && break; sleep 0.1; done

cd "$dir"
show wasmctl module load wc.wasm --name wc
show cat -n p.json
show wasmctl run --name count --policy p.json wc -- /in/book.txt /in/secret.txt
say "wasmctl inspect count   # what it cost, and what it was denied"
wasmctl inspect count -o json | python3 -c 'import json, sys
i = json.load(sys.stdin)
print(json.dumps({k: i[k] for k in ("state", "exit", "usage", "denials")}, indent=2))'
say "tail -1 state/audit.jsonl"
tail -1 state/audit.jsonl
show wasmctl module load spin.wasm --name spin
show wasmctl run -d --name job1 spin
show wasmctl ps
show wasmctl kill job1
show wasmctl rm job1
show curl -sS --unix-socket "$WASMD_SOCKET" http://wasmd/v1/instances
show curl -sS --unix-socket "$WASMD_SOCKET" --data-binary @data/book.txt "http://wasmd/v1/run?module=wc"
echo
