#!/usr/bin/env bash
# Plays every ending (endings.sh), with and without notices at the same time, and
# compares what came of them with the table in ENDINGS.md. UPDATE_DOCUMENTS=1
# writes the table anew.
#
#     check.sh AGENT TOOLS
#
# Whatever the table says, nobody may be executed twice who was not refused
# before: that is looked at first.
set -uo pipefail
exec </dev/null
agent=$1 tools=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
document=$here/../../ENDINGS.md
work=$(mktemp -d)
export ENDINGS_TOOLS=$tools

# What happens, in words, in the order of the table.
endings() {
	cat <<-'END'
		well|nothing goes wrong
		well-chunked|the same, without Content-Length
		app-says-503|the application answers 503 (a status that is not kept)
		refused|no server accepts the connection, first attempt
		refused-again|the same, and HAProxy tries again
		queue-timeout|time is up in the queue
		denied|a later rule of HAProxy's refuses the request
		closed-before|the server closes before its response (502)
		reset-before|the server resets the connection before its response (502)
		timed-out|the server takes too long (504)
		reset-after|the server resets the connection after the headers
		cut|the server closes in the body
		cut-chunked|the same, without Content-Length
		gone-during-check|the client goes away during the check
		gone-before|the client goes away before the response
		gone-during|the client goes away during the response
		gone-during-chunked|the same, without Content-Length
		gone-after|the client goes away after the response
		haproxy-reloads|HAProxy is reloaded while the application executes
		haproxy-killed|HAProxy is killed while the application executes
		agent-killed-before-claim|the agent is killed before it has the lock
		agent-killed-after-claim|the agent is killed when it has the lock, before its verdict
		agent-killed-before-settle|the agent is killed before the response is recorded
		agent-killed-after-settle|the agent is killed when it is, before its outcome
		store-hangs-at-claim|the store hangs at the check
		store-hangs-between|the store hangs while the application executes
		store-hangs-at-settle|the store hangs when the response comes
	END
}

# run 0|1: with notices or without.
run() {
	ENDINGS_NOTICES=$1 ENDINGS_ROWS=$work/rows.$1 \
		bash "$here/../integration/run-vtc.sh" "$agent" \
		"$tools/upstream" "$here/endings.sh" >"$work/log.$1" 2>&1
}

children=()
# shellcheck disable=SC2317 # the trap calls it
clear_away() {
	((${#children[@]})) && kill "${children[@]}" 2>/dev/null
	wait
	rm -rf "$work"
}
trap clear_away EXIT
trap 'exit 1' TERM INT HUP

# table: from both.
table() {
	echo '| what happens | the client sees | executed | log | record | a retry gets | record, with notices | a retry gets, with notices |'
	echo '|---|---|---:|---|---|---|---|---|'
	awk -F'|' '
		# A client that goes away: the second letter is a matter of
		# what HAProxy was about to do.
		{ sub(/\|C[DL]\|/, "|CD` or `CL|") }
		FILENAME ~ /rows.0$/ { off[$1] = $2 "|" $3 "|" $4
			record[$1] = $5; retry[$1] = $6; next }
		FILENAME ~ /rows.1$/ { on[$1] = $2 "|" $3 "|" $4
			noticed[$1] = $5; again[$1] = $6; next }
		{
			n = split(off[$1], v, "|")
			if (off[$1] != on[$1])
				print "notices change what is seen: " \
					off[$1] " / " on[$1]
			same = record[$1] == noticed[$1] && retry[$1] == again[$1]
			printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", $2,
				v[1], v[2], v[3] == "no line" ? "no line" : "`" v[3] "`",
				record[$1], retry[$1], same ? "the same" : noticed[$1],
				same ? "" : again[$1]
		}' "$work/rows.0" "$work/rows.1" <(endings)
}

# Executed before and again: only where the application itself said "not now".
twice() {
	awk -F'|' '$3 + ($6 ~ /executed/) > 1 && $1 != "app-says-503" {
		print FILENAME ": " $0; bad = 1 } END { exit !bad }' \
		"$work/rows.0" "$work/rows.1"
}

run 0 &
children=($!)
run 1 &
children+=($!)
bad=0
wait "${children[0]}" || { bad=1; tail -n 200 "$work/log.0"; }
wait "${children[1]}" || { bad=1; tail -n 200 "$work/log.1"; }
children=()
if twice; then
	echo "FAILED: executed twice"
	bad=1
fi
table >"$work/table"
if [[ ${UPDATE_DOCUMENTS-} == 1 ]]; then
	{
		sed '/^<!-- BEGIN endings -->/q' "$document"
		echo
		cat "$work/table"
		echo
		sed -n '/^<!-- END endings -->/,$p' "$document"
	} >"$work/document" && cp "$work/document" "$document"
fi
sed '1,/^<!-- BEGIN endings -->/d; /^<!-- END endings -->/,$d; /^$/d' \
	"$document" >"$work/documented"
# The letters of HAProxy's log and what it does when a client goes away are
# those of 2.6; another version only must not fail.
if ! haproxy -v 2>/dev/null | grep -q 'version 2\.6\.'; then
	diff "$work/documented" "$work/table"
elif ! diff "$work/documented" "$work/table"; then
	echo "FAILED: ENDINGS.md says otherwise (UPDATE_DOCUMENTS=1 writes it)"
	bad=1
fi
exit $bad
