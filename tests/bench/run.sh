#!/usr/bin/env bash
# What a request costs, with a real HAProxy and wrk: HAProxy alone, with an agent
# that only ACKs (frame by frame, and with several in one write as ours), and with
# ours; first requests and replays, over TCP and a Unix socket, side by side in one
# run; and with Redis as the store. Builds what it needs; about five minutes.
#
#     tests/bench/run.sh [--seconds N] [--rounds N] [--connections N]
#                        [--many N] [--records N] [--markdown]
#
# --seconds      how long each cell is loaded in each round (4)
# --rounds       rounds over all cells; medians are printed (3)
# --connections  client connections of wrk (32)
# --many         and how many in a second look at what the targets are about (128)
# --records      records stored to see what they cost in memory (1000000; 0: none)
# --markdown     the table as the README has it
set -euo pipefail
exec </dev/null
cd "$(dirname "$0")/../.."

seconds=4 rounds=3 connections=32 many=128 records=1000000 markdown=false
command="tests/bench/run.sh${*:+ $*}"
while (($#)); do
	case $1 in
	--seconds | --rounds | --connections | --many | --records)
		printf -v "${1#--}" '%d' "${2:?$1 needs a number}"
		shift
		;;
	--markdown) markdown=true ;;
	*)
		sed -n 's/^# \{0,1\}//; 2,15p' "$0"
		exit 2
		;;
	esac
	shift
done

say() {
	echo "$*" >&2
}

