#!/usr/bin/env bash
# .clang-format decides; it is pinned to Debian 12's clang-format 14.
set -euo pipefail
if ! clang-format --version | grep -q 'version 14\.'; then
	echo "clang-format 14 is needed, this is $(clang-format --version)"
	exit 1
fi
find spoe agent tests -name '*.[ch]' -print0 |
	xargs -0 clang-format --dry-run -Werror --ferror-limit=3
