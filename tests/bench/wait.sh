#!/usr/bin/env bash
# How long 20 duplicates of a 400 ms request wait, from its start until the last
# of them has its answer: with a real HAProxy, on a machine that has nothing else
# to do. One request is executed; the others are woken when it ends.
#
#     tests/bench/wait.sh [ROUNDS]     (5)
set -euo pipefail
exec </dev/null
cd "$(dirname "$0")/../.."

rounds=${1:-5}
build=$PWD/build-bench
bash tests/setup.sh --bench >&2
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" --parallel >/dev/null
WAIT_FIGURE=$(mktemp)
export WAIT_FIGURE
trap 'rm -f "$WAIT_FIGURE"' EXIT

for ((round = 1; round <= rounds; round++)); do
	bash tests/integration/run-vtc.sh "$build/agent/spoa-idempotency" \
		"$build/tests/tools/upstream" \
		tests/integration/wait_replays.vtc >&2
	awk -v round="$round" '
		{ printf "round %d: %.0f ms (wanted: at most 450)\n", round, $2 * 1000 }
	' "$WAIT_FIGURE"
done
