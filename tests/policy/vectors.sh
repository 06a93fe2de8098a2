#!/bin/sh
# The public eBPF conformance vectors: vectors.sh RUN-BPF ARCHIVE [DIR]. The
# archive lies outside the tree; WASMD_BPF names another one.
set -eu
run=$1 archive=${WASMD_BPF:-$2}
if [ $# -gt 2 ]; then
	exec "$run" "$3"
fi
if [ ! -f "$archive" ]; then
	echo "SKIP bpf-vectors: no $archive; name an archive of bpf_conformance in WASMD_BPF"
	exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tar -C "$dir" -xf "$archive"
"$run" "$dir"
