#!/usr/bin/env bash
# clang-tidy over what ships, compiled as $BUILD compiles it. The checks are in
# .clang-tidy.
set -euo pipefail
bad=0
out=$(find spoe agent -name '*.c' -print0 |
	xargs -0 -n 4 -P "$(nproc)" clang-tidy --quiet -p "${BUILD:?}" 2>&1) ||
	bad=1
grep -vE '^[0-9]+ warnings? generated|^$' <<<"$out" || true
exit $bad
