#!/usr/bin/env bash
# Checks the model of the lock's protocol (lock.pml) with spin: it keeps its
# promises in every variant, breaks one with every sabotage (a model that cannot
# fail shows nothing), and what it says it mirrors is in the sources.
#
#     check.sh [VARIANT...]      e.g. check.sh hold sabotage-7
#
# On a failure it prints the steps that lead there.
set -uo pipefail
exec </dev/null
here=$(realpath "$(dirname "$0")")
model=$here/lock.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# NAME [SETTING=...]: no promise is broken.
kept() {
	cat <<-'END'
		hold WAITS=1
		hold-release ON_UNKNOWN=1
		hold-seal ON_UNKNOWN=2
		hold-expires RESPONSE_TTL=2
		hold-three ATTEMPTS=3 LATE=0 HORIZON=2
		retry HOLD=0
		retry-three HOLD=0 ATTEMPTS=3 LATE=0 HORIZON=2
		no-notices NOTICED=0 HOLD=0
		formula HORIZON=2
	END
}

# NAME [SETTING=...]: a rule is broken, and a promise with it.
broken() {
	cat <<-'END'
		sabotage-1 anybody settles a lock
		sabotage-2 ON_UNKNOWN=1 a settle takes any state for the one it wants
		sabotage-3 a held lock is taken over after its deadline
		sabotage-4 only locks are in the way of a claim
		sabotage-5 a lock that ran out on its way is granted
		sabotage-6 a failed claim is answered proceed
		sabotage-7 a notice does not look at the retries
		sabotage-8 a notice confirms what was cut
		sabotage-9 a claim looks first, and writes later
		sabotage-10 a lock is given back after proceed was told
		sabotage-11 HOLD=0 an expired lock is settled
		sabotage-12 HOLD=0 a takeover keeps the old owner
		sabotage-13 what is settled is settled again
		sabotage-14 a notice releases after a response
		sabotage-15 as 13, and only the formula looks
	END
}

# run NAME [SETTING=...]: its result is the last line of NAME/log.
run() {
	local name=$1 settings=() word look=("$work/pan")
	shift
	for word; do
		[[ $word == *=* ]] && settings+=("$word")
	done
	case $name in
	formula | sabotage-15) look=("$work/pan-formula" -a) ;;
	esac
	case $name in
	sabotage-*) settings+=("SABOTAGE=${name#*-}") ;;
	esac
	mkdir "$work/$name" && cd "$work/$name" || return 1
	env "${settings[@]}" "${look[@]}" -w21 -m10000 >log 2>&1
	if grep -q 'errors: 0$' log && ! grep -qE 'too small|aborting' log; then
		echo kept >>log
	elif grep -qE 'assertion violated|acceptance cycle' log; then
		env "${settings[@]}" "${look[@]}" -r lock.pml.trail >trail 2>&1
		echo broken >>log
	else
		echo neither >>log
	fi
}

# judge WANTED NAME [WORD...]
judge() {
	local wanted=$1 name=$2 result states
	shift 2
	result=$(tail -n 1 "$work/$name/log")
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/$name/log")
	if [[ $result == "$wanted" ]]; then
		printf 'ok      %-12s %8s states  %s\n' "$name" "$states" "$*"
		return 0
	fi
	printf 'FAILED  %-12s promises should be %s, are: %s  %s\n' "$name" \
		"$wanted" "$result" "$*"
	tail -n 30 "$work/$name/log"
	[[ -e $work/$name/trail ]] &&
		grep -E ' proc |assert' "$work/$name/trail" | tail -n 60
	return 1
}

# all WANTED: the variants on standard input, two at a time.
all() {
	local wanted=$1 line words bad=0 lines=()
	while read -r line; do
		read -ra words <<<"$line"
		if [[ $chosen && " $chosen " != *" ${words[0]} "* ]]; then
			continue
		fi
		lines+=("$line")
		while (($(jobs -rp | wc -l) >= 2)); do
			wait -n
		done
		(run "${words[@]}") &
	done
	wait
	for line in "${lines[@]}"; do
		read -ra words <<<"$line"
		judge "$wanted" "${words[@]}" || bad=1
	done
	return $bad
}

# What the model says it mirrors: `name()` is defined in the file (in a .def it
# is the row), anything else stands in it.
mirrors() {
	local file name bad=0 n=0
	while IFS=$'\t' read -r file name; do
		n=$((n + 1))
		if [[ ! -e $here/../../$file ]]; then
			echo "FAILED  lock.pml mirrors $file, which is not there"
			bad=1
		elif [[ $name == *'()' ]]; then
			grep -qE "^[[:alnum:]_].*\b${name%()}\(" "$here/../../$file"
		else
			grep -qF -- "$name" "$here/../../$file"
		fi || {
			echo "FAILED  lock.pml mirrors $name, which is not in $file"
			bad=1
		}
	done < <(awk '
		/mirrors [^ ]+: / { on = 1; sub(/.*mirrors /, "")
			file = $1; sub(/:$/, "", file); sub(/^[^ ]+ /, "") }
		on {
			more = /, *$/
			end = /\*\/ *$/
			gsub(/^ *\* */, ""); gsub(/ *\*\/ *$/, ""); sub(/\. .*/, "")
			n = split($0, part, /, */)
			for (i = 1; i <= n; i++) {
				sub(/\.$/, "", part[i])
				if (part[i] != "") print file "\t" part[i]
			}
			if (!more || end) on = 0
		}' "$model")
	((n > 20)) || { echo "FAILED  lock.pml mirrors only $n things"; bad=1; }
	return $bad
}

command -v spin >/dev/null || {
	echo "FAILED  spin is not installed (tests/setup.sh)"
	exit 1
}
chosen=$*
bad=0
mirrors || bad=1
cd "$work" || exit 1
{
	spin -a "$model" &&
		gcc -w -O2 -DMEMLIM=1500 -DSAFETY -DNOCLAIM -o pan pan.c &&
		gcc -w -O1 -DMEMLIM=1500 -o pan-formula pan.c
} >compiled 2>&1 || {
	head -n 20 compiled
	echo "FAILED  the model does not compile"
	exit 1
}
all kept < <(kept) || bad=1
all broken < <(broken) || bad=1
exit $bad
