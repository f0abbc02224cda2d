#!/usr/bin/env bash
# Every shell script of the repository. SC2016 takes awk programs for mistakes.
set -euo pipefail
find . \( -name .git -o -name 'build*' \) -prune -o -type f -print0 |
	xargs -0 awk '
	FNR == 1 && /^#!.*[\/ ](ba|da)?sh( |$)/ { printf "%s%c", FILENAME, 0 }
	{ nextfile }' | xargs -0 shellcheck -x -e SC2016
