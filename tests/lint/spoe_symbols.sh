#!/bin/sh
# spoe_symbols.sh [LIBSPOE.A]: the library (of $BUILD) exports spoe_* only, and imports no
# more than moving bytes takes: no allocation, no I/O, no clock. A symbol that
# is not on the list below fails the check.
set -eu

library=${1:-${BUILD:?usage: spoe_symbols.sh LIBSPOE.A}/spoe/libspoe.a}
status=0

# Sanitizers and the compiler's own checks bring their run-time along.
imports='spoe_.*|mem(cpy|cmp|set|move|chr)|bcmp|strlen|__assert_fail'
imports="$imports|__stack_chk_fail|__mem(cpy|set|move)_chk"
imports="$imports|_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer|sancov)_.*"
imports="$imports|__(llvm_gcov|gcov|llvm_profile)_.*|__afl_.*"
runtime='(asan|tsan|ubsan|sancov)\..*|__(asan|ubsan|tsan|sancov|odr_asan).*'
runtime="$runtime|__(start|stop)_.*"

report() {
	if [ -n "$2" ]; then
		printf '%s %s:\n%s\n' "$library" "$1" "$2" >&2
		status=1
	fi
}

# An archive that nm cannot read, or one without our symbols, proves nothing.
symbols=$(nm -P "$library")
printf '%s\n' "$symbols" | grep -q '^spoe_session_feed T' ||
	report 'has no spoe_session_feed' "$library"

report 'exports what is not spoe_*' "$(printf '%s\n' "$symbols" |
	awk '$2 ~ /^[A-TV-Z]$/ { print $1 }' | grep -Ev "^(spoe_.*|$runtime)$" |
	sort -u)"
report 'imports' "$(printf '%s\n' "$symbols" |
	awk '$2 ~ /^[Uw]$/ { print $1 }' | grep -Ev "^($imports|$runtime)$" |
	sort -u)"

# Instrumentation keeps tables of its own; without it nothing may be writable.
if ! printf '%s\n' "$symbols" | grep -Eq '__(asan|tsan|ubsan|sancov|gcov)'; then
	report 'has mutable file-scope state' "$(printf '%s\n' "$symbols" |
		awk '$2 ~ /^[BbCDdGgSs]$/ { print $1 }')"
fi
exit $status
