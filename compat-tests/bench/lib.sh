# Shared by the benchmarks: what they need, what they start, what they print.
#
# BENCH_ENGINE=unix:///run/docker.sock   measure against this engine instead of bringing one up
#                                        (and beside no other Refit that is upgrading something)
# BENCH_CPU=0                            pin what is started here (not the engine) to this CPU

here=${here:?}
root=$(dirname "$here")
source "$here/lib.sh"
scratch=$(mktemp -d)
# Of what was started here, by name.
declare -A pids=()

# Ends what was started here, and nothing else.
cleanup() {
    stop "${!pids[@]}"
    rm -rf "$scratch"
}
trap cleanup EXIT

# on_cpu COMMAND...: runs it where BENCH_CPU says.
on_cpu() {
    if [[ -n ${BENCH_CPU:-} ]]; then
        exec taskset -c "$BENCH_CPU" "$@"
    fi
    exec "$@"
}

# start NAME COMMAND...: in the background, until the end of the benchmark or until it is stopped.
start() {
    local name=$1
    shift
    (on_cpu "$@") >"$scratch/$name.log" 2>&1 &
    pids[$name]=$!
}

# stop NAME...: ends what was started under these names.
stop() {
    local name
    for name; do
        kill "${pids[$name]}" 2>/dev/null || true
        wait "${pids[$name]}" 2>/dev/null || true
        unset "pids[$name]"
    done
}

# listening NAME: waits for $scratch/NAME.sock, at most 10 s.
listening() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        [[ -S $scratch/$1.sock ]] && return
        sleep 0.05
    done
    cat "$scratch/$1.log" >&2
    die "$1 does not listen"
}

# Prints the address of the engine that is measured against.
engine() {
    if [[ -n ${BENCH_ENGINE:-} ]]; then
        echo "$BENCH_ENGINE"
        return
    fi
    local version=${BENCH_ENGINE_VERSION:-28.5}
    "$here/engines.sh" up "$version" | awk -v version="$version" '
        index($1, version) == 1 { print $2; found = 1; exit } END { exit !found }' ||
        die "no engine $version"
}

# The docker CLI, at the engine in $address.
at_engine() { "${REFIT_DOCKER:-docker}" -H "$address" "$@"; }

# interleave SERIES MEASURE ARGS...: goes through all ${targets[@]} in each of the rounds, and appends
# what `MEASURE TARGET ROUND ARGS...` prints, a number or columns of them, to $scratch/TARGET.SERIES.
# The first round warms up.
interleave() {
    local series=$1 measure=$2 round target number
    shift 2
    for target in "${targets[@]}"; do
        : >"$scratch/$target.$series"
    done
    for ((round = 0; round <= rounds; round++)); do
        for target in "${targets[@]}"; do
            number=$("$measure" "$target" "$round" "$@")
            ((round == 0)) || echo "$number" >>"$scratch/$target.$series"
        done
    done
}

# column TARGET SERIES N: prints the median of the Nth column.
column() { cut -f "$3" "$scratch/$1.$2" | median; }

# Prints the median of the numbers on stdin.
median() {
    sort -n | awk '{ v[NR] = $1 } END {
        if (!NR) exit 1
        print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
