# What the relay adds to a request: GET /_ping over kept-alive connections, unix socket to unix
# socket, directly and through Refit, HAProxy in TCP mode, and socat.
#
# The time of one request is a chain of wake-ups, and these vary with what else the machine does.
# So there are many short rounds, each through everything in turn, and medians. "added" is what
# lies on top of the direct request; the last column compares that with HAProxy's.
#
# ROUNDS=21 REQUESTS=4000: rounds, and requests of one round and connection.

rounds=${ROUNDS:-21}
requests=${REQUESTS:-4000}
targets=(direct refit haproxy socat)

run() {
    need h2load nghttp2-client haproxy haproxy socat socat
    local address binary
    binary=$(refit_binary "$root")
    address=$(engine)
    [[ $address == unix://* ]] || die "the engine's address is no unix socket: $address"
    ln -s "${address#unix://}" "$scratch/direct.sock"
    start_proxies "$binary" "$address"
    local connections
    for connections in 1 16; do
        interleave "$connections" request_time "$connections"
        table "$connections"
    done
}

start_proxies() {
    start refit "$1" serve --log-level warn --engine "$2" --listen "unix://$scratch/refit.sock"
    cat >"$scratch/haproxy.cfg" <<CFG
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen docker
    bind unix@$scratch/haproxy.sock
    server engine unix@${2#unix://}
CFG
    start haproxy haproxy -db -f "$scratch/haproxy.cfg"
    start socat socat "UNIX-LISTEN:$scratch/socat.sock,fork,backlog=128" "UNIX-CONNECT:${2#unix://}"
    local target
    for target in "${targets[@]}"; do
        listening "$target"
    done
}

# request_time TARGET ROUND CONNECTIONS: the mean time of a request, in µs.
request_time() {
    local total=$((requests * $3))
    (on_cpu h2load --h1 -t 1 -c "$3" -n "$total" -B "unix:$scratch/$1.sock" \
        http://localhost/_ping) >"$scratch/h2load" 2>&1 || die "h2load: $(cat "$scratch/h2load")"
    grep -q "^requests:.* $total succeeded" "$scratch/h2load" ||
        die "$1 lost requests: $(grep '^requests:' "$scratch/h2load")"
    awk -v connections="$3" '/^finished in/ { printf "%.2f\n", connections * 1e6 / $4 }' \
        "$scratch/h2load"
}

# table CONNECTIONS
table() {
    local target
    echo
    echo "GET /_ping, $1 connection(s), medians of $rounds rounds"
    for target in "${targets[@]}"; do
        echo "$target $(median <"$scratch/$target.$1")"
    done | awk '
        { name[NR] = $1; us[NR] = $2; if ($1 == "haproxy") haproxy = $2 }
        END {
            printf "%-8s %9s %9s %9s %17s\n", "", "µs", "× direct", "added µs", "added × HAProxy"
            for (i = 1; i <= NR; i++) {
                added = us[i] - us[1]
                printf "%-8s %8.1f %8.2f %9.1f", name[i], us[i], us[i] / us[1], added
                if (i > 1 && haproxy > us[1]) printf " %16.2f", added / (haproxy - us[1])
                print ""
            }
        }'
}
