# What a relay adds: Refit next to HAProxy (TCP and HTTP mode), nginx (stream) and socat, unix socket to
# unix socket, in front of an engine and of a backend with canned answers, which costs next to nothing.
#
#   bench.sh relay [PART…]   requests, streams, tunnels, memory, files (all by default)
#
# The time of one request is a chain of wake-ups, and these vary with what else the machine does.
# So there are many short rounds, each through everything in turn, and medians.
#
# BACKENDS="canned engine"   what is relayed to; streams and memory are of the one, files of the other
# TARGETS="direct refit …"   what is measured (of direct refit haproxy haproxy-http nginx socat)
# CONNECTIONS="1 16 64"      of the requests
# ROUNDS=11 REQUESTS=4000    rounds of everything, and requests of one round
# STREAM_ROUNDS=5 GIB=1      rounds of the streams, and their length
# TUNNELS=2000               how many idle
# TABLE=FILE                 where the medians go as well, tab-separated; relay/plot.sh draws it

source "$here/bench/relay/targets.sh"
source "$here/bench/relay/measures.sh"
source "$here/bench/relay/tables.sh"

read -ra targets <<<"${TARGETS:-direct refit haproxy haproxy-http nginx socat}"
read -ra backends <<<"${BACKENDS:-canned engine}"
read -ra connections <<<"${CONNECTIONS:-1 16 64}"
rounds=${ROUNDS:-11}
requests=${REQUESTS:-4000}
bytes=$((${GIB:-1} << 30))
idle_tunnels=${TUNNELS:-2000}
table=${TABLE:-/dev/null}
# The name of the container and the image that are asked of an engine, and the label of containers.
id=refit-bench-relay

run() {
    local parts=("$@") part
    (($#)) || parts=(requests streams tunnels memory files)
    for part in "${parts[@]}"; do
        [[ $part =~ ^(requests|streams|tunnels|memory|files)$ ]] || die "there is no part $part"
    done
    need h2load nghttp2-client haproxy haproxy nginx nginx-light socat socat
    [[ -e $nginx_module ]] || need nginx-stream libnginx-mod-stream
    # Each tunnel takes two descriptors of a relay.
    ulimit -n "$(ulimit -Hn)"
    build
    printf 'backend\tmeasure\tconnections\tunit\ttarget\tvalue\n' >"$table"
    trap 'clean || true; cleanup' EXIT
    for backend in "${backends[@]}"; do
        start_targets
        for part in "${parts[@]}"; do
            "$part"
        done
        stop_targets
    done
}
