#!/usr/bin/env bash
# Every lint can fail: a tiny project that all are content with, then one
# mistake at a time, each of which its lint has to name.
set -euo pipefail
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BUILD=build
bad=0

# project: lays the tree anew.
project() {
	rm -rf "$work/tree"
	mkdir -p "$work/tree" && cd "$work/tree"
	mkdir -p spoe agent/core haproxy/man tests build/agent
	cp "$root/.clang-format" "$root/.clang-tidy" .
	local start='/* What it does. */'
	printf '%s\n#ifndef A_H\n#define A_H\n\n#include <stdint.h>\n\n' \
		"$start" >spoe/span.h
	printf 'uint8_t spoe_span_a(uint8_t a);\n\n#endif\n' >>spoe/span.h
	printf '#include "spoe/span.h"\n\nuint8_t spoe_span_a(uint8_t a)\n{\n' \
		>spoe/span.c
	printf '\treturn a;\n}\n' >>spoe/span.c
	printf 'A(X, "one", "help")\n' | tee agent/core/verdict.def \
		agent/core/outcome.def agent/core/reason.def agent/log.def \
		agent/options.def agent/messages.def |
		tee README.md haproxy/man/agent.8 haproxy/idempotency.spoe.conf >/dev/null
	printf 'METRIC(X, "spoa_idempotency_one", GAUGE, "", "a", ALL, "help")\n' \
		>agent/metrics.def
	echo 'spoa_idempotency_one' | tee -a README.md haproxy/man/agent.8 >/dev/null
	mkdir -p haproxy/grafana haproxy/prometheus tests/prometheus
	echo '{"panels": [{"expr": "spoa_idempotency_one{a=\"1\"}"}]}' \
		>haproxy/grafana/one.json
	printf 'groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: %s\n' \
		'sum by (a) (spoa_idempotency_one) > 1' >haproxy/prometheus/a.rules.yml
	printf 'rule_files: [../../haproxy/prometheus/a.rules.yml]\ntests: []\n' \
		>tests/prometheus/a_test.yml
	printf 'frontend one\n\tmode http\n\ttimeout client 1s\n%s\n' \
		'	bind 127.0.0.1:1' >haproxy/haproxy.cfg
	printf '#!/bin/sh\necho "$1"\n' >tests/run.sh
	printf '## File map\n\n' >DESIGN.md
	find spoe agent haproxy tests -type f -printf '| `%p` | what |\n' \
		>>DESIGN.md
}

