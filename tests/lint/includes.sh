#!/usr/bin/env bash
# Who may include what, and who may read the clock: DESIGN.md, "The shape of
# the code". Nothing points up, and paths start at the root of the repository.
set -euo pipefail

find spoe agent -name '*.[ch]' -print0 | sort -z | xargs -0 awk '
BEGIN {
	codec = "spoe/(span|reader|writer)\\.h$"
	count = "agent/counter\\.h$"
	own["spoe"] = "^spoe/"
	own["core"] = "^(agent/core/|" codec ")"
	bytes = "agent/net/(address|bytes|tls|transport)\\.h$"
	own["store"] = "^(agent/core/|agent/store/|" codec "|" bytes "|" count ")"
	# Redis is reached over sockets: what moves bytes, but not SPOP.
	own["redis"] = "^(agent/core/|agent/store/|" codec "|" count \
		"|agent/net/(address|bytes|endpoint|resolver|tls|transport)\\.h$)"
	own["net"] = "^(spoe/|agent/net/|" count ")"
	own["shell"] = "."

	# The pure layers: what of the system they may see. For the others:
	# libraries that belong to one place only.
	pure = "^<(assert|ctype|endian|inttypes|limits|stdbool|stddef|stdint|string)\\.h>"
	system_["spoe"] = pure
	system_["core"] = pure "|^<(stdlib|strings)\\.h>|^<openssl/|^<isa-l|^<jansson"
	system_["store"] = system_["redis"] = system_["net"] = system_["shell"] = "."
	home["lmdb.h"] = "^agent/store/"
	home["hiredis/"] = "^agent/store/redis"
	home["jansson"] = "^agent/core/canonical"
	home["ini.h"] = "^agent/config"
	home["ev.h"] = "^agent/"
	home["openssl/ssl"] = "^agent/net/tls"
	home["microhttpd"] = "^agent/admin/"
	home["systemd/"] = "^agent/[a-z_]+\\.[ch]$"
}
function complain(text) {
	printf "%s:%d: %s\n", FILENAME, FNR, text
	bad = 1
}
FNR == 1 {
	layer = "shell"
	if (FILENAME ~ /^spoe\//) layer = "spoe"
	else if (FILENAME ~ /^agent\/core\//) layer = "core"
	else if (FILENAME ~ /^agent\/store\/redis/) layer = "redis"
	else if (FILENAME ~ /^agent\/store\//) layer = "store"
	else if (FILENAME ~ /^agent\/net\//) layer = "net"
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	if (part[2] !~ own[layer])
		complain(layer " must not know " part[2])
	if ((getline ignored < part[2]) < 0)
		complain(part[2] " is not a file below the root")
	close(part[2])
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	header = $0
	sub(/^[^<]*/, "", header)
	if (header !~ system_[layer])
		complain(layer " must not include " header)
	for (name in home)
		if (index(header, "<" name) == 1 && FILENAME !~ home[name])
			complain(header " belongs to " home[name])
}
layer != "shell" && /(clock_gettime|gettimeofday|[^_a-z]time) ?\(/ {
	if ($0 !~ /^[ \t]*(\/?\*|\/\/)/)
		complain("only the shell reads the clock")
}
layer == "spoe" && /[^_a-z](malloc|calloc|realloc|strdup|free) ?\(/ {
	complain("spoe does not allocate")
}
END { exit bad }'