build=$PWD/build-bench
bash tests/setup.sh --bench >&2
say "building"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" --parallel >/dev/null
work=$(mktemp -d)
# /tmp may be memory; what durability costs is seen on a disk only.
disk=$(mktemp -d /var/tmp/spoa-idempotency-bench.XXXXXX)
pids=()
cleanup() {
	((${#pids[@]})) && kill "${pids[@]}" 2>/dev/null
	wait
	rm -rf "$work" "$disk"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# start NAME COMMAND...: in the background; its pid is in $started.
start() {
	local name=$1
	shift
	"$@" >"$work/$name.log" 2>&1 &
	started=$!
	pids+=("$started")
}

# await NAME CONDITION...: until it holds, ten seconds at most.
await() {
	local name=$1 try
	shift
	for ((try = 0; try < 200; try++)); do
		"$@" 2>/dev/null && return 0
		sleep 0.05
	done
	say "$name does not come up:"
	tail -n 20 "$work/$name.log" >&2
	exit 1
}

listens() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1")
}

free_port() {
	port=$((20000 + RANDOM % 10000))
	while listens "$port" 2>/dev/null; do
		port=$((20000 + RANDOM % 10000))
	done
}

# cpu_ns PID: time on a CPU so far, of all threads.
cpu_ns() {
	cat /proc/"$1"/task/*/schedstat | awk '{ ns += $1 } END { printf "%.0f", ns }'
}

# memory_kib PID FIELD
memory_kib() {
	awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"
}

# upstream_requests: how many requests the application has answered.
upstream_requests() {
	echo "show stat" | socat - "UNIX-CONNECT:$work/upstream.stats" |
		awk -F, '
		/^# / { for (i = 1; i <= NF; i++) if ($i == "req_tot") at = i }
		$2 == "FRONTEND" { print $at }'
}

# What wrk gave up at the end of a cell may still be on its way to the application.
await_quiet() {
	local before after tries
	before=$(upstream_requests)
	for ((tries = 0; tries < 100; tries++)); do
		sleep 0.1
		after=$(upstream_requests)
		((after == before)) && return
		before=$after
	done
	say "the application is never quiet"
	exit 1
}

# start_haproxy NAME [AGENT]: its port and pid are in ports[] and haproxies[].
declare -A ports haproxies agents
start_haproxy() {
	free_port
	ports[$1]=$port
	start "haproxy-$1" env ROOT="$PWD" LISTEN="127.0.0.1:$port" \
		UPSTREAM="unix@$work/upstream.sock" \
		STATS="$work/haproxy-$1.stats" ${2:+AGENT="$2"} \
		haproxy -db -f tests/bench/haproxy.cfg
	haproxies[$1]=$started
	await "haproxy-$1" listens "$port"
}

# start_agent NAME STORE: listens on $work/NAME.sock and on $agent_port. STORE is
# a durability of LMDB, or where Redis is.
start_agent() {
	local store="path = $disk/$1"$'\n'"durability = $2"
	[[ $2 == *:* ]] &&
		store="driver = redis"$'\n'"[redis]"$'\n'"servers = $2"
	free_port
	agent_port=$port
	cat >"$work/$1.ini" <<-END
	[agent]
	listen = unix:$work/$1.sock 127.0.0.1:$port
	threads = 1
	[admin]
	listen = unix:$work/$1.admin
	[store]
	$store
	END
	start "$1" "$build/agent/spoa-idempotency" -c "$work/$1.ini"
	agents[$1]=$started
	await "$1" listens "$port"
}

# start_redis: on $work/redis.sock and on $redis_port; keeps nothing on disk.
start_redis() {
	free_port
	redis_port=$port
	start redis redis-server --port "$redis_port" --bind 127.0.0.1 \
		--unixsocket "$work/redis.sock" --save "" --appendonly no \
		--dir "$work" --loglevel warning
	await redis test -S "$work/redis.sock"
	await redis listens "$redis_port"
}

# round_trips AGENT: how many commands about records it has sent so far.
round_trips() {
	local log=$work/$1.log before
	before=$(grep -c 'event=stats store=redis' "$log" || true)
	kill -USR1 "${agents[$1]}"
	await "$1" stats_written "$log" "$before"
	sed -n 's/.*event=stats store=redis.* round_trips=\([0-9]*\).*/\1/p' \
		"$log" | tail -n 1
}

stats_written() {
	(($(grep -c 'event=stats store=redis' "$1") > $2))
}

# wrk_run HAPROXY MODE CONNECTIONS NAME SECONDS
wrk_run() {
	wrk -t 1 -c "$3" -d "$5s" -s tests/bench/requests.lua \
		"http://127.0.0.1:${ports[$1]}" -- "$2" "$4" | grep '^result '
}

# measure HAPROXY AGENT MODE CONNECTIONS NAME: one line of results:
# haproxy mode connections requests/s p50 p99 (µs) haproxy-µs agent-µs
measure() {
	local h=${haproxies[$1]} a=${agents[$2]-} h0 h1 a0=0 a1=0 u0 u1
	local requests duration p50 p99 errors
	local trips=0
	await_quiet
	u0=$(upstream_requests)
	[[ $2 == redis-* ]] && trips=$(round_trips "$2")
	h0=$(cpu_ns "$h")
	[[ $a ]] && a0=$(cpu_ns "$a")
	read -r _ requests duration p50 p99 errors \
		< <(wrk_run "$1" "$3" "$4" "$5" "$seconds") || {
		say "$1 $3: wrk gave no result"
		exit 1
	}
	h1=$(cpu_ns "$h")
	[[ $a ]] && a1=$(cpu_ns "$a")
	u1=$(upstream_requests)
	[[ $2 == redis-* ]] &&
		echo "trips $1 $3 $requests $(($(round_trips "$2") - trips))" \
			>>"$work/results"
	# A number counts only if what it measures is what has happened.
	if ((errors)); then
		say "$1 $3: $errors of $requests requests failed"
		exit 1
	fi
	if [[ $3 == replay && $2 != ack-* ]] && ((u1 != u0)); then
		say "$1: $((u1 - u0)) replays were executed"
		exit 1
	fi
	if [[ $3 == first ]] && ((u1 - u0 < requests)); then
		say "$1: $((requests - u1 + u0)) requests were not executed"
		exit 1
	fi
	awk -v n="$requests" -v us="$duration" -v h=$((h1 - h0)) \
		-v a=$((a1 - a0)) -v p50="$p50" -v p99="$p99" \
		-v cell="$1 $3 $4" 'BEGIN {
		print "cell", cell, n * 1e6 / us, p50, p99, h / n / 1e3, a / n / 1e3
	}' >>"$work/results"
}

# start_haproxies AGENT PORT: one over its Unix socket, one over TCP.
start_haproxies() {
	start_haproxy "$1-unix" "unix@$work/$1.sock"
	start_haproxy "$1-tcp" "127.0.0.1:$2"
}

say "starting"
printf '{"id":"pay_00000001","status":"created","note":"%0450d"}' 0 >"$work/body"
start upstream env LISTEN="unix@$work/upstream.sock" BODY="$work/body" \
	STATS="$work/upstream.stats" haproxy -db -f tests/bench/upstream.cfg
await upstream test -S "$work/upstream.stats"

start_haproxy alone
free_port
start ack "$build/tests/tools/ack_agent" --listen "unix:$work/ack.sock" \
	--listen "127.0.0.1:$port"
agents[ack]=$started
await ack listens "$port"
start_haproxies ack "$port"
start gather "$build/tests/tools/ack_agent" --gather \
	--listen "unix:$work/gather.sock"
agents[gather]=$started
await gather test -S "$work/gather.sock"
start_haproxy gather-unix "unix@$work/gather.sock"
for durability in none commit; do
	start_agent "$durability" "$durability"
	start_haproxies "$durability" "$agent_port"
done
start_redis
start_agent redis-unix "unix:$work/redis.sock"
start_haproxy redis-unix "unix@$work/redis-unix.sock"
start_agent redis-tcp "127.0.0.1:$redis_port"
start_haproxy redis-tcp "unix@$work/redis-tcp.sock"
# Once an agent has answered its first connection it is as big as it is idle.
sleep 1
idle_rss=$(memory_kib "${agents[none]}" VmRSS)
idle_anon=$(memory_kib "${agents[none]}" RssAnon)

# Those that are compared stand side by side: the machine's own speed changes
# from minute to minute.
cells=("alone - first $connections")
for n in "$connections" "$many"; do
	cells+=("ack-unix ack first $n" "none-unix none first $n")
done
cells+=("redis-unix redis-unix first $connections"
	"redis-unix redis-unix replay $connections"
	"none-unix none replay $connections"
	"gather-unix gather first $connections"
	"ack-tcp ack first $connections")
for way in "none-tcp none" "commit-unix commit" "commit-tcp commit" \
	"redis-tcp redis-tcp"; do
	cells+=("$way first $connections" "$way replay $connections")
done

# Connections are opened, and the requests to be replayed executed: until a run
# of replays brings nothing new to the application.
say "warming up"
for cell in "${cells[@]}"; do
	read -r haproxy _ mode n <<<"$cell"
	for ((try = 0; try < 30; try++)); do
		before=$(upstream_requests)
		wrk_run "$haproxy" "$mode" "$n" "warm-$mode-$haproxy" 1 >/dev/null
		[[ $mode == first || $before == "$(upstream_requests)" ]] && break
	done
done
for ((round = 1; round <= rounds; round++)); do
	say "round $round of $rounds"
	for cell in "${cells[@]}"; do
		read -r haproxy agent mode n <<<"$cell"
		name=$round-$n-$haproxy
		[[ $mode == replay ]] && name=warm-replay-$haproxy
		measure "$haproxy" "$agent" "$mode" "$n" "$name"
	done
done
{
	echo "memory idle $idle_rss"
	echo "memory after $(memory_kib "${agents[none]}" VmRSS)"
	echo "memory anon $(memory_kib "${agents[none]}" RssAnon)"
} >>"$work/results"

# What many records cost: in the process that stored them, and in an agent that
# finds them there and works on them. The larger of both counts.
if ((records)); then
	say "storing $records records"
	"$build/tests/bench/store_bench" -n "$records" -r 1000 -d none \
		-p "$disk/full" >"$work/store_bench"
	stored=$(sed -n 's/.*anonymous memory +\([0-9]*\) KiB.*/\1/p' \
		"$work/store_bench")
	start_agent full none
	start_haproxy full "unix@$work/full.sock"
	wrk_run full first "$connections" full "$seconds" >/dev/null
	found=$(($(memory_kib "${agents[full]}" RssAnon) - idle_anon))
	echo "memory count $records" >>"$work/results"
	echo "memory records $((stored > found ? stored : found))" \
		>>"$work/results"
fi

$markdown && printf '    %s\n\n' "$command"
awk -v markdown="$($markdown && echo 1 || echo 0)" -v few="$connections" \
	-v many="$many" -f tests/bench/report.awk \
	"$work/results"
