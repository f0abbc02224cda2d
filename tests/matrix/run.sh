#!/usr/bin/env bash
# The plays (tests/integration) with every HAProxy that Debian carries, each in a
# chroot that debootstrap makes of its release, and with that release's hiredis,
# Redis and Valkey what is tested of the store; the demo as well. Ends with the
# table that is in README.md.
#
#     tests/matrix/run.sh [--only VERSION]... [--native BUILD] [--minutes N]
#                         [--keep DIRECTORY] [--results FILE]
#
# --only VERSION    2.6, 3.0, 3.2, 3.4, or newest: the newest that can be had,
#                   whatever its number: of experimental or sid; of trixie and
#                   its backports when those cannot be installed today
# --native BUILD    the plays alone, with the agent of a build of this machine:
#                   no compiler has to be installed in the chroot
# --minutes N       is enough for all of it; what takes longer is a failure (120)
# --keep DIRECTORY  of the chroots, to be used again; they are thrown away
#                   otherwise
# --results FILE    gets a line for each test: ok or FAILED, its name, seconds
#
# Needs root, debootstrap, and the right to mount and chroot. The mirror, and how
# to reach it, are those of this machine's apt.
set -euo pipefail
exec </dev/null
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
cd "$(dirname "$0")/../.."

# version, suite, and the suite that is asked first where that is another. Where a
# version has several rows, the first that can be installed is played with.
rows=('2.6 bookworm' '3.0 trixie' '3.2 sid' '3.4 sid experimental'
	'newest sid experimental' 'newest sid'
	'newest trixie trixie-backports' 'newest trixie')

die() {
	printf 'matrix: %s\n' "$*" >&2
	exit 1
}

wanted=() native='' minutes=120 keep='' results=/dev/null
while (($#)); do
	case $1 in
	--only) wanted+=("${2:?--only needs a version}") ;;
	--native) native=$(realpath "${2:?--native needs a build}") ;;
	--minutes) minutes=${2:?--minutes needs a number} ;;
	--keep) keep=$(realpath -m "${2:?--keep needs a directory}") ;;
	--results) results=$(realpath -m "${2:?--results needs a file}") ;;
	*)
		sed -n 's/^# \{0,1\}//; 2,23p' "$0"
		exit 2
		;;
	esac
	shift 2
done
((${#wanted[@]})) || wanted=(2.6 3.0 3.2 3.4)
for version in "${wanted[@]}"; do
	[[ " ${rows[*]%% *} " == *" $version "* ]] ||
		die "no version $version here; there are: ${rows[*]%% *}"
done

((EUID == 0)) || die "only root can make a chroot: try again as root"
for tool in debootstrap unshare chroot varnishtest; do
	command -v "$tool" >/dev/null ||
		die "$tool is missing: run tests/setup.sh"
done
unshare --mount --pid --fork --propagation private \
	mount -t tmpfs tmpfs /mnt 2>/dev/null ||
	die "this machine forbids mounts (a container without CAP_SYS_ADMIN?)"

# A place with room: a chroot with compilers takes 2 GB.
work=$(mktemp -d "${TMPDIR:-/var/tmp}/idem-matrix.XXXXXX")
# Mounts and processes are in namespaces of their own, and end with them.
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM HUP
roots=${keep:-$work/roots}
mkdir -p "$roots"
: >"$results"
: >"$work/table"

# --- the mirror -------------------------------------------------------------

# The first of apt's that is Debian's own. Before the first `apt-get update` no
# label is known.
find_mirror() {
	apt-get indextargets --format '$(REPO_URI) $(LABEL)' \
		'Created-By: Packages' |
		awk '$2 == "Debian" || (NF == 1 && $1 ~ /\/debian\/?$/) {
			print $1; exit }'
}

mirror=$(find_mirror)
[[ $mirror ]] || die "apt's configuration names no mirror of Debian"

# The proxy, for debootstrap's wget.
for scheme in http https; do
	eval "$(apt-config shell proxy "Acquire::$scheme::Proxy")"
	if [[ ${proxy-} && $proxy != DIRECT ]]; then
		export "${scheme}_proxy=$proxy"
	fi
	proxy=
done

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -e $keyring ]] || die "the package debian-archive-keyring is missing"

# apart COMMAND...: in namespaces of its own, which end with it or when the time
# is over.
apart() {
	local left=$((minutes * 60 - SECONDS))
	((left > 0)) || die "$minutes minutes were not enough"
	timeout --foreground -s KILL "$left" unshare --mount --pid --fork --kill-child \
		--propagation private "$@"
}

