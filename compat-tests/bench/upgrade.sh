# The downtime of an upgrade, next to `docker restart` and to `docker compose up -d` recreating the
# container for a new image: a Redis without data, between the images redis:7.0 and redis:8.0.
#
# Downtime is from the end of the one process to the start of the other, as the engine's events
# tell it, for all alike. A round goes through all of them; the table shows medians. `held` is an upgrade
# that placeholders are needed for: an address below the container's is free.
#
# ROUNDS=15: rounds.

rounds=${ROUNDS:-15}
targets=(restart refit held compose)
images=(redis:7.0 redis:8.0)

run() {
    need curl curl
    local binary target
    binary=$(refit_binary "$root")
    address=$(engine)
    eval "$("$here/engines.sh" env)"
    start refit "$binary" serve --log-level warn --engine "$address" \
        --listen "unix://$scratch/refit.sock"
    listening refit
    trap 'remove || true; cleanup' EXIT
    remove
    # What stands below the last one goes.
    for target in restart refit gone held; do
        at_engine run -d --name "refit-bench-$target" --label "refit-bench=$target" \
            "${images[0]}" redis-server --save '' >/dev/null
    done
    at_engine rm -f refit-bench-gone >/dev/null
    compose "${images[0]}"
    interleave downtime downtime
    table
}

remove() {
    at_engine ps -aq --filter label=refit-bench | while read -r id; do
        at_engine rm -fv "$id" >/dev/null
    done
    at_engine network rm refit-bench_default >/dev/null 2>&1 || true
}

# downtime TARGET ROUND: of one change, in µs.
downtime() {
    local begin image=${images[($2 + 1) % 2]}
    begin=$(date +%s.%N)
    "$1" "$image" >"$scratch/$1.log" 2>&1 || die "$1: $(cat "$scratch/$1.log")"
    at_engine events --since "$begin" --until "$(date +%s.%N)" --filter "label=refit-bench=$1" \
        --format '{{.Action}} {{.TimeNano}}' | awk '
        $1 == "die" { end = $2 }
        $1 == "start" && end { printf "%d\n", ($2 - end) / 1000; found = 1; exit }
        END { exit !found }' || die "$1: no end and start among the events"
}

restart() { at_engine restart refit-bench-restart; }

refit() { upgrade refit "$1"; }

held() {
    upgrade held "$1"
    grep -q '"Warnings":\[\]' "$scratch/held.log" || die "the address was lost"
}

upgrade() {
    curl -sS --fail-with-body --max-time 60 --unix-socket "$scratch/refit.sock" \
        "http://docker/containers/refit-bench-$1/upgrade?pull=never" \
        --data "{\"Image\": \"$2\", \"UpgradeConfig\": {\"Monitor\": 100000000}}"
}

compose() {
    cat >"$scratch/compose.yaml" <<YAML
name: refit-bench
services:
  redis:
    image: $1
    command: ["redis-server", "--save", ""]
    labels: { refit-bench: compose }
YAML
    at_engine compose -f "$scratch/compose.yaml" up -d
}

table() {
    local target
    echo
    echo "downtime of a Redis, medians of $rounds rounds"
    for target in "${targets[@]}"; do
        echo "$target $(median <"$scratch/$target.downtime")"
    done | awk '
        NR == 1 { printf "%-8s %9s %12s\n", "", "ms", "× restart"; restart = $2 }
        { printf "%-8s %9.1f %12.2f\n", $1, $2 / 1000, $2 / restart; of[$1] = $2 }
        END { printf "held is %.2f × refit\n", of["held"] / of["refit"] }'
}
