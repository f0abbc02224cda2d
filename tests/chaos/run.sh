#!/usr/bin/env bash
# The random-fault run (chaos.sh).
#
#     tests/chaos/run.sh AGENT TOOLS [--seconds N] [--seed N] [--store NAME]...
#
# --seconds N   for each store; 300 unless said otherwise
# --seed N      what goes wrong and when; one of its own unless said otherwise
# --store NAME  none or commit (LMDB with that durability) or redis; all of them
#               unless said otherwise
# --sabotage    shows that a second execution is noticed: runs an agent that is
#               configured to allow it, and fails if nothing was found
#
# AGENT is the program, TOOLS the directory where tests/ was built.
set -uo pipefail
exec </dev/null
here=$(realpath "$(dirname "$0")")
seconds=300 seed=$((RANDOM * 32768 + RANDOM)) stores=() sabotage=0

usage() {
	sed -n 's/^# \{0,1\}//; 2,15p' "$0"
	exit 2
}

(($# >= 2)) || usage
agent=$1 tools=$(realpath "$2")
shift 2
while (($#)); do
	case $1 in
	--seconds) seconds=${2:?} ;;
	--seed) seed=${2:?} ;;
	--store) stores+=("${2:?}") ;;
	--sabotage)
		sabotage=1
		shift
		continue
		;;
	*) usage ;;
	esac
	shift 2
done
((${#stores[@]})) || stores=(none commit redis)

export CHAOS_SECONDS=$seconds CHAOS_SEED=$seed CHAOS_SABOTAGE=$sabotage
export CHAOS_LOAD=$tools/chaos/load CHAOS_TOOLS=$tools/tools
bad=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for store in "${stores[@]}"; do
	CHAOS_STORE=$store bash "$here/../integration/run-vtc.sh" "$agent" \
		"$tools/tools/upstream" "$here/chaos.sh" >"$log" 2>&1
	result=$?
	if ((sabotage)); then
		if grep -q 'executed [0-9]* times' "$log"; then
			echo "$store: the second executions were noticed"
			continue
		fi
		echo "FAILED $store: no second execution was noticed"
		result=1
	fi
	if ((result)); then
		bad=1
		cat "$log"
		echo "FAILED $store: again with --seed $seed --store $store"
	else
		grep ' faults$' "$log"
	fi
done
exit $bad
