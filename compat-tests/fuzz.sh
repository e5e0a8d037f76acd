#!/usr/bin/env bash
# Fuzzes the relay: `fuzz/` compares how it reads requests with how Go's net/http and hyper do.
#
#   compat-tests/fuzz.sh [SECONDS]   run every target for so long (default: 60), from the seeds in the
#                                    repository and from what earlier runs have found
#   compat-tests/fuzz.sh build       only build them
#
# It takes the nightly toolchain, and does nothing where there is none. REFIT_FUZZ_TARGET is the build
# folder (default: fuzz in the tree's own); what is found goes to fuzz/corpus, crashes to fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."
source compat-tests/lib.sh

duration=${1:-60}
[[ $duration =~ ^([1-9][0-9]*|build)$ ]] || {
    echo "fuzz.sh: SECONDS is a number, or build" >&2
    exit 64
}

rustup run nightly rustc --version >/dev/null 2>&1 || {
    say "no nightly toolchain: nothing is fuzzed"
    echo "0 passed, 0 failed"
    exit 0
}
need g++ g++
cargo fuzz --version >/dev/null 2>&1 || {
    say "install cargo-fuzz"
    cargo install --locked cargo-fuzz
}

# There is no unsafe code to sanitise, and without it there are twice as many executions.
build=(--sanitizer none --target-dir "${REFIT_FUZZ_TARGET:-$PWD/target/fuzz}")
say "build"
nice cargo +nightly fuzz build "${build[@]}"
[[ $duration != build ]] || exit 0

log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0
failed=0
for target in heads framing routing; do
    say "fuzz $target for $duration s"
    mkdir -p "fuzz/corpus/$target"
    status=0
    nice cargo +nightly fuzz run "${build[@]}" "$target" \
        "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -dict=fuzz/http.dict -max_len=8192 -max_total_time="$duration" -timeout=10 \
        -rss_limit_mb=1024 -print_final_stats=1 >"$log" 2>&1 || status=$?
    final() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1; }
    executions=$(final number_of_executed_units)
    coverage=$(sed -n 's/^#.* cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
    # A run that executed nothing has shown nothing.
    if ((status == 0 && ${executions:-0} > 0)); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        tail -n 40 "$log" >&2
    fi
    printf '%-8s %10s executions, %6s a second, %5s edges, %4s MB\n' "$target" \
        "${executions:-0}" "$(final average_exec_per_sec)" "${coverage:-0}" "$(final peak_rss_mb)"
done
echo "$passed passed, $failed failed"
((failed == 0))
