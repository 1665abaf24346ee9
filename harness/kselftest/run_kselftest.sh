#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs the programs of an install tree as kselftest's script of this name does: the same options, output and exit code. Needs sh alone.

here=$(cd "$(dirname "$0")" && pwd -P) || exit 1
cd "$here" || exit 1

usage()
{
	cat <<END
Usage: $0 [OPTIONS]
  -s | --summary                 Print a summary; the details go to output.log
  -p | --per-test-log [DIR]      Put each test's log into DIR (/tmp)
  -t | --test COLLECTION:TEST    Run TEST of COLLECTION
  -S | --skip COLLECTION:TEST    Leave TEST of COLLECTION out
  -c | --collection COLLECTION   Run all tests of COLLECTION
  -l | --list                    List the collection:test entries
  -d | --dry-run                 Tell what would be run
  -f | --no-error-on-fail        Exit with 0 though tests failed
  -n | --netns                   Run each test in a network namespace of its own
  -o | --override-timeout N      Seconds after which a test is ended
  -h | --help                    Show this
END
	exit "$1"
}

available=$(cat kselftest-list.txt) || exit 1
collections="" tests="" skipped="" log="" log_dir="" dry="" override="" netns="" fail_code=1
while [ $# -gt 0 ]; do
	case $1 in
	-s | --summary) log=$here/output.log; : >"$log" ;;
	-p | --per-test-log)
		log_dir=/tmp
		case ${2-} in '' | -*) ;; *) log_dir=$2; shift ;; esac
		mkdir -p "$log_dir" && log_dir=$(cd "$log_dir" && pwd -P) || exit 1 ;;
	-t | --test) [ $# -ge 2 ] || usage 1; tests="$tests $2"; shift ;;
	-S | --skip) [ $# -ge 2 ] || usage 1; skipped="$skipped $2"; shift ;;
	-c | --collection) [ $# -ge 2 ] || usage 1; collections="$collections $2"; shift ;;
	-l | --list) echo "$available"; exit 0 ;;
	-d | --dry-run) dry=1 ;;
	-f | --no-error-on-fail) fail_code=0 ;;
	-n | --netns) netns=1 ;;
	-o | --override-timeout) [ $# -ge 2 ] || usage 1; override=$2; shift ;;
	-h | --help) usage 0 ;;
	*) usage 1 ;;
	esac
	shift
done
[ -z "$log" ] || [ -z "$log_dir" ] || { echo "$0: --summary and --per-test-log exclude each other" >&2; exit 1; }

# The chosen lines of the list, in its order.
chosen()
{
	echo "$available" | while IFS= read -r entry; do
		wanted=
		[ -n "$tests$collections" ] || wanted=1
		for one in $tests; do [ "$one" = "$entry" ] && wanted=1; done
		for one in $collections; do [ "$one" = "${entry%%:*}" ] && wanted=1; done
		for one in $skipped; do [ "$one" = "$entry" ] && wanted=; done
		[ -z "$wanted" ] || echo "$entry"
	done
}

for one in $collections; do
	echo "$available" | grep -q "^$one:" || { echo "No such collection '$one'" >&2; exit 1; }
done
for one in $tests; do
	echo "$available" | grep -qxF "$one" || { echo "No such test '$one'" >&2; exit 1; }
done

