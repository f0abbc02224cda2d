#!/usr/bin/env bash
# Shows what spoa-idempotency does, on this machine: builds the agent, starts
# it on its embedded store behind HAProxy with the haproxy.cfg beside this file,
# sends requests to a small upstream that counts what it executes, and prints
# what came back. Exits with 1 when any row is not as it should be.
#
#     haproxy/demo.sh [--serve]
#
# --serve  keeps everything up for playing with curl, until Ctrl-C
#
# Needs Debian 12, and root (or sudo) only when packages are missing. All of it
# lives on the loopback interface and in a temporary directory.
set -euo pipefail
exec </dev/null
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
cd "$(dirname "$0")/.."
repository=$PWD

packages=(gcc libc6-dev cmake ninja-build pkgconf libev-dev liblmdb-dev
	libhiredis-dev
	libinih-dev libjansson-dev libssl-dev libsystemd-dev libisal-dev libmicrohttpd-dev
	haproxy curl)

serve=false
case ${1-} in
'') ;;
--serve) serve=true ;;
*)
	sed -n 's/^# \{0,1\}//; 2,12p' "$0"
	exit 2
	;;
esac

die() {
	printf '\n%s\n' "$*" >&2
	exit 1
}

# --- what is needed ---------------------------------------------------------

# Prints the packages that are not installed.
missing_packages() {
	local package status
	for package in "${packages[@]}"; do
		status=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" \
			2>/dev/null || true)
		if [[ $status != ii* ]]; then
			printf '%s\n' "$package"
		fi
	done
}

# install_packages PACKAGE...: HAProxy's package would start a service of its
# own; where nobody has said what may start, this says "nothing" meanwhile.
install_packages() {
	local as_root=() policy=/usr/sbin/policy-rc.d
	if ((EUID != 0)); then
		sudo -n true 2>/dev/null ||
			die "Missing packages. As root: apt-get install $*"
		as_root=(sudo -n)
	fi
	printf 'Installing: %s\n' "$*"
	if [[ ! -e $policy ]]; then
		remove_policy=("${as_root[@]}" rm -f "$policy")
		printf '#!/bin/sh\nexit 101\n' |
			"${as_root[@]}" tee "$policy" >/dev/null
		"${as_root[@]}" chmod 755 "$policy"
	fi
	if ! {
		"${as_root[@]}" apt-get -q update &&
			"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
				apt-get -q -y -o DPkg::Lock::Timeout=120 install \
				--no-install-recommends "$@"
	} >"$work/apt.log" 2>&1; then
		die "$(tail -n 20 "$work/apt.log")"
	fi
	"${remove_policy[@]}"
	remove_policy=(true)
}

build() {
	local configure=(cmake -S . -B build -DCMAKE_BUILD_TYPE=Release)
	if [[ ! -e build/CMakeCache.txt ]]; then
		configure+=(-G Ninja -DBUILD_TESTING=OFF)
	fi
	printf 'Building in build/ ...\n'
	if ! {
		"${configure[@]}" &&
			cmake --build build --target spoa-idempotency \
				--parallel "$(nproc)" &&
			cc -std=c17 -D_GNU_SOURCE -O2 -o "$work/upstream" \
				tests/tools/upstream.c -lmicrohttpd -pthread
	} >"$work/build.log" 2>&1; then
		die "$(tail -n 30 "$work/build.log")"
	fi
}

# --- what runs --------------------------------------------------------------

work=
pids=()
remove_policy=(true)

# Ends what this script started, and nothing else.
clean_up() {
	trap - EXIT INT TERM HUP
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	wait
	"${remove_policy[@]}"
	if [[ -n $work ]]; then
		rm -rf "$work"
	fi
}

