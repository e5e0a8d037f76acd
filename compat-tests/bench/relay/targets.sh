# What is measured: the backends, and the relays in front of them.

# The nginx stream module, where Debian puts it.
nginx_module=/usr/lib/nginx/modules/ngx_stream_module.so

build() {
    refit=$(refit_binary "$root")
    (cd "$root" && cargo build --release --package load) || die "the load programs cannot be built"
    programs=$(dirname "$refit")
}

# start_targets: $backend and everything in front of it, each at $scratch/NAME.sock.
start_targets() {
    local target
    case $backend in
    canned)
        address=unix://$scratch/canned.sock
        start canned "$programs/canned" "$scratch/canned.sock"
        listening canned
        ;;
    engine)
        address=$(engine)
        [[ $address == unix://* ]] || die "the engine's address is no unix socket: $address"
        eval "$("$here/engines.sh" env)"
        ;;
    *) die "there is no backend $backend" ;;
    esac
    for target in "${targets[@]}"; do
        start_target "$target"
    done
}

# start_target TARGET
start_target() {
    start_"${1//-/_}" "${address#unix://}"
    listening "$1"
}

stop_targets() {
    stop "${!pids[@]}"
    rm -f "$scratch"/*.sock
}

start_direct() { ln -s "$1" "$scratch/direct.sock"; }

start_refit() {
    start refit "$refit" serve --log-level warn --engine "unix://$1" \
        --listen "unix://$scratch/refit.sock"
}

start_haproxy() { start_haproxy_as haproxy tcp "$1"; }
start_haproxy_http() { start_haproxy_as haproxy-http http "$1"; }

# start_haproxy_as NAME MODE BACKEND: with splice(2), which it leaves to who configures it.
start_haproxy_as() {
    cat >"$scratch/$1.cfg" <<CFG
global
    maxconn 6000
defaults
    mode $2
    option splice-auto
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
listen docker
    bind unix@$scratch/$1.sock
    server engine unix@$3
CFG
    start "$1" haproxy -db -f "$scratch/$1.cfg"
}

start_nginx() {
    cat >"$scratch/nginx.cfg" <<CFG
load_module $nginx_module;
daemon off;
master_process off;
pid $scratch/nginx.pid;
error_log stderr warn;
events { worker_connections 16000; }
stream {
    server {
        listen unix:$scratch/nginx.sock;
        proxy_pass unix:$1;
        proxy_timeout 1h;
    }
}
CFG
    start nginx nginx -e stderr -c "$scratch/nginx.cfg"
}

start_socat() {
    start socat socat "UNIX-LISTEN:$scratch/socat.sock,fork,backlog=128" "UNIX-CONNECT:$1"
}
