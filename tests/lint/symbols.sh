#!/usr/bin/env bash
# What the objects of the libraries in $BUILD export and keep: foo.c and
# foo_bar.c export foo_* only (spoe/: spoe_foo_*), and no object has writable
# file-scope state but those of log, metrics and clock.
set -euo pipefail

objects=$(find "${BUILD:?}/spoe" "$BUILD/agent" -name '*.c.o' | sort)
if [[ -z $objects ]]; then
	echo "no objects in $BUILD"
	exit 1
fi
bad=0
while read -r object; do
	# …/agent/CMakeFiles/core.dir/core/digest.c.o
	source=$(basename "$object" .c.o)
	prefix=${source%%_*}_
	case $object in
	*/spoe.dir/*) prefix=spoe_$prefix ;;
	*/connection.c.o) prefix='(connection|notify)_' ;;
	# argp(3) finds the version by this name.
	*/main.c.o) prefix='(main|argp_program_version)$' ;;
	esac
	# Columns of objdump -t: value, seven flags, section, size, name.
	objdump -t "$object" | awk -v object="${object#"$BUILD"/}" \
		-v prefix="^$prefix" -v source="$source" '
	NF < 5 && $1 !~ /^[0-9a-f]+$/ { next }
	{
		flags = substr($0, 18, 7)
		split(substr($0, 26), column, /[ \t]+/)
		section = column[1]
		name = $NF
	}
	section == "*UND*" || section == "" { next }
	# A sanitizer keeps a mark of its own for each constant.
	name ~ /^__odr_asan\./ { next }
	flags ~ /g/ && name !~ prefix {
		print object ": exports " name
		bad = 1
	}
	flags !~ /d/ && section ~ /^(\.t?data|\.t?bss|\*COM\*)/ &&
	section !~ /^\.data\.rel\.ro/ && source !~ /^(log|metrics|clock)/ &&
	name != "argp_program_version" {
		print object ": keeps mutable state in " name
		bad = 1
	}
	END { exit bad }' || bad=1
done <<<"$objects"
exit $bad