# compile: what the lints look at in a build.
compile() {
	local file objects=build/spoe/CMakeFiles/spoe.dir
	mkdir -p "$objects"
	for file in spoe/*.c; do
		gcc -c -I. -o "$objects/$(basename "$file").o" "$file" \
			2>/dev/null || true
	done
	printf '[{"directory":"%s","file":"%s","command":"cc -I. -c %s"}]\n' \
		"$PWD" spoe/span.c spoe/span.c >build/compile_commands.json
}

# expect LINT PATTERN: the mistake just made is found. Then lays a new tree.
expect() {
	tried+=" $1 "
	compile
	if bash "$root/tests/lint/$1.sh" >"$work/out" 2>&1; then
		echo "$1 does not see: $2"
		bad=1
	elif ! grep -qE -- "$2" "$work/out"; then
		echo "$1 fails without naming: $2"
		cat "$work/out"
		bad=1
	fi
	project
}

# say FILE TEXT: adds a line.
say() {
	printf '%s\n' "$2" >>"$1"
}

tried=
project
compile
for lint in "$root"/tests/lint/*.sh; do
	name=$(basename "$lint" .sh)
	case $name in self_test | spoe_symbols | systemd) continue ;; esac
	if ! bash "$lint" >"$work/out" 2>&1; then
		echo "$name dislikes a project without mistakes"
		cat "$work/out"
		bad=1
	fi
done

say spoe/span.c '#include "agent/core/key.h"'
expect includes 'spoe must not know agent/core/key.h'
say agent/core/key.c '#include <time.h>'
expect includes 'core must not include <time.h>'
say agent/core/key.c '#include "spoe/frame.h"'
expect includes 'core must not know spoe/frame.h'
say agent/main.c '#include <lmdb.h>'
expect includes 'lmdb.h> belongs to'
say spoe/span.c 'static int a = time(0);'
expect includes 'only the shell reads the clock'
say spoe/span.c 'static int *a = malloc(1);'
expect includes 'does not allocate'

say spoe/span.c 'void other(void) {}'
expect symbols 'exports other'
say spoe/span.c 'static int a[9]; int *spoe_span_b(void) { return a; }'
expect symbols 'mutable state in a'

say spoe/span.c 'int  b;'
expect format 'clang-format-violations'
say spoe/span.c "$(printf 'int a(void)\n{\n%s\n}' "$(yes ';' | head -n 81)")"
expect size 'function is longer than 80'
say spoe/span.c "$(yes '/* */' | head -n 600)"
expect size 'file is longer than 600'
say README.md "see /""home/someone/file"
expect private 'README.md:'
say README.md "see https:""//internal.corp/"
expect private 'README.md:'
say tests/run.sh 'echo $1'
expect shellcheck 'SC2086'
say spoe/other.h 'size_t spoe_other(void);'
expect headers 'spoe/other.h does not stand alone'
say spoe/span.c 'int *spoe_span_b(int a) { int *b = &a; return b; }'
expect tidy 'stack memory'
say haproxy/haproxy.cfg '	nonsense'
expect haproxy 'haproxy -c is not content'
say haproxy/haproxy.cfg 'frontend two'
expect haproxy 'haproxy -c is not content'

say spoe/other.c ''
expect filemap 'lacks spoe/other.c'
say DESIGN.md '| `spoe/gone.c` | what |'
expect filemap 'spoe/gone.c names no file'
say DESIGN.md '| `spoe/*.c` | what |'
expect filemap 'one line per file'

dashboard=haproxy/grafana/one.json
rules=haproxy/prometheus/a.rules.yml
sed -i 's/_one/_two/' $dashboard
expect dashboards 'one.json: no metric is called spoa_idempotency_two'
sed -i 's/{a=/{b=/' $dashboard
expect dashboards 'one.json: spoa_idempotency_one has no label b'
sed -i 's/_one{/_one{{/' $dashboard
expect dashboards 'parse error: unexpected left brace'
echo '{' >$dashboard
expect dashboards 'one.json: no dashboard'
sed -i 's/_one/_one_sum/' $rules
expect dashboards 'rules.yml: no metric is called spoa_idempotency_one_sum'
sed -i 's/(a)/(c)/' $rules
expect dashboards 'rules.yml: no metric has a label c'
say $rules '      - nonsense'
expect dashboards 'rules.yml: '
say README.md 'see spoa_idempotency_three'
expect dashboards 'README.md: no metric is called spoa_idempotency_three'
sed -i 's/tests: .*/tests: [{promql_expr_test: [{expr: "1", eval_time: 1m}]}]/' \
	tests/prometheus/a_test.yml
expect dashboards 'a_test.yml: '
say agent/metrics.def 'METRIC(Y, "spoa_idempotency_two", GAUGE, "", "", ALL, "help")'
expect documents 'README.md: nothing on "spoa_idempotency_two"'

for table in core/verdict core/outcome options; do
	say "agent/$table.def" 'B(Y, "two-words", "help")'
	say README.md 'two-words-more'
	expect documents 'README.md: nothing on "two-words"'
done
for table in core/reason log; do
	say "agent/$table.def" 'B(Y, "two words", "help")'
	expect documents 'manual: nothing on "two words"'
done
say agent/messages.def 'B(Y, "two", "help")'
expect documents 'idempotency.spoe.conf: nothing on "two"'

for lint in "$root"/tests/lint/*.sh; do
	name=$(basename "$lint" .sh)
	case $name in self_test | spoe_symbols | systemd) continue ;; esac
	if [[ $tried != *" $name "* ]]; then
		echo "nothing shows that $name can fail"
		bad=1
	fi
done
exit $bad
