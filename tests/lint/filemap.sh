#!/usr/bin/env bash
# The file map in DESIGN.md: every source file is in it, and no row is stale.
# A row begins with the path in backquotes and may be a pattern where the files
# are of one kind: reader.[ch], or * below tests/ and haproxy/.
set -euo pipefail

bad=0
rows=$(sed -n '/^## .*[Ff]ile map/,/^## /p' DESIGN.md |
	sed -n 's/^| `\([^`]*\)` |.*/\1/p')
while read -r row; do
	case $row in
	spoe/*\** | agent/*\**)
		echo "DESIGN.md: $row: one line per file here"
		bad=1
		;;
	esac
	# Patterns never hold blanks: they may split.
	# shellcheck disable=SC2086
	if ! compgen -G $row >/dev/null; then
		echo "DESIGN.md: the row $row names no file"
		bad=1
	fi
done <<<"$rows"

mapped=$(while read -r row; do compgen -G "$row" || true; done <<<"$rows")
while read -r file; do
	echo "DESIGN.md: the file map lacks $file"
	bad=1
done < <(find spoe agent haproxy tests .ci -type f \
	! -path 'tests/fuzz/seeds/*' ! -name '*.hex' ! -name CMakeLists.txt |
	grep -vxF "$mapped" || true)
exit $bad
