#!/usr/bin/env bash
# A play on the stage of tests/integration/run-vtc.sh: clients that ask until
# they get an answer (load.c), while HAProxy, agent, store and upstream are
# killed, stopped and started again at random. Afterwards, with `hold`:
#
#   - no key was executed twice;
#   - all who got an answer for a key got the same, and it is of its execution;
#   - everybody came to an end.
#
# run.sh sets CHAOS_STORE (none, commit: LMDB with that durability; redis),
# CHAOS_SEED, CHAOS_SECONDS, CHAOS_LOAD, CHAOS_TOOLS, and CHAOS_SABOTAGE (1: with
# `retry` and locks that are too short, so that keys are executed twice).
# shellcheck disable=SC2317 # what breaks and mends is called by name
set -uo pipefail
: "${STAGE:?}" "${CHAOS_STORE:?}" "${CHAOS_SEED:?}" "${CHAOS_SECONDS:?}"
: "${CHAOS_LOAD:?}" "${CHAOS_TOOLS:?}" "${CHAOS_SABOTAGE:?}"
cd "$STAGE" || exit 1
RANDOM=$((CHAOS_SEED % 32768))
# shellcheck disable=SC2046 # several
trap 'kill -KILL $(jobs -p) 2>/dev/null' EXIT

die() {
	cat broken.log
	echo "chaos: $* (seed $CHAOS_SEED, store $CHAOS_STORE)" >&2
	exit 1
}

# pause MILLISECONDS
exec {never}<> <(:)
pause() {
	local s
	printf -v s '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
	read -r -t "$s" -u "$never"
}

# --- the stage --------------------------------------------------------------

export IDEMPOTENCY_AGENT_TIMEOUT=2s IDEMPOTENCY_AGENT_CHECK=500ms
export IDEMPOTENCY_SERVER_TIMEOUT=1500ms
export IDEMPOTENCY_NOTICES=$STAGE/notices.sock
export UPSTREAM_JOURNAL=$STAGE/journal

configure() {
	local expiry=hold lock=3s answer=1s
	if ((CHAOS_SABOTAGE)); then
		expiry=retry lock=100ms answer=50ms
	fi
	stage edit agent.ini -e "s/^lock-ttl = 1h/lock-ttl = $lock/" \
		-e "/^\[policy default\]/a on-lock-expiry = $expiry" \
		-e "s/^answer-timeout = .*/answer-timeout = $answer/" ||
		exit 1
	printf '\n[notices]\nlisten = unix:%s\n' "$IDEMPOTENCY_NOTICES" \
		>>agent.ini
	case $CHAOS_STORE in
	none) ;;
	commit) stage edit agent.ini -e 's/^durability = .*/durability = commit/' ;;
	redis)
		stage edit agent.ini -e 's/^\[store\]$/&\ndriver = redis/' &&
			printf '\n[redis]\nservers = unix:%s/redis.sock\n' \
				"$STAGE" >>agent.ini && start_redis
		;;
	*) die "no store is called $CHAOS_STORE" ;;
	esac || exit 1
}

# What it has answered is in its file: a killed one knows it again.
start_redis() {
	redis-server --port 0 --unixsocket "$STAGE/redis.sock" --dir "$STAGE" \
		--save '' --appendonly yes --appendfsync always \
		</dev/null >>redis.log 2>&1 &
	redis=$!
	stage wait 'redis-cli -s redis.sock ping | grep -q PONG'
}

# --- what goes wrong --------------------------------------------------------

# Each thing has a way to break it and a way to mend it.
break_agent_kill() { stage kill agent; }
mend_agent_kill() { stage start agent; }
break_agent_stop() { stage signal agent STOP; }
mend_agent_stop() { stage signal agent CONT; }
# It drains, unless the store hangs as well: then it is killed by and by.
break_agent_end() { stage signal agent TERM; }
mend_agent_end() {
	local n
	for ((n = 0; n < 30; n++)); do
		[[ -e agent.status ]] && break
		pause 100
	done
	stage kill agent && stage start agent
}

break_haproxy_kill() {
	local workers
	workers=$(echo 'show proc' | socat - "UNIX-CONNECT:$STAGE/master.sock" |
		awk '$2 == "worker" { print $1 }')
	stage signal haproxy STOP
	# shellcheck disable=SC2086 # several
	kill -KILL $workers
	stage kill haproxy
}
mend_haproxy_kill() { stage start haproxy; }
break_haproxy_reload() { stage reload; }
mend_haproxy_reload() { :; }

break_upstream_kill() { stage kill upstream; }
mend_upstream_kill() { stage start upstream; }
break_upstream_stop() { stage signal upstream STOP; }
mend_upstream_stop() { stage signal upstream CONT; }

