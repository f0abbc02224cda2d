#!/usr/bin/env bash
# Installs the Debian packages that building, testing and measuring need, and
# only those that are missing: a machine that has them all needs neither root
# nor a network.
#
#     tests/setup.sh [--bench | --package]
set -euo pipefail

build=(
	gcc libc6-dev cmake ninja-build pkgconf libev-dev libhiredis-dev
	libinih-dev libisal-dev libjansson-dev liblmdb-dev libmicrohttpd-dev libssl-dev
	libsystemd-dev
)
packaging=(binutils dpkg-dev file gzip)
test=(
	chromium clang clang-format clang-tidy curl debootstrap haproxy libclang-rt-14-dev
	jq libcmocka-dev lintian llvm lmdb-utils mandoc openssl procps prometheus
	python3 redis-server shellcheck socat spin systemd varnish
)
case ${1-} in
--package) packages=("${build[@]}" "${packaging[@]}") ;;
--bench) packages=("${build[@]}" "${packaging[@]}" "${test[@]}" wrk) ;;
*) packages=("${build[@]}" "${packaging[@]}" "${test[@]}") ;;
esac

missing=()
for package in "${packages[@]}"; do
	status=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" \
		2>/dev/null || true)
	if [[ $status != ii* ]]; then
		missing+=("$package")
	fi
done
if ((${#missing[@]} == 0)); then
	exit 0
fi

as_root=()
if ((EUID != 0)); then
	if ! sudo -n true 2>/dev/null; then
		echo "missing packages; as root: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo -n)
fi

# Some of these packages bring a service. Tests start their own instances, and
# where no init runs a service that cannot start would fail the installation:
# Debian's way of saying "start nothing" is this file.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap '"${as_root[@]}" rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
	"${as_root[@]}" chmod 755 "$policy"
fi

apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
		-o DPkg::Lock::Timeout=120 "$@" </dev/null
}

echo "installing: ${missing[*]}"
for attempt in 1 2 3; do
	if apt update && apt install --no-install-recommends "${missing[@]}"; then
		exit 0
	fi
	echo "apt-get failed (attempt $attempt)" >&2
	sleep $((attempt * 5))
done
exit 1
