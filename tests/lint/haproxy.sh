#!/usr/bin/env bash
# What an operator copies loads without a warning, with privileges and without.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
for file in haproxy/*.cfg; do
	for unprivileged in '' IDEMPOTENCY_UNPRIVILEGED=1; do
		if ! env ${unprivileged:+"$unprivileged"} \
			IDEMPOTENCY_DIR="$PWD/haproxy" \
			haproxy -dW -c -f "$file" >"$work/out" 2>&1 ||
			grep -qE '\[(NOTICE|WARNING|ALERT)\]' "$work/out"; then
			echo "$file $unprivileged: haproxy -c is not content"
			cat "$work/out"
			bad=1
		fi
	done
done
exit $bad
