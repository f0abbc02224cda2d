#!/usr/bin/env bash
# The units are valid, and the service is confined: `systemd-analyze security`
# gives it an exposure of 2.0 or less. Needs no running systemd.
set -euo pipefail
export LC_ALL=C SYSTEMD_PAGER=
unset COLUMNS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# complain WHAT: with what the last command printed.
complain() {
	echo "$1"
	cat "$work/out"
	bad=1
}

# The units as they will be, but for the agent, which is not installed here,
# and beside a haproxy.service for the drop-in.
units=$work/units
mkdir "$units"
cp -R haproxy/systemd/haproxy.service.d "$units"
for unit in haproxy/systemd/*.service haproxy/systemd/*.socket; do
	sed 's|=/usr/sbin/spoa-idempotency |=/bin/true |' "$unit" \
		>"$units/$(basename "$unit")"
done
printf '[Service]\nExecStart=/bin/true\n' >"$units/haproxy.service"
for unit in "$units"/*.service "$units"/*.socket; do
	if ! SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify --man=no \
		"$unit" >"$work/out" 2>&1 || grep -q "$units" "$work/out"; then
		complain "${unit##*/} is not valid"
	fi
done

for unit in spoa-idempotency.service spoa-idempotency@.service; do
	if [[ -e $units/$unit ]] &&
		! systemd-analyze security --offline=true --threshold=20 \
			"$units/$unit" >"$work/out" 2>&1; then
		complain "$unit is exposed more than 2.0"
	fi
done

# Both are read by the programs that will read them, against an empty root.
mkdir -p "$work/root/etc"
if ! systemd-sysusers --root="$work/root" \
	"$PWD/haproxy/systemd/sysusers.d/spoa-idempotency.conf" \
	>"$work/out" 2>&1 ||
	! grep -q '^spoa-idempotency:' "$work/root/etc/passwd"; then
	complain "sysusers.d/spoa-idempotency.conf makes no user"
fi
echo 'haproxy:x:65000:' >>"$work/root/etc/group"
if ! systemd-tmpfiles --clean --root="$work/root" \
	"$PWD/haproxy/systemd/tmpfiles.d/spoa-idempotency.conf" \
	>"$work/out" 2>&1; then
	complain "tmpfiles.d/spoa-idempotency.conf is not valid"
fi
exit $bad