# wait_for WHAT COMMAND...
wait_for() {
	local what=$1 tries
	shift
	for ((tries = 0; tries < 600; tries++)); do
		if "$@" >/dev/null 2>&1; then
			return
		fi
		sleep 0.1
	done
	tail -n 20 "$work"/*.log
	die "$what: not within a minute"
}

start_agent() {
	: >"$work/agent.log"
	build/agent/spoa-idempotency -c "$work/agent.ini" \
		>>"$work/agent.log" 2>&1 &
	agent=$!
	pids+=("$agent")
	wait_for "the agent starts" grep -q event=started "$work/agent.log"
}

ask_upstream() {
	curl -sS --unix-socket "$work/upstream.sock" "http://upstream/__$1"
}

start_upstream() {
	"$work/upstream" --listen "unix:$work/upstream.sock" \
		>"$work/upstream.log" 2>&1 &
	pids+=($!)
	wait_for "the upstream starts" ask_upstream count
}

is_free() {
	! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

is_up_or_over() {
	curl -sS "http://127.0.0.1:$port/__count" || ! kill -0 "$haproxy"
}

# On the first port that is free; another process may be faster, so HAProxy has
# the last word.
start_haproxy() {
	for port in 8080 8090 18080 $((RANDOM + 20000)) $((RANDOM + 20000)); do
		is_free "$port" || continue
		IDEMPOTENCY_LISTEN=127.0.0.1:$port haproxy -db \
			-f "$work/haproxy/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
		haproxy=$!
		pids+=("$haproxy")
		wait_for "HAProxy starts" is_up_or_over
		if kill -0 "$haproxy" 2>/dev/null; then
			return
		fi
	done
	die "$(cat "$work/haproxy.log")"
}

start() {
	printf '[agent]\nlisten = unix:%s/spop.sock\n[store]\npath = %s/store\n' \
		"$work" "$work" >"$work/agent.ini"
	printf '[notices]\nlisten = unix:%s/notices.sock\n' "$work" \
		>>"$work/agent.ini"
	printf '[admin]\nlisten = 127.0.0.1:0\n' >>"$work/agent.ini"
	# A path without the characters that HAProxy would take for its own.
	ln -s "$repository/haproxy" "$work/haproxy"
	export IDEMPOTENCY_UNPRIVILEGED=1 IDEMPOTENCY_LOG=stderr
	export IDEMPOTENCY_DIR=$work/haproxy
	export IDEMPOTENCY_AGENT=unix@$work/spop.sock
	export IDEMPOTENCY_NOTICES=$work/notices.sock
	export IDEMPOTENCY_SERVER=unix@$work/upstream.sock
	export IDEMPOTENCY_STATS=unix@$work/stats.sock
	start_agent
	start_upstream
	start_haproxy
}

# --- what is shown ----------------------------------------------------------

bad=0

# ask NAME KEY CURL_ARGUMENT...: the response goes to files called NAME.
ask() {
	local name=$work/$1 key=$2
	shift 2
	curl -sS --max-time 60 -o "$name.body" -D "$name.head" \
		-w '%{http_code}' ${key:+-H "Idempotency-Key: $key"} \
		"http://127.0.0.1:$port/payments" "$@" >"$name.status"
}

# header NAME HEADER: its value.
header() {
	sed -n "s/^$2: *//Ip" "$work/$1.head" | tr -d '\r'
}

# What to print of a body: a problem's title, a short text, or its size.
summary() {
	local body=$work/$1.body
	if [[ $(header "$1" content-type) == application/problem+json ]]; then
		sed 's/.*"title":"\([^"]*\)".*/\1/' "$body" | tr -d '\n'
		if [[ $(header "$1" retry-after) ]]; then
			printf ' (Retry-After: %s)' "$(header "$1" retry-after)"
		fi
	elif (($(wc -c <"$body") < 60)); then
		tr -d '\n' <"$body"
	else
		printf '%s bytes, %s of them NUL' "$(wc -c <"$body")" \
			"$(tr -dc '\0' <"$body" | wc -c)"
	fi
}

print_row() {
	printf '%s  %-34s %-6s %-8s %-5s %s\n' "$@"
}

# row TEXT NAME KEY STATUS REPLAYED RUNS [FILE]: prints what came under NAME, and
# compares it: the status, `yes` or `-`, how often the upstream executed the
# key, and the body with FILE.
row() {
	local text=$1 name=$2 key=$3 status replayed=- runs mark=✓
	status=$(cat "$work/$name.status")
	runs=$(ask_upstream "count?key=$key")
	if [[ $(header "$name" idempotency-replayed) == true ]]; then
		replayed=yes
	fi
	if [[ "$status $replayed $runs" != "$4 $5 $6" ]] ||
		! cmp -s "$work/$name.body" "${7-$work/$name.body}"; then
		mark=✗
		bad=$((bad + 1))
	fi
	print_row "$mark" "$text" "$status" "$replayed" "$runs" \
		"$(summary "$name")"
}

