#!/usr/bin/env bash
# The dashboards (haproxy/grafana/) and alert rules (haproxy/prometheus/) ask for
# what there is: each metric they name, and each label, is in agent/metrics.def,
# and so is each metric that README.md names. promtool understands every
# expression, and the alerts do what tests/prometheus/ says.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

complain() {
	echo "$1"
	bad=1
}

dashboards=(haproxy/grafana/*.json)
rules=(haproxy/prometheus/*.rules.yml)

# One expression a line, from "FILE" and from its text as one line.
for dashboard in "${dashboards[@]}"; do
	if ! jq -er '.. | objects | select(has("expr")) | .expr' "$dashboard" \
		>"$work/exprs" 2>"$work/out"; then
		complain "$dashboard: no dashboard: $(head -n 1 "$work/out")"
		continue
	fi
	sed "s|^|$dashboard |" "$work/exprs" >>"$work/all"
	# The metrics that its variables look for.
	jq -r '.templating.list[]?.definition // empty' "$dashboard" |
		sed "s|^|$dashboard |" >>"$work/all"
	# As rules, so that promtool reads them.
	jq '{groups: [{name: "x", rules: [[.. | objects | select(has("expr")) |
		.expr | gsub("[$]__rate_interval"; "5m")] | to_entries[] |
		{record: "x:n\(.key)", expr: .value}]}]}' "$dashboard" \
		>"$work/rules.yml"
	promtool check rules "$work/rules.yml" >"$work/out" 2>&1 ||
		complain "$dashboard: $(grep -v '^ *$' "$work/out")"
done
for file in "${rules[@]}"; do
	promtool check rules "$file" >"$work/out" 2>&1 ||
		complain "$file: $(grep -v '^ *$' "$work/out")"
	printf '%s %s\n' "$file" "$(grep -v '^ *#' "$file" | tr '\n' ' ')" \
		>>"$work/all"
done
for file in tests/prometheus/*_test.yml; do
	promtool test rules "$file" >"$work/out" 2>&1 ||
		complain "$file: $(grep -v '^ *$' "$work/out")"
done
printf 'README.md %s\n' "$(tr '\n' ' ' <README.md)" >>"$work/all"

# NAME KIND LABELS... of each metric
tr '\n' ' ' <agent/metrics.def | grep -oE \
	'\<METRIC\([^"]*"[^"]*",[^"]*"[^"]*",\s*"[^"]*"' |
	sed -E 's/[^"]*"([^"]*)",\s*([A-Z]+),[^"]*"[^"]*",\s*"([^"]*)"/\1 \2 \3/' \
		>"$work/table"

awk '
FNR == NR {
	labels[$1] = " job instance le "
	for (i = 3; i <= NF; i++)
		labels[$1] = labels[$1] $i " "
	any = any labels[$1]
	kind[$1] = $2
	next
}
function complain(text) {
	print $1 ": " text
	bad = 1
}
# The row of a sample: a histogram has three.
function row_of(name,    base) {
	base = name
	sub(/_(bucket|sum|count)$/, "", base)
	return name in kind ? name : kind[base] == "HISTOGRAM" ? base : ""
}
function check_matchers(name, text,    n, i, part) {
	n = split(text, part, ",")
	for (i = 1; i <= n; i++) {
		sub(/ *[=!~].*/, "", part[i])
		gsub(/ /, "", part[i])
		if (index(labels[name], " " part[i] " ") == 0)
			complain(name " has no label " part[i])
	}
}
{
	rest = $0
	while (match(rest, /(spoa_idempotency|process)_[a-z_]+[a-z]([{][^}]*[}])?/)) {
		found = substr(rest, RSTART, RLENGTH)
		rest = substr(rest, RSTART + RLENGTH)
		name = found
		sub(/[{].*/, "", name)
		row = row_of(name)
		if (row == "" && $1 == "README.md" && name ~ /^process_/)
			continue
		if (row == "")
			complain("no metric is called " name)
		else if (found ~ /[{]/)
			check_matchers(row, substr(found, length(name) + 2, \
				length(found) - length(name) - 2))
	}
	rest = $0
	while (match(rest, /by [(][^)]*[)]/)) {
		found = substr(rest, RSTART + 4, RLENGTH - 5)
		rest = substr(rest, RSTART + RLENGTH)
		n = split(found, part, /, */)
		for (i = 1; i <= n; i++)
			if (index(any, " " part[i] " ") == 0)
				complain("no metric has a label " part[i])
	}
}
END { exit bad }' "$work/table" "$work/all" || bad=1
exit $bad