scratch=$(mktemp -d) || exit 1
saved=""
# Files that a program changes, and what they held. A list of choices ("always [madvise] never") holds its chosen word.
save()
{
	saved=
	for file in $("$1" --clauses 2>/dev/null | cut -f 11 | sed 1d | tr ', ' '\n\n' | sort -u); do
		[ -w "$file" ] || continue
		held=$(cat "$file") || continue
		case $held in *\[*\]*) held=${held#*\[}; held=${held%%\]*} ;; esac
		saved="$saved $file"
		echo "$held" >"$scratch/saved$(echo "$file" | tr / _)"
	done
}
restore()
{
	for file in $saved; do
		cat "$scratch/saved$(echo "$file" | tr / _)" >"$file" 2>/dev/null
	done
	saved=
}
finish()
{
	end_session
	restore
	cd / && rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Programs ask this file which features the kernel may lack.
if [ -z "${OSPRIM_CONFIG-}" ]; then
	if zcat /proc/config.gz >"$scratch/config" 2>/dev/null || cat "/boot/config-$(uname -r)" >"$scratch/config" 2>/dev/null; then
		OSPRIM_CONFIG=$scratch/config
		chmod 755 "$scratch"
		export OSPRIM_CONFIG
	fi
fi

# limited SECONDS COMMAND...: in a session of its own, for so many seconds at most; 124 if they were over.
limited()
{
	seconds=$1
	shift
	if [ "$seconds" -gt 0 ] && command -v timeout >/dev/null; then
		set -- timeout "$seconds" "$@"
	fi
	if command -v setsid >/dev/null; then
		# shellcheck disable=SC2016
		setsid sh -c 'echo $$ >"$0"; exec "$@"' "$scratch/session" "$@"
	else
		"$@"
	fi
}
# Ends every process of the last session.
end_session()
{
	[ -s "$scratch/session" ] || return 0
	session=$(cat "$scratch/session")
	for stat in /proc/[0-9]*/stat; do
		read -r line 2>/dev/null <"$stat" || continue
		# shellcheck disable=SC2086
		set -- ${line##*) }
		[ "${4-}" != "$session" ] || kill -9 "${line%% *}" 2>/dev/null
	done
	: >"$scratch/session"
}

# run COLLECTION TEST LOG: a test's own lines, each behind "# "; its exit code is in $scratch/code.
run()
{
	limit=45
	[ ! -r "$1/settings" ] || limit=$(sed -n 's/^timeout=//p' "$1/settings")
	[ -z "$override" ] || limit=$override
	echo "# timeout set to $limit"
	echo "# selftests: $1: $2"
	words=$(echo "$2" | tr -c '[:alnum:]_\n' _ | tr '[:lower:]' '[:upper:]')
	eval "words=\${KSELFTEST_${words}_ARGS-}"
	space=
	[ -z "$netns" ] || space="unshare --net"
	mkdir -p "$scratch/tmp"
	(
		cd "$1" || exit 1
		export TMPDIR="$scratch/tmp"
		# shellcheck disable=SC2086
		limited "$limit" $space "./$2" $words 2>&1 </dev/null
		echo $? >"$scratch/code"
		end_session	# what a program left behind would keep the pipe open
	) | sed 's/^/# /'
	rm -rf "$scratch/tmp"
	[ "$(cat "$scratch/code")" != 124 ] || echo "# TIMEOUT $limit seconds" >"$scratch/why"
}

entries=$(chosen)
total=$(echo "$entries" | grep -c :)
echo "TAP version 13"
echo "1..$total"
number=0 passed=0 failed=0 expected=0 left_out=0
for entry in $entries; do
	collection=${entry%%:*} name=${entry#*:}
	number=$((number + 1))
	if [ -n "$dry" ]; then
		echo "# would run $collection/$name"
		continue
	fi
	: >"$scratch/why"
	echo 1 >"$scratch/code"
	save "$here/$collection/$name"
	case $log$log_dir in
	'') run "$collection" "$name" ;;
	*) run "$collection" "$name" >>"${log:-$log_dir/$name}" ;;
	esac
	restore
	code=$(cat "$scratch/code")
	said="$number selftests: $collection: $name"
	case $code in
	0) echo "ok $said"; passed=$((passed + 1)) ;;
	2) echo "ok $said # XFAIL"; expected=$((expected + 1)) ;;
	4) echo "ok $said # SKIP"; left_out=$((left_out + 1)) ;;
	124) echo "not ok $said $(cat "$scratch/why")"; failed=$((failed + 1)) ;;
	*) echo "not ok $said # exit=$code"; failed=$((failed + 1)) ;;
	esac
done
echo "# Totals: pass:$passed fail:$failed xfail:$expected xpass:0 skip:$left_out error:0"
[ "$failed" = 0 ] || exit "$fail_code"
exit 0
