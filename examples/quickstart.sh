#!/usr/bin/env bash
# Shows an upgrade and a rollback of a Redis with data, on the engine of this machine or, where
# none answers, on one of its own. Needs Debian, root and cargo; installs what else is missing.
#
#   examples/quickstart.sh
#
# It runs a Refit of its own for as long as it takes, which must not be beside another one that is
# upgrading something on the same engine.
#
# DOCKER_HOST is the engine (default: unix:///var/run/docker.sock). What it creates is named
# refit-quickstart and removed at the end; an engine that it started stays, to be stopped with
# `compat-tests/engines.sh down`.
set -euo pipefail
cd "$(dirname "$0")/.."
source compat-tests/lib.sh

name=refit-quickstart
engine=${DOCKER_HOST:-unix:///var/run/docker.sock}

show() {
    printf '\n$ %s\n' "$*"
    "$@"
}
answers() {
    local at=("${engine/#tcp:/http:}/_ping")
    [[ $engine != unix://* ]] || at=(--unix-socket "${engine#unix://}" http://docker/_ping)
    curl -sf --max-time 5 "${at[@]}" >/dev/null 2>&1
}
# Waits until Redis has loaded its data, and prints how many keys it has.
keys() {
    local tries count
    for ((tries = 0; tries < 200; tries++)); do
        count=$(docker exec "$name" redis-cli dbsize 2>/dev/null) || true
        [[ $count =~ ^[0-9]+$ ]] && break
        sleep 0.1
    done
    echo "$count"
}

command -v cargo >/dev/null || die "cargo is missing: see https://rustup.rs"
need curl curl gcc gcc
if ! answers; then
    ((EUID == 0)) || die "no engine answers at $engine, and only root can start one"
    say "no engine answers at $engine: start one (the first time takes a few minutes)"
    read -r _ engine < <(compat-tests/engines.sh up 28.5)
    eval "$(compat-tests/engines.sh env)"
fi
if ! command -v docker >/dev/null; then
    # The engines' script brings a docker command, too.
    [[ -n ${REFIT_DOCKER:-} ]] || compat-tests/engines.sh images "$engine"
    eval "$(compat-tests/engines.sh env)"
    docker() { "$REFIT_DOCKER" "$@"; }
fi
export DOCKER_HOST=$engine
for image in redis:7.0 redis:8.0; do
    docker image inspect "$image" >/dev/null 2>&1 || docker pull -q "$image" ||
        compat-tests/engines.sh images "$engine"
done

say "build refit"
refit=$(refit_binary .)
folder=$(mktemp -d)
export REFIT_SOCKET=$folder/docker.sock
"$refit" serve --engine "$engine" --listen "unix://$REFIT_SOCKET" --log-level warn &
pid=$!
remove() {
    docker rm -fv "$name" >/dev/null 2>&1 || true
    docker volume rm "$name" >/dev/null 2>&1 || true
}
finish() {
    remove
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
for ((tries = 0; tries < 100; tries++)); do
    [[ -S $REFIT_SOCKET ]] && break
    sleep 0.1
done
remove
# From here on, every command goes through Refit, and the docker CLI has the plugin.
export DOCKER_HOST=unix://$REFIT_SOCKET DOCKER_CONFIG=$folder/config
mkdir -p "$DOCKER_CONFIG/cli-plugins"
ln -s "$refit" "$DOCKER_CONFIG/cli-plugins/docker-upgrade"

say "a Redis 7.0 with 10,000 keys"
show docker run -d --name "$name" --restart unless-stopped -v "$name:/data" redis:7.0
[[ $(keys) == 0 ]] || die "Redis does not answer"
show docker exec "$name" redis-cli eval \
    "for i = 1, 10000 do redis.call('set', 'key:' .. i, i) end return redis.call('dbsize')" 0

say "what an upgrade to 8.0 would change"
show docker upgrade --dry-run --image redis:8.0 "$name"

say "upgrade it"
show docker upgrade --image redis:8.0 "$name"
version() { docker exec "$name" redis-cli info server | grep redis_version; }
show version
show keys

say "upgrade it to a configuration that does not start, and see it rolled back"
before=$(docker inspect -f '{{.Id}}' "$name")
if show docker upgrade "$name" redis-server --loadmodule /no/such/module.so; then
    die "that should have failed"
fi
show docker ps --filter "name=$name" --format 'table {{.Names}}\t{{.Image}}\t{{.Status}}'
[[ $(docker inspect -f '{{.Id}}' "$name") == "$before" ]] || die "another container has its name"
show keys
[[ $(keys) == 10000 ]] || die "keys are missing"
say "done: the Redis is as it was before, with its keys"
say "the same with nothing but curl: examples/curl.sh"
