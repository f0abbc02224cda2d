#!/usr/bin/env bash
# What tests/package/run.sh does inside the copy of the machine.
set -euo pipefail
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export DEBIAN_FRONTEND=noninteractive
cd /

fail() {
	echo "FAILED: $*" >&2
	for log in /run/asked /run/spoa-idempotency*.log /run/haproxy.log /run/load.log; do
		if [[ -s $log ]]; then
			echo "--- $log" >&2
			tail -n 20 "$log" >&2
		fi
	done
	exit 1
}

# within SECONDS COMMAND...: waits until it succeeds.
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@" 2>/dev/null; do
		((SECONDS < end)) || fail "not in time: $*"
		sleep 0.1
	done
}

# files: what a package could leave behind.
files() {
	find /etc /usr /var/lib /lib -xdev \
		! -path '/var/lib/dpkg*' ! -path '/var/lib/systemd*' ! -path '*/__pycache__*' \
		! -name '*~' ! -name 'passwd*' ! -name 'group*' ! -name 'shadow*' \
		! -name 'gshadow*' ! -path '/usr/share/man*' | sort
}

# This machine may have what a new one has not.
rm -rf /etc/spoa-idempotency /var/lib/spoa-idempotency /usr/sbin/policy-rc.d
mv /run/systemd /run/stand-in
mkdir -p /run/systemd/system /run/haproxy
for name in systemctl deb-systemd-invoke; do
	rm -f "/usr/bin/$name"
	install -m 755 /run/stand-in "/usr/bin/$name"
done
files >/tmp/before

# --- it installs, and starts ------------------------------------------------
dpkg -i /tmp/first.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "dpkg -i"; }
id spoa-idempotency >/dev/null || fail "the agent has no user"
[[ $(stat -c '%U %G %a' /run/spoa-idempotency) == "spoa-idempotency haproxy 2750" ]] ||
	fail "/run/spoa-idempotency: $(stat -c '%U %G %a' /run/spoa-idempotency)"
spoa-idempotency --check -c /etc/spoa-idempotency/spoa-idempotency.ini >/dev/null
man -w spoa-idempotency >/dev/null 2>&1 || [[ ! -x $(command -v man) ]] || fail "no manual"
within 20 grep -q event=started /run/spoa-idempotency.log

for file in grafana/spoa-idempotency.json prometheus/spoa-idempotency.rules.yml; do
	[[ -s /usr/share/spoa-idempotency/$file ]] || fail "no $file"
done
# The network is the machine's: somebody may have the port already.
if grep -q 'for=admin' /run/spoa-idempotency.log; then
	within 20 curl -sf -o /dev/null http://127.0.0.1:9180/readyz
else
	grep -q event=admin-failed /run/spoa-idempotency.log || fail "no admin endpoint"
fi

# The sample files run as they are installed.
cp /usr/share/spoa-idempotency/haproxy/idempotency.* /etc/haproxy/
cp /usr/share/spoa-idempotency/haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg
export IDEMPOTENCY_UNPRIVILEGED=1 IDEMPOTENCY_LISTEN=unix@/run/api.sock
export IDEMPOTENCY_SERVER=unix@/run/upstream.sock IDEMPOTENCY_LOG=stderr
/run/upstream --listen unix:/run/upstream.sock &
upstream=$!
haproxy -f /etc/haproxy/haproxy.cfg >/run/haproxy.log 2>&1 &
haproxy=$!

# post KEY: the status.
post() {
	curl -s -o /dev/null -w '%{http_code}\n' --unix-socket /run/api.sock \
		-H "Idempotency-Key: $1" -d body http://localhost/payments || true
}
export -f post
within 20 test -S /run/upstream.sock
within 20 test -S /run/api.sock
[[ $(post first) == 201 ]] || fail "the first request"
spoa-idempotency show first | grep -q '^state *stored' || fail "nothing recorded"
spoa-idempotency doctor >/tmp/doctor.log || { cat /tmp/doctor.log; fail doctor; }

# Completion knows the commands and their options.
# shellcheck disable=SC1091
source /usr/share/bash-completion/completions/spoa-idempotency
COMP_WORDS=(spoa-idempotency re) COMP_CWORD=1
_spoa_idempotency spoa-idempotency
[[ ${COMPREPLY[*]} == release ]] || fail "completion: ${COMPREPLY[*]}"
COMP_WORDS=(spoa-idempotency show --re) COMP_CWORD=2
_spoa_idempotency spoa-idempotency
[[ ${COMPREPLY[*]} == --record-key ]] || fail "completion: ${COMPREPLY[*]}"

# Two instances beside it.
for name in a b; do
	printf '[agent]\nlisten = /run/spoa-idempotency/%s.sock\n[store]\npath = /var/lib/spoa-idempotency/%s\n' \
		$name $name >/etc/spoa-idempotency/$name.ini
	deb-systemd-invoke start spoa-idempotency@$name.service
done

# --- it is upgraded under load ------------------------------------------------
load() {
	local i
	for ((i = 0; ; i++)); do
		post "load-$1-$i"
	done
}
for client in 1 2 3; do
	load $client >"/tmp/load.$client" &
	clients+=($!)
done
loaded() { [[ $(cat /tmp/load.? | wc -l) -ge $1 ]]; }
within 30 loaded 60
echo '# ours' >>/etc/spoa-idempotency/spoa-idempotency.ini
dpkg --force-confold -i /tmp/next.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "upgrade"; }
within 30 grep -q restarted /run/spoa-idempotency.log
within 30 loaded $(($(cat /tmp/load.? | wc -l) + 60))
for name in a b; do
	grep -q restarted /run/spoa-idempotency@$name.log ||
		fail "the upgrade has not restarted instance $name"
done
kill "${clients[@]}"
wait "${clients[@]}" 2>/dev/null || true
cat /tmp/load.? | sort | uniq -c >/run/load.log
[[ $(awk '{ print $2 }' /run/load.log) == 201 ]] || fail "requests were lost by the upgrade"
echo "upgraded under load: $(awk '{ print $1 }' /run/load.log) requests, all answered 201"
[[ $(post first) == 201 && $(curl -s --unix-socket /run/upstream.sock \
	'http://localhost/__count?key=first') == 1 ]] || fail "a record was lost by the upgrade"
grep -q '^# ours' /etc/spoa-idempotency/spoa-idempotency.ini ||
	fail "the upgrade has overwritten the configuration"

# --- it goes ------------------------------------------------------------------
kill "$haproxy" "$upstream"
wait 2>/dev/null || true
dpkg -r spoa-idempotency >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "dpkg -r"; }
grep -q ended /run/spoa-idempotency.log || fail "the agent was not stopped"
for name in a b; do
	grep -q ended /run/spoa-idempotency@$name.log || fail "instance $name was not stopped"
done
[[ -d /var/lib/spoa-idempotency && -f /etc/spoa-idempotency/spoa-idempotency.ini ]] ||
	fail "a removal has taken records or configuration away"
dpkg -P spoa-idempotency >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; fail "dpkg -P"; }
rm -f /etc/haproxy/idempotency.* /etc/spoa-idempotency/[ab].ini
rmdir /etc/spoa-idempotency
files >/tmp/after
diff /tmp/before /tmp/after || fail "a purge leaves something behind"
echo "installed, upgraded and purged"
