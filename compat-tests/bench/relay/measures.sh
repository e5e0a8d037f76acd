# The parts of the benchmark: what is done, by turns through everything.

# GET requests: kept-alive, and one for each connection.
requests() {
    local path count
    if [[ $backend == engine ]]; then
        clean
        for ((count = 0; count < 50; count++)); do
            at_engine create --label "$id" busybox true >/dev/null
        done
    fi
    for path in /_ping "/containers/json?all=1"; do
        for count in "${connections[@]}"; do
            interleave rate kept_alive "$path" "$count"
            interleave times load "$path" "$count"
            requests_table "GET $path, keep-alive" "$count"
            interleave times load "$path" "$count" close
            rates_of_load
            requests_table "GET $path, connection per request" "$count"
        done
    done
    clean
}

# kept_alive TARGET ROUND PATH CONNECTIONS: requests per second.
kept_alive() {
    (on_cpu h2load --h1 -t 1 -c "$4" -n "$requests" -B "unix:$scratch/$1.sock" \
        "http://localhost$3") >"$scratch/h2load" 2>&1 || die "h2load: $(cat "$scratch/h2load")"
    grep -q "^requests:.* $requests succeeded" "$scratch/h2load" ||
        die "$1 lost requests: $(grep '^requests:' "$scratch/h2load")"
    awk '/^finished in/ { print $4 }' "$scratch/h2load"
}

# load TARGET ROUND PATH CONNECTIONS [close]: requests per second; mean, median, 99th percentile in µs.
load() {
    (on_cpu "$programs/load" "$scratch/$1.sock" "$3" "$4" "$requests" "${@:5}") ||
        die "requests through $1 failed"
}

# h2load has no connection per request: the load program's own rate takes its place.
rates_of_load() {
    local target
    for target in "${targets[@]}"; do
        cut -f 1 "$scratch/$target.times" >"$scratch/$target.rate"
    done
}

# Long bodies of the canned backend, both ways.
streams() {
    [[ $backend == canned ]] || return 0
    stream "download in chunks" GET "/chunked/$bytes"
    stream "download with a length" GET "/sized/$bytes"
    stream "upload in chunks" POST /images/load "$bytes"
}

# Long bodies of an engine: an image out of it and into it, a file out of a container and into it.
files() {
    [[ $backend == engine ]] || return 0
    clean
    head -c "$bytes" /dev/urandom >"$scratch/big"
    tar -cf "$scratch/big.tar" -C "$scratch" big
    at_engine import "$scratch/big.tar" "$id" >/dev/null
    at_engine save -o "$scratch/image.tar" "$id"
    at_engine create --name "$id" --label "$id" "$id" /none >/dev/null
    stream "images/get" GET "/images/$id/get"
    stream "images/load" POST /images/load "$scratch/image.tar"
    stream "archive out" GET "/containers/$id/archive?path=/big"
    stream "archive in" PUT "/containers/$id/archive?path=/" "$scratch/big.tar"
    clean
}

# stream NAME METHOD PATH [BODY]
stream() {
    local rounds=${STREAM_ROUNDS:-5}
    interleave stream one_stream "${@:2}"
    streams_table "$1"
}

# one_stream TARGET ROUND METHOD PATH [BODY]: seconds, and CPU seconds of the relay.
one_stream() {
    local before seconds
    before=$(cpu "$1")
    seconds=$( (on_cpu "$programs/stream" "$scratch/$1.sock" "${@:3}")) ||
        die "a stream through $1 failed"
    # socat's child is counted once it has ended.
    sleep 0.05
    echo "$seconds $before $(cpu "$1")" | awk '{ printf "%s\t%.2f\n", $1, $4 - $3 }'
}

# cpu TARGET: the CPU seconds of its process, with those of the children that have ended.
cpu() {
    if [[ $1 == direct ]]; then
        echo 0
        return
    fi
    sed 's/.*) //' "/proc/${pids[$1]}/stat" |
        awk -v hertz="$(getconf CLK_TCK)" '{ print ($12 + $13 + $14 + $15) / hertz }'
}

# The round trip through a tunnel; with an engine, to the terminal of a container and back.
tunnels() {
    local path=/attach
    if [[ $backend == engine ]]; then
        clean
        at_engine run -dit --name "$id" --label "$id" busybox sh -c 'stty raw -echo; exec cat' >/dev/null
        path="/containers/$id/attach?stream=1&stdin=1&stdout=1"
    fi
    interleave tunnel echoes "$path"
    tunnels_table
    clean
}

# echoes TARGET ROUND PATH: mean, median, 99th percentile in µs.
echoes() {
    (on_cpu "$programs/tunnels" "$scratch/$1.sock" "$3" echo "$requests") ||
        die "a tunnel through $1 failed"
}

# What a relay holds at its start, and more with idle tunnels. Each is started anew, as memory that
# was once used is seldom given back. Not socat: a process for each tunnel is no match.
memory() {
    [[ $backend == canned ]] || return 0
    local target idle
    for target in "${targets[@]}"; do
        [[ $target != direct && $target != socat ]] || continue
        stop "$target"
        rm -f "$scratch/$target.sock"
        start_target "$target"
        idle=$(rss "$target")
        coproc held { exec "$programs/tunnels" "$scratch/$target.sock" /attach hold "$idle_tunnels"; }
        read -r -t 60 -u "${held[0]}" || die "$target does not hold $idle_tunnels tunnels"
        printf '%s\t%s\n' "$idle" "$(rss "$target")" >"$scratch/$target.memory"
        local holder=$held_PID
        # The end of their input ends them.
        eval "exec ${held[1]}>&-"
        wait "$holder"
    done
    memory_table
}

# rss TARGET: resident memory in KiB, once it has come to rest.
rss() {
    sleep 0.5
    awk '/^VmRSS:/ { print $2 }' "/proc/${pids[$1]}/status"
}

# Removes from an engine what was made here.
clean() {
    [[ ${backend:-} == engine ]] || return 0
    local containers
    containers=$(at_engine ps -aq --filter "label=$id")
    # shellcheck disable=SC2086 # so many arguments
    [[ -z $containers ]] || at_engine rm -f $containers >/dev/null
    at_engine rmi "$id" >/dev/null 2>&1 || true
}
