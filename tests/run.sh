#!/usr/bin/env bash
# Builds with warnings as errors, checks the sources, and runs every test:
# gcc and clang, with the sanitizers. Installs what is missing (tests/setup.sh).
#
#     tests/run.sh [--quick] [--only REGEX]
#
# --quick       gcc with ASan and UBSan only; no fuzzing, no clang-tidy, no package, no bench,
#               and only the HAProxy that is installed: all that needs no root
# --only REGEX  lints, tests and fuzz targets whose name matches
#
# The last line counts everything; any failed or skipped test is a failure.
# What a failing test printed stands just above it.
set -uo pipefail
exec </dev/null
cd "$(dirname "$0")/.." || exit 1

quick=false
only=
while (($#)); do
	case $1 in
	--quick) quick=true ;;
	--only)
		only=${2:?--only needs a regular expression}
		shift
		;;
	*)
		sed -n 's/^# \{0,1\}//; 2,12p' "$0"
		exit 2
		;;
	esac
	shift
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
jobs=$(nproc)
passed=0 failed=0 skipped=0
failures=()

export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
# Tests fork processes that start threads of their own.
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0

# clang 14's sanitizers cannot start at some random addresses of newer kernels.
fixed=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
	fixed=(setarch "$(uname -m)" -R)
fi

# report RESULT NAME SECONDS [DETAIL]
report() {
	printf '%-7s %-42s %4s s  %s\n' "$1" "$2" "$3" "${4-}"
}

# fail NAME FILE: remembers what failed and what it printed.
fail() {
	failures+=("$1")
	{
		printf '\n--- %s: its last lines ---\n' "$1"
		tail -n 60 "$2"
	} >>"$work/failures"
}

# step NAME COMMAND...: one thing that works or does not.
step() {
	local name=$1 start=$SECONDS
	shift
	if "$@" >"$work/step.log" 2>&1; then
		report ok "$name" $((SECONDS - start))
		return 0
	fi
	report FAILED "$name" $((SECONDS - start))
	fail "$name" "$work/step.log"
	return 1
}

# counted_step NAME COMMAND...: the same, as one test.
counted_step() {
	if step "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
}

# build DIRECTORY CC OPTION...
build() {
	local dir=$1 cc=$2
	shift 2
	step "configure $dir" env CC="$cc" cmake -S . -B "$dir" -G Ninja \
		-DWERROR=ON "$@" &&
		step "build $dir" cmake --build "$dir" --parallel "$jobs" \
			-- --quiet &&
		return 0
	failed=$((failed + 1))
	return 1
}

# count_tests STDOUT LOG DIRECTORY: what ctest says of each test, one line each:
# `passed failed skipped name`. A cmocka program counts as many as it ran; any
# other program is one. Puts each failing test's output in DIRECTORY.
count_tests() {
	awk -v dir="$3" '
	# On its standard output ctest names the result,
	FNR == NR {
		if (match($0, /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: /)) {
			split(substr($0, RLENGTH + 1), word, " ")
			line[word[1]] = $0
			result[word[1]] = \
				/\*\*\*(Skipped|Not Run \(Disabled\))/ ? "skipped" : \
				/\*\*\*|Not Run/ ? "failed" : "passed"
		}
		next
	}
	# in its log what the test has printed.
	/^[0-9]+\/[0-9]+ Testing: / {
		name = $3; p = f = s = 0; output = ""; inside = 0
	}
	/^Output:$/ { inside = 1; next }
	/^<end of output>$/ { inside = 0 }
	inside {
		output = output $0 "\n"
		if (/^\[  PASSED  \] [0-9]+ test\(s\)/) p += $4
		if (/^\[  FAILED  \] [0-9]+ test\(s\)/) f += $4
		if (/^\[  SKIPPED \] [0-9]+ test\(s\)/) s += $4
	}
	/^".*" time elapsed:/ && name in result {
		if (result[name] == "failed" && f == 0) f = 1
		if (result[name] == "skipped" && s == 0) s = 1
		if (p + f + s == 0) p = 1
		print p, f, s, name
		if (f) print output line[name] > (dir "/" name ".out")
		delete result[name]
	}
	END { for (name in result) print 0, 1, 0, name }' "$1" "$2"
}

