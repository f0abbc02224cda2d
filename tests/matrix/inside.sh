#!/usr/bin/env bash
# What tests/matrix/run.sh does in the chroot of a release.
#
#     inside.sh VERSION SUITE FIRST native|''
set -euo pipefail
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
version=$1 suite=$2 first=$3 native=$4
cd /source
: >/results

packages=(curl openssl procps redis-server socat)
if [[ ! $native ]]; then
	packages+=(gcc libc6-dev cmake ninja-build pkgconf libev-dev libhiredis-dev
		libinih-dev libisal-dev libjansson-dev liblmdb-dev libmicrohttpd-dev libssl-dev
		libsystemd-dev libcmocka-dev)
	# None in bookworm.
	if [[ $version != 2.6 ]]; then
		packages+=(valkey-server)
	fi
fi

get() {
	apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
		-o Dpkg::Options::=--force-unsafe-io "$@"
}

newest_is_first() {
	apt-cache madison haproxy | awk -v suite=" $first/" '
		NR == 1 { found = index($0, suite) }
		END { exit !found }'
}

# install_haproxy: of the suite that is asked first, unless the newest is wanted
# and that one has an older one.
install_haproxy() {
	local which=(--allow-downgrades "haproxy/$suite")
	if [[ $first ]] && { [[ $version != newest ]] || newest_is_first; }; then
		which=(-t "$first" haproxy)
	fi
	get install --no-install-recommends "${which[@]}"
}

install_packages() {
	local attempt
	for attempt in 1 2 3; do
		if get update && get install --no-install-recommends \
			"${packages[@]}" && install_haproxy; then
			return
		fi
		echo "apt-get failed (attempt $attempt)"
		sleep $((attempt * 5))
	done
	return 1
}

# test_one NAME COMMAND...: a line for it, and what it printed when it fails.
test_one() {
	local name=$1 start=$SECONDS log=/tmp/log.$1 result=ok
	shift
	if ! timeout -k 20 600 "$@" >"$log" 2>&1; then
		result=FAILED
	fi
	echo "$result $name $((SECONDS - start))" >>/results
	if [[ $result == FAILED ]]; then
		printf '\n--- %s: its last lines ---\n%s\n' "$name" \
			"$(tail -n 100 "$log")"
	fi
}
export -f test_one

build() {
	if ! { cmake -S . -B build -G Ninja && cmake --build build -- --quiet; } \
		>/tmp/build.log 2>&1; then
		tail -n 40 /tmp/build.log
		exit 1
	fi
	if grep -A 4 'warning:' /tmp/build.log; then
		echo "(warnings of this release's compiler)"
	fi
}

# tally REGEX: "N of M" of the tests so called.
tally() {
	awk -v want="$1" '$2 ~ want { n++; if ($1 == "ok") ok++ }
		END { if (n) print ok + 0 " of " n; else print "-" }' /results
}

of_package() {
	dpkg-query -W -f='${Version}' "$1" 2>/dev/null | sed 's/^[0-9]*://; s/[-+].*//'
}

if ! install_packages >/tmp/apt.log 2>&1; then
	tail -n 20 /tmp/apt.log
	exit 1
fi
echo "installed after $SECONDS s"
haproxy=$(haproxy -v | sed -n 's/^HAProxy version \([0-9.]*\).*/\1/p')
if [[ $version != newest && $haproxy != "$version".* ]]; then
	echo "HAProxy is $haproxy here, not $version: Debian has moved on"
	exit 1
fi
agent=/native/spoa-idempotency upstream=/native/upstream
if [[ ! $native ]]; then
	build
	echo "built after $SECONDS s"
	agent=build/agent/spoa-idempotency upstream=build/tests/tools/upstream
fi

# run-vtc.sh looks for varnishtest behind the stage's own programs.
ln -sf /native/varnishtest /usr/bin/varnishtest
test_one lint_haproxy bash tests/lint/haproxy.sh
# They wait more than they work.
printf '%s\0' tests/integration/*.vtc |
	xargs -0 -P $((2 * $(nproc))) -I {} bash -c '
	test_one "play_$(basename "$3" .vtc)" \
		bash tests/integration/run-vtc.sh "$1" "$2" "$3"' \
	bash "$agent" "$upstream" {}
if [[ ! $native ]]; then
	for server in redis-server valkey-server; do
		command -v $server >/dev/null || continue
		for program in build/tests/store_redis_*_test \
			build/tests/process/redis_process_test; do
			REDIS_SERVER=$server test_one \
				"${server%-server}_$(basename "$program")" "$program"
		done
	done
	test_one demo bash haproxy/demo.sh
fi
printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$haproxy" \
	"$(of_package libhiredis-dev)" "$(of_package redis-server)" \
	"$(of_package valkey-server)" "$(tally ^play_)" \
	"$(tally '^(redis|valkey)_')" "$(tally ^demo)" | tee /row
echo "all done after $SECONDS s"
! grep '^FAILED' /results
