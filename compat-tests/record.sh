#!/usr/bin/env bash
# Records what the engines print, for the snapshot tests of the plan (src/plan/tests/snapshots.rs).
#
#   compat-tests/record.sh [VERSION…]
#
# Runs two containers on each of the engines that engines.sh has up, and writes what they and their
# images are printed as to src/plan/tests/documents. Every recording has other IDs and times: review the
# snapshots afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
source compat-tests/lib.sh

(($#)) || set -- 20.10 26.1 28.5
eval "$(compat-tests/engines.sh env)"

get() { curl -sf --unix-socket "$socket" "http://d$1"; }
at() { "$REFIT_DOCKER" -H "unix://$socket" "$@"; }

# document NAME: the container, its image and the one that it is to be upgraded to.
document() {
    local api
    api=$(curl -sfI --unix-socket "$socket" http://d/_ping | tr -d '\r' | awk '/^Api-Version/ { print $2 }')
    printf '{"api": "%s", "container": %s, "old_image": %s, "new_image": %s}' "$api" \
        "$(get "/containers/$1/json")" "$(get /images/redis:7.0/json)" "$(get /images/redis:8.0/json)" |
        python3 -m json.tool --indent 1
}

clean() {
    at rm -fv record-plain record-rich record-db >/dev/null 2>&1 || true
    at volume rm record-data record-more >/dev/null 2>&1 || true
    at network rm record-front record-back >/dev/null 2>&1 || true
}

mkdir -p src/plan/tests/documents
for version; do
    entry=$(tr ' ' '\n' <<<"$REFIT_ENGINES" | grep "^$version=") || die "Docker $version is not up"
    socket=${entry#*=unix://}
    clean
    trap clean EXIT
    at network create --subnet 10.198.1.0/24 record-front >/dev/null
    at network create record-back >/dev/null
    at run -d --name record-plain -p 6379 -v record-data:/data redis:7.0 >/dev/null
    at run -d --name record-db --network record-back busybox sleep 1000 >/dev/null
    # The CLI gives the address to the endpoint, which 20.10 does not take.
    mac=(--mac-address 02:42:0a:c6:01:63)
    [[ $version != 20.10 ]] || mac=()
    # NOT_SET is no variable here, and so is sent by its bare name.
    at create --name record-rich "${mac[@]}" --hostname cache --domainname example.org \
        --network record-front --ip 10.198.1.9 --network-alias www \
        --env REDIS_VERSION=mine --env TZ=UTC --env NOT_SET --label owner=alice \
        --label org.opencontainers.image.version=mine --user 0:0 --workdir /tmp \
        --volume /anonymous --volume record-more:/more:ro --volume /tmp:/host:ro \
        --mount type=volume,target=/long --mount type=tmpfs,target=/mem,tmpfs-size=65536 \
        --tmpfs /scratch:size=1m --publish 127.0.0.1:16379:6379 --publish 7000-7001:7000/udp --expose 81 \
        --restart on-failure:3 --memory 128m --cpus 0.5 --pids-limit 100 --ulimit nofile=1024:2048 \
        --sysctl net.core.somaxconn=64 --cap-add NET_ADMIN --cap-drop MKNOD --security-opt no-new-privileges \
        --shm-size 32m --init --log-opt max-size=1m --dns 10.0.0.53 --add-host other:10.0.0.7 \
        --device /dev/null:/dev/nothing --health-cmd 'redis-cli ping' --health-interval 5s \
        --stop-signal SIGINT --stop-timeout 7 --entrypoint redis-server redis:7.0 --dir /data >/dev/null
    at network connect --alias api --link record-db:database record-back record-rich
    at start record-rich >/dev/null
    for name in plain rich; do
        document "record-$name" >"src/plan/tests/documents/$version-$name.json"
        say "recorded $name on Docker $version"
    done
    clean
done
