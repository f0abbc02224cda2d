#!/usr/bin/env bash
# One fact, one place: every row of the tables is in the documents.
#
#                       README.md   manual   haproxy/
#     verdicts          x           x        haproxy.cfg
#     outcomes          x           x
#     options           x           x
#     reasons                       x
#     metrics           x           x
#     log events                    x
#     message arguments                      idempotency.spoe.conf
set -euo pipefail

bad=0

# rows TABLE [MACRO]: the first string of each row; words, not comments.
rows() {
	sed -e 's|/\*.*\*/||' -e '/\/\*/,/\*\//d' "$1" | tr '\n' ' ' |
		grep -oE "\<${2-[A-Z_]+}\([^\"]*\"[^\"]*\"" |
		sed -e 's/^[^"]*"//' -e 's/"$//' | grep .
}

# has DOCUMENT TEXT: as words of its own; line ends and mdoc's escapes aside.
has() {
	awk -v text="$2" '
	{ rest = rest $0 " " }
	END {
		gsub(/\\/, "", rest)
		gsub(/[ \t]+/, " ", rest)
		rest = " " rest
		word = "[A-Za-z0-9_-]"
		while ((at = index(rest, text)) > 0) {
			if (substr(rest, at - 1, 1) !~ word &&
			    substr(rest, at + length(text), 1) !~ word)
				exit 0
			rest = substr(rest, at + 1)
		}
		exit 1
	}' "$1"
}

# need TABLE DOCUMENT [MACRO]
need() {
	local row
	if [[ ! -r $1 || ! -r $2 ]]; then
		echo "cannot compare $1 with ${2##*/}: one of them is not there"
		bad=1
		return
	fi
	while read -r row; do
		if ! has "$2" "$row"; then
			echo "${2##*/}: nothing on \"$row\" of $1"
			bad=1
		fi
	done < <(rows "$1" "${3-[A-Z_]+}")
}

work=$(mktemp -d)
manual=$work/manual
trap 'rm -rf "$work"' EXIT
cat haproxy/man/*.[1-8] >"$manual" 2>/dev/null || true
if [[ ! -s $manual ]]; then
	echo "haproxy/man/: no manual pages"
	bad=1
else
	need agent/core/reason.def "$manual"
	need agent/log.def "$manual"
fi
for document in README.md "$manual"; do
	need agent/core/verdict.def "$document"
	need agent/core/outcome.def "$document"
	need agent/options.def "$document"
	need agent/metrics.def "$document" METRIC
done
need agent/core/verdict.def haproxy/haproxy.cfg
need agent/messages.def haproxy/idempotency.spoe.conf
exit $bad