# LMDB has no process: another one keeps its lock.
break_store_stop() {
	if [[ $CHAOS_STORE == redis ]]; then
		kill -STOP "$redis"
		return
	fi
	# No waiting for it: a frozen agent may have the lock.
	rm -f held.log
	"$CHAOS_TOOLS/store_hold" "$STAGE/store" >held.log 2>&1 &
	holder=$!
}
mend_store_stop() {
	if [[ $CHAOS_STORE == redis ]]; then
		kill -CONT "$redis"
		return
	fi
	if grep -qs held held.log; then
		kill "$holder"
	else
		kill -KILL "$holder"
	fi
	wait "$holder"
	return 0
}
break_store_kill() {
	if [[ $CHAOS_STORE == redis ]]; then
		kill -KILL "$redis"
	else
		break_store_stop
	fi
}
# A holder that is killed leaves its lock behind.
mend_store_kill() {
	if [[ $CHAOS_STORE == redis ]]; then
		wait "$redis"
		start_redis
		return
	fi
	kill -KILL "$holder"
	wait "$holder"
	return 0
}

breaks=(agent_kill agent_kill agent_stop agent_end haproxy_kill haproxy_reload
	upstream_kill upstream_stop store_stop store_kill)

told() {
	printf '%d %s\n' $(((${EPOCHREALTIME/./} - started) / 1000)) "$*" >>faults
}

# One or two different things at a time, for up to a second. The store is mended
# first: no agent starts while somebody else has LMDB's lock.
go_wrong() {
	local first=${breaks[RANDOM % ${#breaks[@]}]}
	local second=${breaks[RANDOM % ${#breaks[@]}]} both=("$first") what
	if ((RANDOM % 3 == 0)) && [[ ${first%_*} != "${second%_*}" ]]; then
		both+=("$second")
	fi
	for what in "${both[@]}"; do
		told "break $what"
		"break_$what" >>broken.log 2>&1 || die "cannot break $what"
	done
	pause $((RANDOM % 1000))
	if [[ ${both[*]} == *' store_'* ]]; then
		both=("$second" "$first")
	fi
	for what in "${both[@]}"; do
		"mend_$what" >>broken.log 2>&1 || die "cannot mend $what"
		told "mend $what"
	done
	pause $((50 + RANDOM % 700))
}

# --- afterwards -------------------------------------------------------------

# Names each key whose story is wrong.
judge() {
	awk '
	FILENAME == "journal" {
		runs[$2]++
		ran[$2 " " $1] = 1
		next
	}
	{ keys[$2] = 1 }
	$5 == "strange" { wrong[$2] = "a strange answer" }
	$5 == "answer" {
		if (!(($2 " " $6) in ran))
			wrong[$2] = "an answer of an execution that is not its own"
		if (($2 in answer) && answer[$2] != $6 " " $7)
			wrong[$2] = "two different answers"
		answer[$2] = $6 " " $7
	}
	END {
		for (key in runs) if (runs[key] > 1)
			wrong[key] = "executed " runs[key] " times"
		for (key in wrong) print key, wrong[key]
	}' journal history
}

# What is known of one key.
tell() {
	echo "--- $1: $2 (seed $CHAOS_SEED, store $CHAOS_STORE) ---"
	grep -F " $1 " history
	echo "its executions: $(grep -E " $1\$" journal | tr '\n' ';')"
}

configure
stage start && stage answers || exit 1
started=${EPOCHREALTIME/./}
touch faults
"$CHAOS_LOAD" "$STAGE/api.sock" "$CHAOS_SEED" "$CHAOS_SECONDS" 24 history \
	>load.log 2>&1 &
load=$!
while (((${EPOCHREALTIME/./} - started) / 1000000 < CHAOS_SECONDS)); do
	go_wrong
done
wait "$load"
ended=$?
if [[ $CHAOS_STORE == redis ]]; then
	stage stop agent
	kill "$redis" && wait "$redis"
fi

bad=0
wrong=$(judge)
if [[ $wrong ]]; then
	bad=1
	head -n 5 <<<"$wrong" | while read -r key what; do
		tell "$key" "$what"
	done
	echo "$(wc -l <<<"$wrong") keys are wrong"
fi
if ((ended)); then
	bad=1
	echo "clients without an end (seed $CHAOS_SEED):"
	tail -n 20 history
fi
printf '%s, %s s, seed %s: %s; %d executions, %d attempts, %d faults\n' \
	"$CHAOS_STORE" "$CHAOS_SECONDS" "$CHAOS_SEED" "$(tail -n 1 load.log)" \
	"$(wc -l <journal)" "$(wc -l <history)" "$(grep -c break faults)"
if ! grep -q ' answer ' history; then
	bad=1
	echo "nobody got an answer"
fi
if ((bad)); then
	cat faults
fi
exit $bad
