#!/usr/bin/env bash
# Every way a request can end, one after the other, on the stage of
# tests/integration/run-vtc.sh: what the client saw, how often the application
# executed it, how HAProxy's log says it ended, what the store holds afterwards,
# and what a retry gets. One line per ending goes to $ENDINGS_ROWS:
#
#     name|client|executed|log|record|retry
#
# $ENDINGS_NOTICES is 1 when the agent reads HAProxy's log. $ENDINGS_TOOLS is
# where tests/tools/ was built.
set -uo pipefail
: "${STAGE:?}" "${ENDINGS_ROWS:?}" "${ENDINGS_NOTICES:?}" "${ENDINGS_TOOLS:?}"

die() {
	echo "endings: $*" >&2
	exit 1
}

# pause: a little, without a process for it.
exec {never}<> <(:)
pause() {
	read -r -t 0.02 -u "$never"
}

# until_true COMMAND...: with a bound.
until_true() {
	local end=$((SECONDS + 120))
	until "$@"; do
		((SECONDS < end)) || die "$name: waited for: $*"
		pause
	done
}

# --- the stage --------------------------------------------------------------

# Long enough to decide nothing that is not about it.
export IDEMPOTENCY_AGENT_TIMEOUT=30s

prepare() {
	# What stands between HAProxy and the agent, and can lose an answer.
	export IDEMPOTENCY_AGENT=unix@$STAGE/relay.sock
	"$ENDINGS_TOOLS/relay" "$STAGE/relay.sock" "$STAGE/spop.sock" \
		>"$STAGE/relay.log" 2>&1 &
	relay=$!
	# One loop, in which one thing comes after the other.
	stage edit agent.ini -e "s,^threads = .*,threads = 1," || exit 1
	printf '\n[log]\nlevel = debug\n' >>agent.ini
	if ((ENDINGS_NOTICES)); then
		export IDEMPOTENCY_NOTICES=$STAGE/notices.sock
		printf '\n[notices]\nlisten = unix:%s\n' "$IDEMPOTENCY_NOTICES" \
			>>agent.ini
	fi
	export UPSTREAM_ALSO=127.0.0.1:0
	stage start upstream || exit 1
	local tcp
	tcp=$(sed -n 's/^listening on \(127.*\)/\1/p' upstream.log)
	cat >haproxy/rules <<-'END'
		http-request deny if { req.hdr(x-later) deny }
		use_backend %[req.hdr(x-backend)] if { req.hdr(x-backend) -m found }
	END
	cat >haproxy/backends <<-END
		backend refused
		    retries 0
		    server s unix@$STAGE/nobody.sock
		backend refused-again
		    retries 1
		    timeout connect 100ms
		    server s unix@$STAGE/nobody.sock
		backend one-place
		    timeout queue 100ms
		    server s unix@$STAGE/upstream.sock maxconn 1
		backend impatient
		    timeout server 1s
		    server s unix@$STAGE/upstream.sock
		backend tcp
		    server s $tcp
	END
	stage edit haproxy/haproxy.cfg \
		-e '/^\tdefault_backend application/{r haproxy/rules' -e 'N}' \
		-e "/^\tbind /a\	bind unix@$STAGE/h2.sock proto h2" \
		-e '/^# The agents\. Last in the file/{r haproxy/backends' -e 'N}' &&
		stage start agent haproxy && stage answers
}

# --- looking ----------------------------------------------------------------

# The lines of HAProxy's log about requests that had a lock.
lines_of_locks() {
	grep -c ' idem=[^-]' haproxy.log
}

tell_agent() {
	kill "-$1" "$(<agent.pid)"
}

# new_line COMMAND... -- REGEX: does it, and waits until the agent's log has one
# more such line.
new_line() {
	local words=() before
	while [[ $1 != -- ]]; do
		words+=("$1")
		shift
	done
	before=$(so_far "$2")
	"${words[@]}" || exit 1
	answered "$before" "$2"
}