# The upstream holds the first of the two until the second has its answer.
two_at_once() {
	local first
	ask first two -d amount=2 -H 'X-Gate: two' &
	first=$!
	wait_for "the first of two" is_waiting two
	ask second two -d amount=2
	row 'two at once: the second' second two 409 - 1
	ask_upstream 'open?gate=two' >/dev/null
	wait "$first"
	row 'two at once: the first' first two 201 - 1
	ask later two -d amount=2
	row 'the second, a little later' later two 201 yes 1 "$work/first.body"
}

is_waiting() {
	(($(ask_upstream "waiting?gate=$1") == 1))
}

binary() {
	head -c 1000 /dev/zero >"$work/binary"
	head -c 1000 /dev/urandom >>"$work/binary"
	local echo=(-H 'X-Echo: 1' --data-binary "@$work/binary")
	ask binary bin "${echo[@]}"
	row 'a binary body' binary bin 201 - 1 "$work/binary"
	ask again bin "${echo[@]}"
	row 'a retry of it' again bin 201 yes 1 "$work/binary"
}

# Without Content-Length: whether it was whole, HAProxy's log tells, in a moment.
chunked() {
	local post=(-d amount=4 -H 'X-Chunked: 1')
	ask chunked len "${post[@]}"
	row 'a response without a length' chunked len 201 - 1
	wait_for "its notice" is_replayed len "${post[@]}"
	ask kept len "${post[@]}"
	row 'a retry of it' kept len 201 yes 1 "$work/chunked.body"
}

is_replayed() {
	ask probe "$@"
	[[ $(header probe idempotency-replayed) == true ]]
}

# A POST with a key that the upstream does not count.
has_verdict() {
	curl -sSf -X POST -d '' -H "Idempotency-Key: probe $RANDOM $RANDOM" \
		"http://127.0.0.1:$port/__count"
}

killed() {
	kill -KILL "$agent"
	wait "$agent" 2>/dev/null || true
	ask down new -d amount=3
	row 'the agent is killed: a new request' down new 503 - 0
	start_agent
	wait_for "HAProxy finds the agent again" has_verdict
	ask back k1 -d amount=1
	row 'it is back: the first one again' back k1 201 yes 1 "$work/one.body"
}

show() {
	printf '\n'
	print_row ' ' 'POST /payments' status replayed ran body
	ask one k1 -d amount=1
	row 'the first request' one k1 201 - 1
	ask retry k1 -d amount=1
	row 'a retry of it' retry k1 201 yes 1 "$work/one.body"
	ask other k1 -d amount=1000
	row 'the same key, another body' other k1 422 - 1
	two_at_once
	ask missing '' -d amount=1
	row 'no key, where one is demanded' missing '' 400 - 0
	binary
	chunked
	killed
	printf '\n'
}

tell() {
	local url=http://127.0.0.1:$port/payments
	local page
	page=$(sed -n 's/.*event=listening address=\([0-9.:]*\) for=admin$/\1/p' \
		"$work/agent.log" | tail -n 1)
	cat <<END
It is up. Try:

    curl -i $url -H 'Idempotency-Key: mine' -d amount=1
    curl -i $url -H 'Idempotency-Key: mine' -d amount=1
    curl -i $url -H 'Idempotency-Key: mine' -d amount=2
    curl -i $url -d amount=1
    curl 'http://127.0.0.1:$port/__count?key=mine'      # how often it ran

See what the agent did: http://$page/

The upstream does what X-Status, X-Delay-Ms, X-Echo, X-Size, X-Chunked and
X-Answer say (tests/tools/upstream.c). Logs: $work/*.log
Ctrl-C ends it.
END
}

base=${TMPDIR:-/tmp}
if ((${#base} > 60)) || [[ $base =~ [^A-Za-z0-9/._-] ]]; then
	base=/tmp
fi
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
work=$(mktemp -d "$base/idem-demo.XXXXXX")

mapfile -t missing < <(missing_packages)
if ((${#missing[@]})); then
	install_packages "${missing[@]}"
fi
build
start
show
if ((bad)); then
	printf '%d rows are not as they should be. HAProxy said:\n' "$bad"
	tail -n 30 "$work/haproxy.log" "$work/agent.log"
	exit 1
fi
printf 'All as it should be.\n'
if $serve; then
	tell
	wait -n "$agent" "$haproxy" || true
	die "$(tail -n 5 "$work"/*.log)"
fi
