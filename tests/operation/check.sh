#!/usr/bin/env bash
# Plays OPERATION.md: every section that has commands, each on a stage of its
# own, and the commands of README.md, of which each is played there or named with
# the test that runs it.
#
#     check.sh AGENT UPSTREAM
set -uo pipefail
exec </dev/null
agent=$1 upstream=$2
here=$(realpath "$(dirname "$0")")
cd "$here/../.." || exit 1
bad=0
n=0

# fences FILE: a line for each block of commands, "section<TAB>number".
fences() {
	awk '
	/^#+ / { section = $0; sub(/^#+ /, "", section); number = 0 }
	/^ *```sh$/ { print section "\t" ++number }' "$1"
}

# Commands of README.md that other tests run: the text, and where it stands.
elsewhere() {
	cat <<-'END'
		haproxy/demo.sh|tests/matrix/inside.sh
		tests/run.sh|.ci/run
		haproxy/package.sh|tests/package/run.sh
		tests/bench/buffers.sh|tests/operation/check.sh
		tests/bench/run.sh|tests/run.sh
	END
}

# Whether a command is one of those, and is still there.
runs_elsewhere() {
	local text file
	while IFS='|' read -r text file; do
		[[ $1 == *"$text"* ]] || continue
		grep -v "|" "$file" | grep -qF "$text" && return
		echo "README.md: $text is not run by $file"
		return 1
	done < <(elsewhere)
	echo "README.md: nothing runs: $1"
	return 1
}

while IFS= read -r line; do
	runs_elsewhere "$line" || bad=1
done < <(awk '
	/^#+ / { section = $0 }
	/^ *```$/ { inside = 0 }
	inside { sub(/^ */, ""); print }
	/^ *```sh$/ { inside = section !~ /Encryption at rest/ }' README.md)

# play DOCUMENT SECTION
play() {
	n=$((n + 1))
	if OPERATION_DOCUMENT=$PWD/$1 OPERATION_SECTION=$2 \
		bash tests/integration/run-vtc.sh "$agent" "$upstream" \
		"$here/walk.sh" >"$log" 2>&1; then
		echo "ok   $1: $2"
		return
	fi
	cat "$log"
	echo "BAD  $1: $2"
	bad=1
}

# The figures of README.md are of larger runs.
if ! figures=$(bash tests/bench/buffers.sh 5 16384) ||
	[[ $figures != *"| 16384 | 5 | "* ]]; then
	echo "tests/bench/buffers.sh: $figures"
	bad=1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
while IFS= read -r section; do
	play OPERATION.md "$section"
done < <(fences OPERATION.md | cut -f 1 | uniq)
play README.md "Encryption at rest"
echo "$n sections"
((n > 10)) || bad=1
exit $bad