# What became of notices, all of them, since the agent was started.
notices_done() {
	local n
	new_line tell_agent USR1 -- of=notices
	n=$(grep 'of=notices' agent.log | tail -n 1 |
		grep -oE '(confirmed|released|sealed|held|settled_before|lost|failed)=[0-9]+' |
		awk -F= '{ n += $2 } END { print n }')
	((n >= $(lines_of_locks) - unnoticed))
}

# Waits until the agent has done what HAProxy's log told it.
settle() {
	((ENDINGS_NOTICES)) || return 0
	until_true notices_done
}

restart_agent() {
	unnoticed=$(lines_of_locks)
	stage start agent && stage answers || exit 1
}

# The request's line in HAProxy's log: the end of the transaction.
ended() {
	until_true grep -q "POST [^ ]*/$name HTTP.*idem=" haproxy.log
}

log_state() {
	sed -n "s,.*POST [^ ]*/$name HTTP.* idem=[^ ,]*\,[^\,]*\,\(..\)[^\,]*\,.*,\1,p" \
		haproxy.log | tail -n 1
}

executed() {
	upstream count "key=$name"
}

record() {
	local state
	state=$(agent -c agent.ini show --json "$name" 2>/dev/null |
		grep -oE '"state":"[a-z]+"' | cut -d'"' -f4)
	echo "${state:-none}"
}

# What came with STATUS in headers.NAME and body.NAME.
describe() {
	local status=$1 problem
	problem=$(grep -oE 'idempotency#[a-z]+' "body.$name" 2>/dev/null)
	if [[ $status == 000 ]]; then
		echo nothing
	elif [[ $problem ]]; then
		echo "$status \`${problem#*#}\`"
	elif grep -qi '^idempotency-replayed: true' "headers.$name"; then
		echo "$status, replayed"
	elif grep -qi '^x-execution:' "headers.$name"; then
		echo "$status"
	else
		echo "$status of HAProxy"
	fi
}

# ask CURL_OPTION...: sends the request; its result is in $client.
ask() {
	local status result
	rm -f "headers.$name" "body.$name"
	touch "headers.$name" "body.$name"
	status=$(curl -s --max-time 120 --unix-socket "$STAGE/api.sock" \
		-o "body.$name" -D "headers.$name" -w '%{http_code}' \
		-H "Idempotency-Key: $name" -H 'Expect:' -d x "$@" \
		"http://api/$name")
	result=$?
	client=$(describe "$status")
	if ((result == 18 || result == 56)) && [[ $status != 000 ]]; then
		client+=", cut off"
	fi
}

# send CURL_OPTION...: the same in the background; received waits for it.
send() {
	(
		ask "$@"
		echo "$client" >"client.$name"
	) &
	sent=$!
}

received() {
	wait "$sent"
	client=$(cat "client.$name")
}

# The client goes away: what it sees is nothing.
hang_up() {
	local pids
	pids=$(cat "/proc/$sent/task/$sent/children")
	# shellcheck disable=SC2086 # one curl
	kill $pids
	wait "$sent"
	client='(it has gone)'
}

# upstream PATH ARGUMENT: its answer, a number.
upstream() {
	curl -sS -G --unix-socket upstream.sock "http://upstream/__$1" \
		--data-urlencode "$2" || die "the upstream does not answer"
}

one_waits() {
	(($(upstream waiting "gate=$name") == 1))
}

waits_at_gate() {
	until_true one_waits
}

opens_gate() {
	upstream open "gate=$name" >/dev/null
}

# HAProxy has the request, and it is the only one.
one_runs() {
	echo 'show stat api 1 -1' | socat - "UNIX-CONNECT:$STAGE/stats.sock" |
		cut -d, -f5 | grep -qx 1
}

arrived() {
	until_true one_runs
}

# answered N REGEX: more than N such lines are in the agent's log.
more() {
	(($(so_far "$2") > $1))
}

answered() {
	until_true more "$@"
}

so_far() {
	grep -cE "$1" agent.log
}

relay_says() {
	[[ $(tail -n 1 relay.log) == "$1" ]]
}

relay_now() {
	kill "-$1" "$relay"
	until_true relay_says "$2"
}

loses_answers() {
	relay_now USR1 holding
}

