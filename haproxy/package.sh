#!/usr/bin/env bash
# Builds the Debian package and prints where it is. Installs what that needs.
#
#     haproxy/package.sh [DIRECTORY]     (without it: build-package)
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1-build-package}
bash tests/setup.sh --package >&2
cmake -S . -B "$out" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
	-DCMAKE_INSTALL_PREFIX=/usr >&2
cmake --build "$out" >&2
(cd "$out" && rm -f ./*.deb && umask 022 && cpack >&2)
realpath "$out"/*.deb
