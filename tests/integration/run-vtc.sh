#!/usr/bin/env bash
# Runs one .vtc on a stage of its own: a short temporary directory with links
# to what is played (agent, upstream, our HAProxy files), its own sockets and
# logs, and the environment that haproxy.cfg reads. Ends every process that the
# play started, and looks what they left behind.
#
# A play may be a shell script as well.
#
#     run-vtc.sh AGENT UPSTREAM FILE
set -uo pipefail
exec </dev/null
agent=$(realpath "$1") upstream=$(realpath "$2") play=$(realpath "$3")
here=$(realpath "$(dirname "$0")")

# Unix socket names end at 108 bytes, and varnishtest splits at white space.
base=${TMPDIR:-/tmp}
if ((${#base} > 40)) || [[ $base =~ [^A-Za-z0-9/._-] ]]; then
	base=/tmp
fi
STAGE=$(mktemp -d "$base/idem.XXXXXX") || exit 1

# Told to stop: nothing stays behind. varnishtest is in a session of its own, so
# that it is still there to be asked for its child, which plays in a process
# group of its own. (SIGHUP reloads HAProxy's master, which may miss a SIGTERM
# meanwhile.)
varnishtest=
# shellcheck disable=SC2317 # the trap calls it
give_up() {
	local children=() child
	if [[ $varnishtest ]]; then
		read -ra children \
			<"/proc/$varnishtest/task/$varnishtest/children"
		for child in "${children[@]}"; do
			kill -KILL -- "-$child" 2>/dev/null
		done
		kill -KILL -- "-$varnishtest"
		STAGE_PATIENCE=10 stage end
	fi
	cd / && rm -rf "$STAGE"
	exit 1
}
trap give_up TERM INT HUP

export STAGE TMPDIR=$STAGE HOME=$STAGE LC_ALL=C PATH="$STAGE/bin:$PATH:/usr/sbin"

# Not the caller's: nothing of his may steer HAProxy or the programs here.
for name in "${!IDEMPOTENCY_@}"; do
	unset "$name"
done
unset "${!HAPROXY_@}" http_proxy HTTP_PROXY all_proxy ALL_PROXY
export IDEMPOTENCY_UNPRIVILEGED=1 IDEMPOTENCY_DIR=$STAGE/haproxy
export IDEMPOTENCY_LISTEN=unix@$STAGE/api.sock
export IDEMPOTENCY_SERVER=unix@$STAGE/upstream.sock
export IDEMPOTENCY_AGENT=unix@$STAGE/spop.sock
export IDEMPOTENCY_STATS=unix@$STAGE/stats.sock IDEMPOTENCY_LOG=stderr
# Time-outs and checks never decide a play, however slow the machine is. Those
# that are about them set their own.
export IDEMPOTENCY_AGENT_TIMEOUT=120s IDEMPOTENCY_AGENT_CHECK=1h
export IDEMPOTENCY_BODY_TIMEOUT=120s IDEMPOTENCY_SERVER_TIMEOUT=120s

mkdir "$STAGE/bin" "$STAGE/haproxy"
ln -s "$here/stage" "$STAGE/bin/stage"
ln -s "$agent" "$STAGE/bin/agent"
ln -s "$upstream" "$STAGE/bin/upstream"
ln -s "$here/../support/certificates.sh" "$STAGE/bin/certificates"
for file in haproxy.cfg idempotency.spoe.conf idempotency.lua; do
	ln -s "$here/../../haproxy/$file" "$STAGE/haproxy/$file"
done
cp "$here/idempotency.map" "$STAGE/haproxy/idempotency.map"
cp "$here/agent.ini" "$here/short.ini" "$STAGE"
printf '\n[admin]\nlisten = unix:%s/admin.sock\n[store]\npath = %s/store\ndurability = none\n' "$STAGE" "$STAGE" \
	>>"$STAGE/agent.ini"
printf '\n[agent]\nlisten = unix:%s/spop.sock\nanswer-timeout = 1m\nthreads = 2\nprocessing-timeout = 2m\nwait-interval = 1h\n' \
	"$STAGE" >>"$STAGE/agent.ini"
ln -s "$play" "$STAGE/play.vtc"

# Outcome notices, for the plays that say so. HAProxy's end of a Unix datagram
# socket needs no port that somebody else may have taken; it holds few lines,
# but a play has few requests.
if grep -q '^# notices$' "$play"; then
	export IDEMPOTENCY_NOTICES=$STAGE/notices.sock
	printf '\n[notices]\nlisten = unix:%s\n' "$IDEMPOTENCY_NOTICES" \
		>>"$STAGE/agent.ini"
fi

cd "$STAGE" || exit 1
player=(varnishtest -t 240 -D "t=$STAGE" play.vtc)
if [[ $play == *.sh ]]; then
	player=(bash "$play")
fi
setsid "${player[@]}" &
varnishtest=$!
wait "$varnishtest"
result=$?
stage end || result=1
if ((result != 0)); then
	for log in *.log; do
		printf -- '--- %s ---\n' "$log"
		tail -n 100 "$log"
	done
fi
cd / && rm -rf "$STAGE"
exit $result