passes_answers() {
	relay_now USR2 passing
}

# answer_timeout TIME: of the agent, from now on.
answer_timeout() {
	stage edit agent.ini -e "s/^answer-timeout = .*/answer-timeout = $1/" ||
		exit 1
	new_line tell_agent HUP -- event=reloaded
	# The loop has it when it answers the next thing it is told.
	new_line tell_agent USR1 -- given_back=
}

store_hangs() {
	answer_timeout 500ms
	rm -f held.log # an earlier one's word
	"$ENDINGS_TOOLS/store_hold" "$STAGE/store" >held.log 2>&1 &
	holder=$!
	until_true grep -q held held.log
}

store_goes_on() {
	kill "$holder"
	wait "$holder"
	answer_timeout 1m
	# What waited is done when something that came later is.
	stage answers || exit 1
}

# --- the endings ------------------------------------------------------------

# Each is a function: it leaves what the client saw in $client. It returns when
# the transaction has ended.

end_well() {
	ask
	ended
}

end_well_chunked() {
	ask -H 'X-Chunked: 1'
	ended
}

end_app_says_503() {
	ask -H 'X-Status: 503'
	ended
}

end_refused() {
	ask -H 'X-Backend: refused'
	ended
}

end_refused_again() {
	ask -H 'X-Backend: refused-again'
	ended
}

end_queue_timeout() {
	curl -s --unix-socket "$STAGE/api.sock" http://api/other -o /dev/null \
		-H 'X-Backend: one-place' -H "X-Gate: $name" &
	local other=$!
	waits_at_gate
	ask -H 'X-Backend: one-place'
	ended
	opens_gate
	wait "$other"
}

end_denied() {
	ask -H 'X-Later: deny'
	ended
}

end_closed_before() {
	ask -H 'X-Close: 1'
	ended
}

end_timed_out() {
	ask -H 'X-Backend: impatient' -H "X-Gate: $name"
	opens_gate
	ended
}

end_reset_before() {
	ask -H 'X-Backend: tcp' -H 'X-Reset: 1' -H 'X-Close: 1'
	ended
}

end_reset_after() {
	ask -H 'X-Backend: tcp' -H 'X-Reset: 1' -H 'X-Cut: 0' -H 'X-Size: 1000'
	ended
}

end_cut() {
	ask -H 'X-Cut: 500' -H 'X-Size: 1000'
	ended
}

end_cut_chunked() {
	ask -H 'X-Cut: 500' -H 'X-Size: 1000' -H 'X-Chunked: 1'
	ended
}

end_gone_during_check() {
	loses_answers
	send
	arrived
	hang_up
	passes_answers
	ended
}

end_gone_before() {
	send -H "X-Gate: $name"
	waits_at_gate
	hang_up
	opens_gate
	ended
}

# For HTTP/2 by hand: hexadecimal digits.
hex() {
	printf %s "$1" | od -An -v -tx1 | tr -d ' \n'
}

# text STRING: with its length.
text() {
	printf '%02x%s' "${#1}" "$(hex "$1")"
}

