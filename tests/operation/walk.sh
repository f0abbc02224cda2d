#!/usr/bin/env bash
# A play (see run-vtc.sh): what an operator does who follows one section of a
# document, $OPERATION_SECTION of $OPERATION_DOCUMENT. The section's trouble is
# made, its blocks of commands are run as they stand there, but for the paths,
# which are the stage's, and what came of them is looked at (sections.sh).
set -euo pipefail
here=$(dirname "$(realpath "$0")")
out=$STAGE/out
mkdir "$STAGE/etc" "$STAGE/backups" "$STAGE/blocks"

# --- what is not the same on a stage ---------------------------------------

paths=(
	-e "s,/var/lib/spoa-idempotency,$STAGE/store,g"
	-e "s,/var/backups/spoa-idempotency,$STAGE/backups,g"
	-e "s,/etc/spoa-idempotency/spoa-idempotency.ini,$STAGE/agent.ini,g"
	-e "s,/etc/spoa-idempotency,$STAGE/etc,g"
	-e "s,/etc/haproxy,$STAGE/haproxy,g"
	-e "s,/run/haproxy/admin.sock,$STAGE/stats.sock,g"
	-e "s,http://127.0.0.1:9180/,--unix-socket $STAGE/admin.sock http://localhost/,g"
	-e "s,redis-cli,redis-cli -s $STAGE/redis.sock,g"
	-e 's, -o spoa-idempotency,,g'
)

# tool NAME: what stands in for it is read from standard input.
tool() {
	{
		echo '#!/usr/bin/env bash'
		cat
	} >"$STAGE/bin/$1"
	chmod +x "$STAGE/bin/$1"
}

# doctor finds what is planted: that is no failure of the command.
tool spoa-idempotency <<'END'
if [[ $1 == doctor ]]; then
	env | grep '^IDEMPOTENCY_' >"$STAGE/environment"
	set -- "$@" --haproxy "$STAGE/haproxy/haproxy.cfg" \
		--haproxy-environment "$STAGE/environment"
fi
agent -c "$STAGE/agent.ini" "$@"
status=$?
[[ $1 == doctor && $status == 5 ]] || exit $status
END

tool journalctl <<'END'
[[ $* == "-u spoa-idempotency" ]] && cat "$STAGE/agent.log"
END

# A line of the log is the answer to a reload.
tool systemctl <<'END'
answered() { (($(grep -c 'event=reload' "$STAGE/agent.log") > $1)); }
case $* in
"restart spoa-idempotency") stage stop agent && stage start agent ;;
"stop spoa-idempotency@a") stage stop agent ;;
"stop spoa-idempotency.socket spoa-idempotency.service")
	# One that systemd keeps starting may be down right now.
	[[ ! -e $STAGE/agent.pid ]] || stage stop agent
	;;
"start spoa-idempotency.socket spoa-idempotency.service") stage start agent ;;
"start redis-server") stage start redis ;;
"reload spoa-idempotency")
	before=$(grep -c 'event=reload' "$STAGE/agent.log")
	stage signal agent HUP
	for ((i = 0; i < 1200; i++)); do
		answered "$before" && exit
		sleep 0.1
	done
	exit 1
	;;
*)
	echo "not expected: systemctl $*" >&2
	exit 1
	;;
esac
END

# --- what sections.sh needs -------------------------------------------------

die() {
	echo "$OPERATION_SECTION: $*" >&2
	exit 1
}

# says TEXT: the blocks run so far, or the one before, printed it.
says() {
	grep -qF -- "$1" "$out" || {
		cat "$out"
		die "the commands do not say: $1"
	}
}

# pay KEY [ARGUMENT...]: a request to /payments; prints "status replayed".
pay() {
	stage curl -o "$STAGE/body" \
		-w '%{http_code} %header{idempotency-replayed}\n' -d x \
		-H "Idempotency-Key: $1" "${@:2}" "api:/payments" |
		sed 's/ $//'
}

# paid EXPECTED KEY [ARGUMENT...]
paid() {
	local is
	is=$(pay "${@:2}")
	[[ $is == "$1" ]] || die "$2 is answered $is, not $1: $(cat "$STAGE/body")"
}

# becomes EXPECTED KEY: within the stage's patience.
becomes() {
	local i
	for ((i = 0; i < 1200; i++)); do
		[[ $(pay "$2") == "$1" ]] && return
		sleep 0.1
	done
	die "$2 never is answered $1: $(cat "$STAGE/body")"
}

# --- the walk ----------------------------------------------------------------

# Block number $1 of the section, as it stands in the document.
block() {
	awk -v want="$OPERATION_SECTION" -v number="$1" '
	/^#+ / { section = $0; sub(/^#+ /, "", section) }
	/^ *```$/ { inside = 0 }
	inside && n == number { sub(/^ */, ""); print }
	/^ *```sh$/ && section == want { inside = 1; n++ }' \
		"$OPERATION_DOCUMENT"
}

# run_block NUMBER: its output is in $out.
run_block() {
	block "$1" | sed "${paths[@]}" >"$STAGE/blocks/$1"
	[[ -s $STAGE/blocks/$1 ]] || return 1
	(cd "$STAGE" && bash -euo pipefail "$STAGE/blocks/$1") >"$out" 2>&1 || {
		cat "$out"
		die "block $1 failed"
	}
	cat "$out"
}

printf '/payments required pay\n' >>"$STAGE/haproxy/idempotency.map"
printf '[policy pay]\nlock-ttl = 1h\n' >>"$STAGE/agent.ini"
# shellcheck source=tests/operation/sections.sh
. "$here/sections.sh"
name=${OPERATION_SECTION,,}
name=${name// /_}
name=${name//-/_}
declare -F "before_$name" "after_${name}_1" >/dev/null ||
	die "sections.sh does not know it"
"before_$name"
for ((number = 1; ; number++)); do
	[[ $(block "$number") ]] || break
	run_block "$number"
	"after_${name}_$number"
done
! declare -F "after_${name}_$number" >/dev/null ||
	die "there is no block $number"
