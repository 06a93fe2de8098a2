#!/bin/sh
# systemd-analyze accepts the units, with a program standing where wasmd will be.
set -eu
src=$1
command -v systemd-analyze >/dev/null || { echo "SKIP systemd-units: systemd-analyze is missing"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/sbin" "$dir/units"
cp /bin/true "$dir/sbin/wasmd"
sed "s|@sbindir@|$dir/sbin|" "$src/wasmd.service.in" >"$dir/units/wasmd.service"
cp "$src/wasmd.socket" "$dir/units/"
said=$(systemd-analyze verify --man=no "$dir/units/wasmd.service" "$dir/units/wasmd.socket" 2>&1) || {
	echo "$said"
	exit 1
}
said=$(printf '%s\n' "$said" | grep "$dir" || true)
[ -z "$said" ] || { echo "$said"; exit 1; }
echo "both units verify"
