#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# setup.sh PACKAGE...: installs what is missing from Debian when root, and otherwise prints the one command that would.
set -eu

command -v dpkg-query >/dev/null || exit 0	# not Debian: the compiler and Python will say what they miss
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || :)
missing=
for package; do
	case "
$installed
" in
	*"
installed $package
"*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" != 0 ]; then
	echo "osprim needs$missing. As root:  $install" >&2
	exit 1
fi
echo "installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A second try with fresh lists: the first serves a machine whose lists are there, without their cost.
if ! $install >"$log" 2>&1 && ! { apt-get update && $install; } >"$log" 2>&1; then
	tail -n 15 "$log" >&2
	echo "cannot install$missing; try by hand:  apt-get update && $install" >&2
	exit 1
fi
