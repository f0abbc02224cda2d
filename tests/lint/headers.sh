#!/usr/bin/env bash
# Every header compiles alone and twice: it includes what it needs, and no more
# than a guard against itself.
set -euo pipefail
bad=0
while read -r header; do
	printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
		gcc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -fsyntax-only \
			-I. -x c - || {
		echo "$header does not stand alone"
		bad=1
	}
done < <(find spoe agent -name '*.h' | sort)
exit $bad
