#!/usr/bin/env bash
# Installs what is missing and runs every test: formatting, lints, unit tests, the scenarios against
# real engines, others' test suites directly and through Refit, and the fuzzers.
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

# What the tests need beside cargo; the engines' script brings its own. Also what parts that run side by
# side would ask for: only one at a time can install.
need curl curl gcc gcc patch patch python3 python3 qemu-aarch64 qemu-user systemd-analyze systemd \
    column bsdextrautils g++ g++ node nodejs npm npm
need_nextest
need_venv

# Others' suites prune: they have an engine to themselves. How many of their tests must pass is known
# of this version.
others=()
((${#names[@]})) || [[ " ${engines[*]} " != *" 26.1 "* ]] || others=(26.1b)

# Only those that this run starts are stopped by it. Making their roots takes minutes of waiting for
# packages, which the lints and unit tests need not wait for.
logs=$(mktemp -d)
started=()
for version in "${engines[@]}" "${others[@]}"; do
    compat-tests/engines.sh is-up "$version" >/dev/null 2>&1 || started+=("$version")
done
compat-tests/engines.sh up "${engines[@]}" "${others[@]}" >"$logs/sockets" 2>"$logs/engines" &
starting=$!
declare -A running=()
clean_up() {
    wait "$starting" || true
    # Each part that runs beside others is a process group.
    local pid
    for pid in "${running[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
    rm -r "$logs"
    if ((${#started[@]})); then
        say "stop engines ${started[*]}"
        compat-tests/engines.sh down "${started[@]}"
    fi
}
trap clean_up EXIT

if ((${#names[@]} == 0)); then
    say "formatting and lints"
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --quiet -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet
    # Running them takes minutes; that they still apply, a second.
    compat-tests/mutants.sh --check
fi

say "unit and process tests"
cargo nextest run --package refit --no-tests=warn "${names[@]}"

say "engines ${engines[*]}"
wait "$starting" || {
    cat "$logs/engines"
    die "the engines do not start"
}
cat "$logs/engines" "$logs/sockets"
eval "$(compat-tests/engines.sh env)"

say "build"
REFIT_BIN=$(refit_binary .)
export REFIT_BIN
cargo nextest run --package compat-tests --no-run

# scenarios VERSION FILTERSET [OPTION…]: runs those of the scenarios on an engine. One at a time: each
# starts a Refit, which recovers what it finds unfinished.
scenarios() {
    REFIT_ENGINE=$(awk -v v="$1" '$1 == v { print $2 }' "$logs/sockets") \
        cargo nextest run --package compat-tests --no-fail-fast --no-tests=warn --test-threads 1 \
        --filterset "$2" "${@:3}" "${names[@]}"
}

# part NAME COMMAND…: runs a part of the tests, which is listed at the end if it fails, with what
# failed in it: the output is long.
failed=()
part() {
    local name=$1
    shift
    "$@" 2>&1 | tee "$logs/$name" || failed+=("$name")
}

# beside NAME COMMAND…: the same, beside others of the kind. What it says is told when all have ended.
beside() {
    local name=$1
    shift
    set -m
    "$@" >"$logs/$name" 2>&1 </dev/null &
    set +m
    running[$name]=$!
}
together() {
    local name line
    while [[ $(jobs -pr) ]]; do
        sleep 30
        for name in "${!running[@]}"; do
            line=$(grep -E '^ *(TRY [0-9]+ )?(PASS|FAIL|TIMEOUT|SLOW) |^== ' "$logs/$name" | tail -n 1) || true
            say "$name: ${line:-builds}"
        done
    done
    for name in "${!running[@]}"; do
        wait "${running[$name]}" || failed+=("$name")
        unset "running[$name]"
        say "$name, which ran beside others:"
        cat "$logs/$name"
    done
}

# Where calls meet faults, time is short: one engine at a time.
hurried='binary(faults) and test(/_meets_/)'
# Of these, one engine is enough, as they tell of Refit rather than of the engine: they are dealt out.
once=(command examples packaging admin)
# Three engines and others' suites on few cores: what has to happen at a moment may come too late for it.
# In a whole run, a scenario that fails is run once more there, and told of at the end; more than CHANCE
# such are a failure. What meets faults has one try only, as everything has where it is asked for by name.
CHANCE=3
once_more=()
((${#names[@]})) || once_more=(--retries 1)
# In a whole run, the first engines meet some of the faults, and the last one every one.
few() { ((${#names[@]})) || [[ $1 == "${engines[-1]}" ]] || echo 3; }

# The others mostly wait for the engines, which mind no neighbours.
say "scenarios on Docker ${engines[*]}, side by side"
for n in "${!engines[@]}"; do
    filter="not ($hurried) and not binary(soak)"
    for m in "${!once[@]}"; do
        ((m % ${#engines[@]} == n)) || filter+=" and not binary(${once[m]})"
    done
    version=${engines[n]}
    REFIT_EVERY=$(few "$version") beside "Docker $version" scenarios "$version" "$filter" \
        "${once_more[@]}"
done
((${#others[@]} == 0)) || beside "the suites of others" compat-tests/suites.sh --engine "${others[0]}"
((${#names[@]})) || beside "the fuzzers" compat-tests/fuzz.sh
together

for version in "${engines[@]}"; do
    say "faults on Docker $version"
    REFIT_EVERY=$(few "$version") part "faults on Docker $version" scenarios "$version" "$hurried"
done
# It tells of Refit rather than of an engine.
say "the soak, on Docker ${engines[-1]}"
part "the soak" scenarios "${engines[-1]}" 'binary(soak)'

# excerpt NAME: what failed in a part, of all that it has printed.
excerpt() {
    local what='^ *(TRY [0-9]+ )?(FAIL|TIMEOUT|SIG[A-Z]+) |panicked at'
    what+='|^(FAILED|ERROR) |: differs, |: only [0-9]+ '
    grep -E -A 12 "$what" "$logs/$1" | grep -v ' refit: ' | cut -c -600 | tail -n 80 || true
}
chance=0
for version in "${engines[@]}"; do
    n=$(grep -c '^ *FLAKY ' "$logs/Docker $version") || continue
    chance=$((chance + n))
    say "passed when run once more: $n on Docker $version"
    excerpt "Docker $version"
done
for name in "${failed[@]}"; do
    say "failed: $name"
    excerpt "$name"
done
((chance <= CHANCE)) || die "$chance scenarios passed only when run once more, which is more than chance"
((${#failed[@]} == 0)) || exit 1
say "all passed on Docker ${engines[*]}"
