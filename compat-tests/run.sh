#!/usr/bin/env bash
# Installs what is missing and runs every test: formatting, lints, unit tests, and the scenarios
# against real engines.
#
#   compat-tests/run.sh [--engine 20.10|26.1|28.5|all] [NAME…]
#
# A NAME is a filter, as `cargo nextest run` takes it; with one, only tests that match it run.
set -euo pipefail
cd "$(dirname "$0")/.."
source compat-tests/lib.sh

engines=(20.10 26.1 28.5)
names=()
while (($#)); do
    case $1 in
        --engine)
            [[ ${2:-} =~ ^(20\.10|26\.1|28\.5|all)$ ]] || {
                echo "run.sh: --engine takes 20.10, 26.1, 28.5 or all" >&2
                exit 64
            }
            [[ $2 == all ]] || engines=("$2")
            shift
            ;;
        -*)
            echo "run.sh: unknown option $1" >&2
            exit 64
            ;;
        *) names+=("$1") ;;
    esac
    shift
done

# What the tests need beside cargo; the engines' script brings its own.
need curl curl gcc gcc patch patch python3 python3 qemu-aarch64 qemu-user
cargo nextest --version >/dev/null 2>&1 || {
    say "install cargo-nextest"
    cargo install --locked cargo-nextest
}

if ((${#names[@]} == 0)); then
    say "formatting and lints"
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --quiet -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet
fi

if ((${#names[@]} == 0)); then
    # Running them takes minutes; that they still apply, a second.
    compat-tests/mutants.sh --check
fi

say "unit and process tests"
cargo nextest run --package refit --no-tests=warn "${names[@]}"

say "engines ${engines[*]}"
# Only those that this run started are stopped by it.
started=()
for version in "${engines[@]}"; do
    compat-tests/engines.sh is-up "$version" >/dev/null 2>&1 || started+=("$version")
done
stop_engines() {
    if ((${#started[@]})); then
        say "stop engines ${started[*]}"
        compat-tests/engines.sh down "${started[@]}"
    fi
}
trap stop_engines EXIT
sockets=$(compat-tests/engines.sh up "${engines[@]}")
echo "$sockets"
eval "$(compat-tests/engines.sh env)"

say "build"
REFIT_BIN=$(refit_binary .)
export REFIT_BIN
cargo nextest run --package compat-tests --no-run

# scenarios VERSION FILTERSET: runs those of the scenarios on an engine. One at a time: each starts a
# Refit, which recovers what it finds unfinished.
scenarios() {
    REFIT_ENGINE=$(awk -v v="$1" '$1 == v { print $2 }' <<<"$sockets") \
        cargo nextest run --package compat-tests --no-fail-fast --no-tests=warn --test-threads 1 \
        --filterset "$2" "${names[@]}"
}

# Where calls meet faults, time is short: one engine at a time.
hurried='binary(faults) and test(/_meets_/)'
# The others mostly wait for the engines, which mind no neighbours.
logs=$(mktemp -d)
progress() {
    local version line
    for version in "${engines[@]}"; do
        line=$(grep -E '^ *(PASS|FAIL|TIMEOUT|SLOW)' "$logs/$version" | tail -n 1)
        say "$version: ${line:-builds}"
    done
}
running=()
say "scenarios on Docker ${engines[*]}, side by side"
for version in "${engines[@]}"; do
    scenarios "$version" "not ($hurried) and not binary(soak)" >"$logs/$version" 2>&1 &
    running+=($!)
done
while [[ $(jobs -pr) ]]; do
    sleep 30
    progress
done
failed=()
for n in "${!engines[@]}"; do
    wait "${running[n]}" || failed+=("${engines[n]}")
    say "those on Docker ${engines[n]}"
    cat "$logs/${engines[n]}"
done
rm -r "$logs"

for version in "${engines[@]}"; do
    say "faults on Docker $version"
    scenarios "$version" "$hurried" || failed+=("$version")
done
# It tells of Refit rather than of an engine.
say "the soak, on Docker ${engines[-1]}"
scenarios "${engines[-1]}" 'binary(soak)' || failed+=("${engines[-1]}")
if ((${#failed[@]})); then
    say "failed on ${failed[*]}"
    exit 1
fi
say "all passed on Docker ${engines[*]}"
