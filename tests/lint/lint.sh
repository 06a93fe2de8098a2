#!/bin/sh
# clang-format and clang-tidy over all C, the shape checks, and the systemd units.
set -eu
build=$1 bad=0
files=$(git ls-files '*.c' '*.h')
clang-format-19 --dry-run --Werror $files || bad=1
sources=$(git ls-files 'vm/*.c' 'policy/*.c' 'daemon/*.c' 'ctl/*.c')
printf '%s\n' $sources | xargs -P 2 -n 8 clang-tidy-19 --quiet -p "$build" || bad=1
python3 tests/lint/check-includes.py . || bad=1
python3 tests/lint/check-size.py . || bad=1
sh tests/lint/check-headers.sh . clang-19 || bad=1
exit $bad
