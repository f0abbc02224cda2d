#!/usr/bin/env bash
# The Debian package: built, looked at by lintian, and, as root, installed in a
# copy of this machine (an overlay, which is thrown away): it starts, is
# upgraded under load without losing a request, and purged without a trace.
#
#     tests/package/run.sh BUILD [PACKAGE]
#
# BUILD has upstream and unit_runner; PACKAGE is tried instead of a new one.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

package=${2-}
if [[ ! $package ]] &&
	! package=$(bash haproxy/package.sh "$work/build" 2>"$work/log"); then
	tail -n 40 "$work/log"
	exit 1
fi
package=$(realpath "$package")
# There is no bug of Debian's that a first upload could close.
if ! lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs \
	"$package" 2>"$work/log"; then
	cat "$work/log"
	exit 1
fi
echo "lintian has nothing to say"

if ((EUID != 0)); then
	echo "not root: the package was built and looked at, not installed"
	exit 0
fi

# The next version, with which it is upgraded.
dpkg-deb -R "$package" "$work/next"
sed -i 's/^Version: .*/Version: 9.9.9-1/' "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/next" "$work/next.deb" >/dev/null

mkdir "$work/over"
export work build package
unshare --mount --pid --fork --kill-child --propagation private \
	bash -euo pipefail -c '
	# Not on another overlay: a tmpfs holds what changes.
	mount -t tmpfs tmpfs "$work/over"
	mkdir "$work/over/"{upper,scratch,root}
	mount -t overlay overlay -o "lowerdir=/,upperdir=$work/over/upper,workdir=$work/over/scratch" \
		"$work/over/root"
	cd "$work/over/root"
	mount -t proc proc proc
	mount --rbind /dev dev
	mount -t tmpfs tmpfs run
	mount -t tmpfs tmpfs tmp
	cp "$package" tmp/first.deb
	cp "$work/next.deb" tmp/next.deb
	cp "$build/tests/tools/unit_runner" "$build/tests/tools/upstream" run/
	cp "$OLDPWD/tests/package/systemd" "$OLDPWD/tests/package/inside.sh" run/
	chroot . /bin/bash /run/inside.sh
'