# run_tests BUILD NAME CTEST_OPTION... Many tests wait more than they work.
run_tests() {
	local dir=$1 label="tests $1 $2" start=$SECONDS p=0 f=0 s=0 a b c name
	shift 2
	mkdir -p "$work/$dir"
	rm -f "$dir/Testing/Temporary/LastTest.log"
	"${fixed[@]}" ctest --test-dir "$dir" --timeout 300 -j $((3 * jobs)) \
		${only:+-R "$only"} "$@" >"$work/ctest.log" 2>&1
	local status=$?
	if [[ -f $dir/Testing/Temporary/LastTest.log ]]; then
		count_tests "$work/ctest.log" "$dir/Testing/Temporary/LastTest.log" "$work/$dir" \
			>"$work/counts"
	else
		: >"$work/counts"
	fi
	while read -r a b c name; do
		p=$((p + a)) f=$((f + b)) s=$((s + c))
		if ((b)); then
			: >>"$work/$dir/$name.out"
			fail "$label: $name" "$work/$dir/$name.out"
		elif ((c)); then
			failures+=("$label: $name (skipped)")
		fi
	done <"$work/counts"
	# A run without a test, or one that ctest did not like for a reason that
	# no test shows, is a failure of its own.
	if ((f == 0)) && { ((status != 0 && s == 0)) ||
		[[ -z $only && ! -s $work/counts ]]; }; then
		f=1
		fail "$label" "$work/ctest.log"
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	report "$( ((f + s)) && echo FAILED || echo ok)" "$label" \
		$((SECONDS - start)) "$p passed, $f failed, $s skipped"
}

# run_lints BUILD: each script of tests/lint/ is one test. They find the build
# in $BUILD.
run_lints() {
	local lint name
	for lint in tests/lint/*.sh; do
		name=$(basename "$lint" .sh)
		if [[ $name == tidy ]] && $quick; then
			continue
		fi
		if [[ "lint $name" =~ $only ]]; then
			counted_step "lint $name" env BUILD="$1" bash "$lint"
		fi
	done
}

# newest BUILD: the plays, each a test, with the newest HAProxy that Debian has.
newest() {
	local label="tests newest HAProxy" start=$SECONDS p=0 f=0
	: >"$work/newest"
	bash tests/matrix/run.sh --only newest --native "$1" --minutes 7 \
		--results "$work/newest" >"$work/newest.log" 2>&1
	local status=$?
	p=$(grep -c '^ok ' "$work/newest")
	f=$(grep -c '^FAILED ' "$work/newest")
	if ((status != 0 && f == 0)) || ((p + f == 0)); then
		f=$((f + 1))
	fi
	if ((f)); then
		fail "$label" "$work/newest.log"
	fi
	passed=$((passed + p)) failed=$((failed + f))
	report "$( ((f)) && echo FAILED || echo ok)" "$label" \
		$((SECONDS - start)) \
		"$p passed, $f failed: $(sed -n 's/^| \([0-9.]*\) .*/HAProxy \1/p' \
			"$work/newest.log" | tail -n 1)"
}

# fuzz BUILD SECONDS: every target for a moment, from its seeds on. New inputs
# go to a directory of this run; a crash's input is printed by libFuzzer.
fuzz() {
	local target name
	for target in "$1"/tests/fuzz/*_fuzz; do
		name=$(basename "$target")
		if [[ -x $target && "fuzz $name" =~ $only ]]; then
			mkdir -p "$work/corpus/$name"
			counted_step "fuzz $name" "${fixed[@]}" "$target" \
				-max_total_time="$2" -timeout=10 -rss_limit_mb=1024 \
				-print_final_stats=1 -verbosity=0 \
				-artifact_prefix="$work/" "$work/corpus/$name" \
				"tests/fuzz/seeds/${name%_fuzz}"
		fi
	done
}

# totals: what failed, what it printed, and the one line that counts.
totals() {
	if ((${#failures[@]})); then
		if [[ -s $work/failures ]]; then
			cat "$work/failures"
		fi
		printf '\n'
		printf 'FAILED: %s\n' "${failures[@]}"
	fi
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	((passed > 0 && failed == 0 && skipped == 0))
}

if ! step setup bash tests/setup.sh; then
	failed=1
	totals
	exit 1
fi

sanitize=-DSANITIZE=address,undefined
if build build-gcc gcc; then
	run_lints build-gcc
fi
if build build-gcc-asan gcc "$sanitize"; then
	run_tests build-gcc-asan all
fi
if ! $quick && [[ package =~ $only ]]; then
	counted_step package bash tests/package/run.sh build-gcc
fi
# That it runs; what it measures here means nothing.
if ! $quick && [[ bench =~ $only ]]; then
	counted_step bench bash tests/bench/run.sh --seconds 1 --rounds 1 --records 0
fi
if ! $quick && [[ newest =~ $only ]]; then
	newest build-gcc
fi
if ! $quick; then
	if build build-clang-asan clang "$sanitize" -DFUZZING=ON; then
		run_tests build-clang-asan unit -LE 'integration|failover'
		fuzz build-clang-asan 4
	fi
	if build build-clang-tsan clang -DSANITIZE=thread; then
		run_tests build-clang-tsan threads -E '^(spoe|core|net|sim)_' \
			-LE 'integration|failover'
	fi
fi
totals
