#!/usr/bin/env bash
# Makes the certificates of a test in DIRECTORY. All keys are made anew and
# thrown away with the test.
#
#     certificates.sh DIRECTORY
#
#     ca.pem                    who signs the ones below
#     agent.pem, agent.key      a server: agent.test, 127.0.0.1, ::1
#     agent-both.pem            both in one file, as HAProxy likes them
#     client.pem                a client, with its key
#     node.pem, node.key        a server that is a client of others like it
#     expired.pem               a server whose time is over, with its key
#     other-ca.pem, other.pem   another CA, and a server and client of it
#     locked.key                agent.key under a pass phrase
set -euo pipefail
cd "$1"
log=certificates.log

say_why() {
	cat "$log" >&2
}
trap say_why ERR

# key FILE
key() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
		-out "$1" >>"$log" 2>&1
}

# authority NAME
authority() {
	key "$1.key"
	openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 30 \
		-addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign,cRLSign \
		-out "$1.pem" >>"$log" 2>&1
}

# signed NAME CA DAYS USAGE SUBJECT [ALTERNATIVE_NAMES]
signed() {
	local extensions="extendedKeyUsage=$4" time=(-days "$3")
	# From OpenSSL 3.4 on a certificate that is over has to say when it began.
	if (($3 < 0)) && openssl x509 -help 2>&1 | grep -- -not_after >/dev/null; then
		time=(-not_before 20200101000000Z -not_after 20200102000000Z)
	fi
	if [[ ${6-} ]]; then
		extensions+=$'\n'"subjectAltName=$6"
	fi
	key "$1.key"
	openssl req -new -key "$1.key" -subj "/CN=$5" -out "$1.csr" \
		>>"$log" 2>&1
	openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" \
		-set_serial "0x$(openssl rand -hex 8)" "${time[@]}" \
		-extfile <(echo "$extensions") -out "$1.pem" >>"$log" 2>&1
}

# with_key NAME: into the file of its certificate.
with_key() {
	cat "$1.key" >>"$1.pem"
}

names=DNS:agent.test,IP:127.0.0.1,IP:::1
authority ca
authority other-ca
signed agent ca 30 serverAuth agent.test "$names"
signed client ca 30 clientAuth haproxy.test
signed node ca 30 serverAuth,clientAuth agent.test "$names"
signed expired ca -1 serverAuth agent.test "$names"
signed other other-ca 30 serverAuth,clientAuth agent.test "$names"
cat agent.pem agent.key >agent-both.pem
openssl pkey -in agent.key -aes256 -passout pass:secret -out locked.key \
	>>"$log" 2>&1
for name in client expired other; do
	with_key "$name"
done
