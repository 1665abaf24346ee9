#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# install.sh DIR ABI...: puts built programs into an install tree of kselftest's shape; those of the first ABI have the plain names.
set -eu

into=$1
shift
[ -n "$into" ] || { echo "make install needs INSTALL_PATH=DIR" >&2; exit 2; }
mkdir -p "$into"
into=$(cd "$into" && pwd -P)
first=$1
: >"$into/kselftest-list.txt"
for abi; do
	for folder in "build/$abi/suites"/*/; do
		suite=$(basename "$folder")
		collection=osprim-$suite
		[ "$abi" = "$first" ] || collection=$collection-$abi
		for source in "suites/$suite"/*.c; do
			program=$(basename "$source" .c)
			[ -x "$folder$program" ] || continue
			mkdir -p "$into/$collection"
			name=$program
			[ "$name" != settings ] || name=${suite}_settings	# a file of that name is kselftest's own
			install -m 755 "$folder$program" "$into/$collection/$name"
			echo "$collection:$name" >>"$into/kselftest-list.txt"
		done
		# The sum of a program's clauses, each of which has a limit of its own: this one is for a machine that hangs.
		[ ! -d "$into/$collection" ] || echo "timeout=300" >"$into/$collection/settings"
	done
done
install -m 755 harness/kselftest/run_kselftest.sh "$into/run_kselftest.sh"
[ ! -f LICENSE ] || install -m 644 LICENSE "$into/LICENSE"
echo "$(grep -c : "$into/kselftest-list.txt") programs in $into: ./run_kselftest.sh -c osprim-futex" >&2
