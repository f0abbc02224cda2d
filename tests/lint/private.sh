#!/usr/bin/env bash
# No path of somebody's machine, and no host that is not a public reference or
# made for examples, in any file.
set -euo pipefail

paths='(^|[^[:alnum:]_.~/-])/(work|home|root|check|mnt|Users|builds)/[[:alnum:]_.-]'
hosts='(localhost|api|upstream|127\.[0-9.]+|0\.0\.0\.0|\[::1?\]|[a-z0-9.-]*example(\.(com|net|org))?'
hosts+='|[a-z0-9.-]*\.(test|invalid)|([a-z]+\.)?(haproxy\.(org|com)|rfc-editor\.org'
hosts+='|ietf\.org|apache\.org|debian\.org|keepachangelog\.com|semver\.org'
hosts+='|freedesktop\.org|github\.com|gofiber\.io|aws\.amazon\.com)|brandur\.org)'

bad=0
while read -r hit; do
	echo "$hit"
	bad=1
done < <(
	find . \( -name .git -o -name 'build*' \) -prune -o -type f ! -name LICENSE \
		! -path './tests/lint/private.sh' -print0 |
		xargs -0 grep -InE -e "$paths" \
			-e 'https?://[^/[:space:]"'"'"'`>)]+' -o |
		grep -vE "https?://$hosts(:[0-9]+)?(:?[\$%{}].*)?\$" |
		grep -vE 'https?://[\$%{<]' || true
)
exit $bad
