#!/usr/bin/env bash
# What larger buffers cost in memory: HAProxy's RSS with its buffers at some sizes
# while requests run whose bodies fill them. HAProxy alone, with the rules of
# haproxy/haproxy.cfg that wait for bodies.
#
#     tests/bench/buffers.sh [CONNECTIONS] [BUFSIZE...]     (200; 16384 65536 1048576)
#
# A size as large:1048576 is that of the larger buffers of HAProxy 3.4, beside the
# usual ones of 16384.
set -euo pipefail

connections=${1:-200}
sizes=("${@:2}")
((${#sizes[@]} > 0)) || sizes=(16384 65536 1048576)
work=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null; wait; rm -rf "$work"' EXIT

rss() {
	awk '/^VmRSS/ {printf "%.1f", $2 / 1024}' "/proc/$1/status"
}

# Requests wait for a body of which the last byte never comes.
measure() {
	local size=${1#large:} pid idle busy n=0 bufsize=$1 large='' use=''
	if [[ $1 == large:* ]]; then
		bufsize=16384 large="tune.bufsize.large $size" use=use-large-buffer
	fi
	cat >"$work/haproxy.cfg" <<-EOF
	global
		tune.bufsize $bufsize
		$large
		maxconn 4000
		stats socket $work/stats.sock
	defaults
		mode http
		timeout client 60s
		timeout server 60s
		timeout connect 5s
	frontend f
		bind unix@$work/api.sock
		http-request wait-for-body time 60s $use
		http-request return status 200
	EOF
	haproxy -db -f "$work/haproxy.cfg" >"$work/log" 2>&1 &
	pid=$!
	until [[ -S $work/api.sock ]]; do
		kill -0 "$pid" || { cat "$work/log"; exit 1; }
		sleep 0.05
	done
	idle=$(rss "$pid")
	# A page less: a buffer that is full is not waited for.
	head -c $((size - 4096)) /dev/zero >"$work/body"
	for ((n = 0; n < connections; n++)); do
		{
			printf 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n' "$size"
			cat "$work/body"
			sleep 60
		} | socat - "UNIX-CONNECT:$work/api.sock" >/dev/null 2>&1 &
	done
	n=0
	until ((n >= connections)); do
		n=$(echo 'show info' | socat - "UNIX-CONNECT:$work/stats.sock" |
			awk '/^CurrConns/ {print $2}')
		sleep 0.1
	done
	sleep 2
	busy=$(rss "$pid")
	printf '| %s | %d | %s | %s | %s |\n' "$1" "$connections" "$idle" \
		"$busy" "$(awk "BEGIN {printf \"%.0f\", ($busy - $idle) * 1024 / $connections}")"
	jobs -p | xargs -r kill 2>/dev/null || true
	wait 2>/dev/null || true
	rm -f "$work"/*.sock
}

echo '| `tune.bufsize` | requests | RSS idle MiB | RSS MiB | kB per request |'
echo '| ---: | ---: | ---: | ---: | ---: |'
for size in "${sizes[@]}"; do
	measure "$size"
done