# frame TYPE FLAGS STREAM PAYLOAD
frame() {
	printf '%06x%02x%02x%08x%s' $((${#4} / 2)) "$1" "$2" "$3" "$4"
}

# request HEADER VALUE: a POST whose client takes 1000 bytes of the response.
request() {
	local window=0004000003e8 fields
	fields=8386 # POST, http
	fields+=01$(text api)04$(text "/$name")
	fields+=00$(text idempotency-key)$(text "$name")
	fields+=00$(text x-size)$(text 5000)00$(text "$1")$(text "$2")
	hex $'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
	frame 4 0 0 $window
	frame 1 4 1 "$fields"
	frame 0 1 1 "$(hex x)"
}

# leave_during HEADER VALUE: the client leaves when it has the part of the
# response that it lets HAProxy send.
leave_during() {
	local socat out
	[[ -p to-h2 ]] || mkfifo to-h2
	socat - "UNIX-CONNECT:$STAGE/h2.sock" <to-h2 >"h2.$name" &
	socat=$!
	exec {out}>to-h2
	# shellcheck disable=SC2059 # it is bytes
	printf "$(request "$@" | sed 's/../\\x&/g')" >&$out
	until_true larger 1000 "h2.$name"
	kill -KILL $socat
	wait $socat 2>/dev/null
	exec {out}>&-
	client='(it has gone)'
	ended
}

# larger SIZE FILE
larger() {
	(($(stat -c %s "$2") > $1))
}

end_gone_during() {
	leave_during x-any 1
}

end_gone_during_chunked() {
	leave_during x-chunked 1
}

end_gone_after() {
	ask
	ended
}

end_haproxy_reloads() {
	send -H "X-Gate: $name"
	waits_at_gate
	stage reload || exit 1
	opens_gate
	received
	ended
	stage answers
}

kill_haproxy() {
	local workers
	workers=$(echo 'show proc' | socat - "UNIX-CONNECT:$STAGE/master.sock" |
		awk '$2 == "worker" { print $1 }')
	stage signal haproxy STOP
	# shellcheck disable=SC2086 # several
	kill -KILL $workers
	stage kill haproxy && stage start haproxy && stage answers || exit 1
}

end_haproxy_killed() {
	send -H "X-Gate: $name"
	waits_at_gate
	kill_haproxy
	received
	opens_gate
}

end_agent_killed_before_claim() {
	tell_agent STOP
	send
	arrived
	stage kill agent
	received
	ended
	restart_agent
}

end_agent_killed_after_claim() {
	local before
	before=$(so_far 'event=check .*verdict=proceed')
	loses_answers
	send
	answered "$before" 'event=check .*verdict=proceed'
	stage kill agent
	received
	ended
	passes_answers
	restart_agent
}

end_agent_killed_before_settle() {
	send -H "X-Gate: $name"
	waits_at_gate
	tell_agent STOP
	opens_gate
	arrived
	stage kill agent
	received
	ended
	restart_agent
}

end_agent_killed_after_settle() {
	local before
	before=$(so_far 'event=complete ')
	send -H "X-Gate: $name"
	waits_at_gate
	loses_answers
	opens_gate
	answered "$before" 'event=complete '
	stage kill agent
	received
	ended
	passes_answers
	restart_agent
}

end_store_hangs_at_claim() {
	store_hangs
	ask
	ended
	store_goes_on
}

end_store_hangs_between() {
	send -H "X-Gate: $name"
	waits_at_gate
	store_hangs
	store_goes_on
	opens_gate
	received
	ended
}

end_store_hangs_at_settle() {
	send -H "X-Gate: $name"
	waits_at_gate
	store_hangs
	opens_gate
	received
	ended
	store_goes_on
}

# play NAME: one ending, and what is left of it.
play() {
	local function=$1 ran log state n
	name=${function//_/-}
	client=
	"end_$function"
	settle
	ran=$(executed)
	log=$(log_state)
	state=$(record)
	local saw=$client
	ask
	n=$(executed)
	if ((n > ran)); then
		client+=", executed"
	fi
	printf '%s|%s|%s|%s|%s|%s\n' "$name" "$saw" "$ran" "${log:-no line}" \
		"$state" "$client" >>"$ENDINGS_ROWS"
}

cd "$STAGE" || exit 1
# shellcheck disable=SC2046 # several
trap 'kill -KILL $(jobs -p) 2>/dev/null' EXIT
unnoticed=0
prepare || exit 1
endings=(well well_chunked app_says_503 refused refused_again queue_timeout
	denied closed_before reset_before timed_out reset_after cut cut_chunked
	gone_during_check gone_before gone_during gone_during_chunked gone_after
	haproxy_reloads haproxy_killed
	agent_killed_before_claim agent_killed_after_claim
	agent_killed_before_settle agent_killed_after_settle
	store_hangs_at_claim store_hangs_between store_hangs_at_settle)
for ending in ${ENDINGS_ONLY:-"${endings[@]}"}; do
	start=$EPOCHREALTIME
	play "$ending"
	echo "$ending: $(awk "BEGIN { print $EPOCHREALTIME - $start }") s"
done