# lend ROOT: what this machine's apt knows of the way to its mirror.
lend() {
	local file
	apt-config dump --format '%f "%v";%n' Acquire \
		>"$1/etc/apt/apt.conf.d/90lent"
	for file in resolv.conf hosts apt/auth.conf apt/auth.conf.d \
		ssl/certs/ca-certificates.crt; do
		if [[ -e /etc/$file ]]; then
			mkdir -p "$(dirname "$1/etc/$file")"
			rm -rf "${1:?}/etc/$file"
			cp -rL "/etc/$file" "$1/etc/$file"
		fi
	done
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 755 "$1/usr/sbin/policy-rc.d"
}

# make_root SUITE: true when there is one.
make_root() {
	local root=$roots/$1 attempt
	if [[ -e $root/made ]]; then
		return
	fi
	for attempt in 1 2 3; do
		rm -rf --one-file-system "$root"
		if apart debootstrap --variant=minbase --keyring="$keyring" \
			"$1" "$root" "$mirror" >"$work/debootstrap.log" 2>&1; then
			touch "$root/made"
			return
		fi
		tail -n 5 "$work/debootstrap.log"
		echo "debootstrap $1 failed (attempt $attempt)"
		sleep $((attempt * 5))
	done
	echo "there is no chroot of $1"
	return 1
}

# --- what goes into a chroot ------------------------------------------------

# carry PROGRAM DIRECTORY: a program of this machine with its libraries, but for
# the C library. Its children are to find their own: so no LD_LIBRARY_PATH.
carry() {
	local name loader
	name=$(basename "$1")
	mkdir -p "$2/lib.$name"
	cp -L "$1" "$2/lib.$name/"
	ldd "$1" | awk '$2 == "=>" { print $3 }' |
		grep -vE '/lib(c|m|dl|rt|pthread|resolv)\.so' |
		xargs -r cp -Lt "$2/lib.$name"
	loader=$(ldd "$1" | awk '$1 ~ /^\/lib.*\/ld-linux/ { print $1 }')
	printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$loader" \
		"/native/lib.$name" "/native/lib.$name/$name" >"$2/$name"
	chmod 755 "$2/$name"
}

# fill ROOT
fill() {
	rm -rf "$1/native" "$1/source"
	mkdir -p "$1/native" "$1/source"
	tar -c --exclude=./.git --exclude='./build*' . | tar -x -C "$1/source"
	# Debian has no varnishtest after trixie.
	carry "$(command -v varnishtest)" "$1/native"
	if [[ $native ]]; then
		carry "$native/agent/spoa-idempotency" "$1/native"
		carry "$native/tests/tools/upstream" "$1/native"
	fi
}

# play VERSION SUITE [FIRST]: true when all went well. Leaves its row of the table
# when there was something to play with.
play() {
	local root=$roots/$2
	rm -f "$work/row"
	printf '\nHAProxy %s, of %s\n' "$1" "${3-$2}"
	make_root "$2" || return 1
	lend "$root"
	fill "$root"
	printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$2" \
		>"$root/etc/apt/sources.list"
	if [[ ${3-} ]]; then
		printf 'deb [signed-by=%s] %s %s main\n' "$keyring" \
			"$mirror" "$3" >>"$root/etc/apt/sources.list"
	fi
	cp --parents "$keyring" "$root"
	rm -f "$root/results" "$root/row"
	local result=0
	root=$root apart bash -euo pipefail -c '
		cd "$root"
		mount -t proc proc proc
		mount --rbind /dev dev
		mount -t tmpfs tmpfs tmp
		mount -t tmpfs tmpfs run
		exec env -i HOME=/root TERM=dumb PATH="$PATH" chroot . \
			/bin/bash /source/tests/matrix/inside.sh "$@"
		' bash "$1" "$2" "${3-}" "${native:+native}" || result=1
	if [[ ! -e $root/row ]]; then
		return 1
	fi
	cp "$root/row" "$work/row"
	sed "s/^\([^ ]*\) /\1 $1:/" "$root/results" >>"$results"
	return $result
}

# play_version VERSION: with the first of its rows that can be had.
play_version() {
	local row result
	for row in "${rows[@]}"; do
		read -ra row <<<"$row"
		[[ ${row[0]} == "$1" ]] || continue
		result=0
		play "${row[@]}" || result=1
		if [[ -e $work/row ]]; then
			cat "$work/row" >>"$work/table"
			return $result
		fi
	done
	echo "HAProxy $1 cannot be had"
	echo "FAILED $1:set-up 0" >>"$results"
	return 1
}

bad=0
for version in "${wanted[@]}"; do
	play_version "$version" || bad=1
done
printf '\n'
cat "$work/table"
exit $bad
