#!/usr/bin/env bash
# Files aim at 300 lines, 600 is the end; functions aim at 25, 80 is the end.
# A function is what stands between braces in the first column.
set -euo pipefail
find spoe agent haproxy tests \( -name '*.[ch]' -o -name '*.def' \
	-o -name '*.sh' -o -name '*.lua' -o -name '*.vtc' \) -print0 |
	sort -z | xargs -0 awk '
function complain(text) {
	printf "%s:%d: %s\n", file, line, text
	bad = 1
}
FNR == 1 {
	if (line > 600) complain("the file is longer than 600 lines")
	file = FILENAME
	start = 0
}
{ line = FNR }
/^[{]/ && file ~ /\.[ch]$/ { start = FNR }
/^[}]/ && start {
	if (FNR - start - 1 > 80) {
		line = start
		complain("the function is longer than 80 lines")
		line = FNR
	}
	start = 0
}
END {
	if (line > 600) complain("the file is longer than 600 lines")
	exit bad
}'
