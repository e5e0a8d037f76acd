#!/usr/bin/env bash
# Three real Docker engines on one Debian machine, with what the tests need in them.
#
#   engines.sh up [VERSION…]        start (all three by default); prints "VERSION unix://SOCKET"
#   engines.sh down [VERSION…]      stop; what was downloaded and built is kept
#   engines.sh env                  exports for the tests, to be evaluated by a shell
#   engines.sh exec VERSION CMD…    run a command inside an engine's namespaces
#   engines.sh net VERSION CMD…     run a command of this machine in an engine's network, where the
#                                   published ports are
#   engines.sh kill|start|restart VERSION   SIGKILL dockerd; start it; stop and start it
#   engines.sh cut VERSION          end everything that runs there at once, as when power is lost (then: start)
#   engines.sh is-up VERSION        whether it answers
#   engines.sh images unix://SOCKET loads the test images into any engine
#
# 20.10, 26.1 and 28.5 are the docker.io packages of Debian 12, 13 and unstable. Each runs in a
# root of its own suite, with network, mount and process namespaces of its own: whatever an engine
# started ends with its first process. A published port is reachable inside that namespace only
# (`exec`), the socket from everywhere.
#
# 26.1b is another 26.1, which is started only where it is named: for what prunes, while others are at
# work on the first one. Its root is a copy.
#
# REFIT_WORK is the work folder (default: refit-compat in the user's cache folder),
# REFIT_DEBIAN_MIRROR the mirror (default: deb.debian.org).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

work=$(realpath -m "${REFIT_WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/refit-compat}")
mirror=${REFIT_DEBIAN_MIRROR:-http://deb.debian.org/debian}
all=(20.10 26.1 28.5)
registry=127.0.0.1:5000
private_registry=127.0.0.1:5001

declare -A suite=([20.10]=bookworm [26.1]=trixie [28.5]=sid [26.1b]=trixie-b)
declare -A copy_of=([26.1b]=26.1)
# Address ranges differ, so that a routing mistake can't hide.
declare -A subnet=([20.10]=10.201 [26.1]=10.202 [28.5]=10.203 [26.1b]=10.204)
# apache2-utils makes the private registry's password file.
declare -A packages=(
    [bookworm]=busybox-static,redis-server,docker-registry,apache2-utils,docker-compose
    [trixie]=redis-server,docker-cli
    [sid]=docker-cli,docker-compose,docker-buildx
)

root() { echo "$work/root/${suite[$1]}"; }
run() { echo "$work/run/$1"; }
socket() { echo "$(run "$1")/docker.sock"; }
# Names that the whole machine shares carry the work folder: two of them don't meet.
here=$(cksum <<<"$work" | cut -d ' ' -f 1)
netns() { echo "refit-$here-$1"; }
init_name() { echo "refit-init-$here-$1"; }

# The host's PID of an engine's first process, if it is alive and ours.
init_pid() {
    local pid
    pid=$(cat "$(run "$1")/init.pid" 2>/dev/null) || return 1
    grep -qzxF "$(init_name "$1")" "/proc/$pid/cmdline" 2>/dev/null || return 1
    echo "$pid"
}

# Runs a command inside an engine's namespaces.
inside() {
    local pid
    pid=$(init_pid "$1") || die "Docker $1 is not up"
    shift
    nsenter --target "$pid" --mount --net --pid --root --wd -- "$@"
}

# Runs a command of this machine in an engine's network.
networked() {
    local pid
    pid=$(init_pid "$1") || die "Docker $1 is not up"
    shift
    nsenter --target "$pid" --net -- "$@"
}

answers() {
    curl -sf --max-time 5 --unix-socket "$(socket "$1")" http://d/_ping >/dev/null 2>&1
}

# Waits until a command succeeds, at most so many seconds.
await() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}

make_root() {
    local name=${suite[$1]} dir base
    dir=$(root "$1")
    [[ ! -e $dir/.complete ]] || return 0
    say "make a root of Debian $name for Docker $1"
    rm -rf "$dir"
    mkdir -p "$dir"
    if [[ ${copy_of[$1]:-} ]]; then
        # But for what that engine has made there.
        tar -C "$(root "${copy_of[$1]}")" --one-file-system --exclude ./.complete \
            --exclude ./var/lib/docker --exclude ./var/lib/containerd -cf - . | tar -C "$dir" -xf -
    else
        base=ca-certificates,iptables,docker.io,${packages[$name]}
        debootstrap --variant=minbase --include="$base" "$name" "$dir" "$mirror" \
            >"$work/debootstrap-$name.log" 2>&1 ||
            die "debootstrap failed: $(tail -n 5 "$work/debootstrap-$name.log")"
        rm -f "$dir"/var/cache/apt/archives/*.deb
    fi
    touch "$dir/.complete"
}

# The first process: takes the root, and then reaps whatever it inherits. Runs in new mount and
# process namespaces; the argument list carries its name, by which `down` knows it again.
init_script='
set -e
root=$1 run=$2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/run/refit" "$root/run/old"
mount --bind "$run" "$root/run/refit"
cd "$root"
pivot_root . run/old
umount -l /run/old
touch /run/refit/ready
while :; do sleep 3600 & wait; done
'

start_init() {
    local dir ns
    dir=$(run "$1") ns=$(netns "$1")
    init_pid "$1" >/dev/null && return
    mkdir -p "$dir"
    rm -f "$dir"/{docker.sock,init.pid,ready}
    ip netns delete "$ns" 2>/dev/null || true
    ip netns add "$ns"
    ip -n "$ns" link set lo up
    # Not `ip netns exec`: it remounts /sys and hides the control groups.
    setsid nsenter --net="/run/netns/$ns" \
        unshare --mount --propagation private --pid --fork --kill-child \
        bash -c "$init_script" "$(init_name "$1")" "$(root "$1")" "$dir" \
        >"$dir/init.log" 2>&1 </dev/null 9>&- &
    await 20 test -e "$dir/ready" || die "no namespace for Docker $1: $(cat "$dir/init.log")"
    # The first process is the child of unshare, which is that of setsid. One engine's version may begin
    # as another's does.
    local pid
    for pid in $(pgrep -f "$(init_name "$1") "); do
        if [[ $(awk '/^NSpid/ { print $NF }' "/proc/$pid/status" 2>/dev/null) == 1 ]]; then
            echo "$pid" >"$dir/init.pid"
        fi
    done
    init_pid "$1" >/dev/null || die "Docker $1 lost its first process"
}

start_dockerd() {
    local dir
    dir=$(run "$1")
    answers "$1" && return
    inside "$1" rm -f /run/docker.pid
    inside "$1" setsid dockerd --host unix:///run/refit/docker.sock \
        --data-root /var/lib/docker --exec-root /run/docker --pidfile /run/docker.pid \
        --bip "${subnet[$1]}.0.1/24" \
        --default-address-pool "base=${subnet[$1]}.128.0/17,size=24" \
        >>"$dir/dockerd.log" 2>&1 </dev/null 9>&- &
    await 180 answers "$1" ||
        die "Docker $1 does not answer: $(tail -n 15 "$dir/dockerd.log")"
}

# The end of the first process is the end of all.
end_init() {
    local pid
    pid=$(init_pid "$1") || die "Docker $1 is not up"
    kill -KILL "$pid"
    await 20 test ! -d "/proc/$pid" || die "process $pid does not end"
}

signal_dockerd() {
    inside "$1" sh -c "kill -$2 \$(cat /run/docker.pid)"
    await 60 gone "$1" || die "Docker $1 does not end"
}
gone() { ! inside "$1" sh -c 'kill -0 $(cat /run/docker.pid)' 2>/dev/null; }

# tool PATH COMMAND: makes a program that runs a command of a root. It may be running.
tool() {
    printf '#!/bin/sh\n%s\n' "$2" >"$1.part"
    chmod +x "$1.part"
    mv "$1.part" "$1"
}

# The newest docker CLI, by its own root's loader: the host's libraries may be older.
write_tools() {
    local bin=$work/bin plugins=$work/docker-config/cli-plugins dir loader
    dir=$work/root/sid
    [[ -e $dir/.complete ]] || return 0
    mkdir -p "$bin" "$plugins"
    loader="exec $dir/lib64/ld-linux-x86-64.so.2 --library-path $dir/usr/lib/x86_64-linux-gnu"
    tool "$bin/docker" "$loader $dir/usr/bin/docker \"\$@\""
    local plugin path
    for plugin in docker-compose docker-buildx; do
        for path in "$dir"/usr/lib*/docker/cli-plugins/$plugin; do
            [[ ! -e $path ]] || tool "$plugins/$plugin" "$loader $path \"\$@\""
        done
    done
    write_compose_v1
}

# Compose v1, the Python program of Debian 12, with its own root's loader and interpreter.
write_compose_v1() {
    local dir=$work/root/bookworm loader
    [[ -e $dir/.complete ]] || return 0
    loader="exec $dir/lib64/ld-linux-x86-64.so.2 --library-path $dir/usr/lib/x86_64-linux-gnu"
    tool "$work/bin/docker-compose-v1" "export PYTHONHOME=$dir/usr PYTHONDONTWRITEBYTECODE=1
$loader $dir/usr/bin/python3 $dir/usr/bin/docker-compose \"\$@\""
}

docker() { DOCKER_CONFIG=$work/docker-config "$work/bin/docker" "$@"; }

# A program of a Debian root with the libraries that it needs, and busybox, as an image's root.
pack() {
    local name=$1 from=$2 dir=$work/images/$1 program
    shift 2
    [[ ! -e $work/images/$name.tar ]] || return 0
    pack_base "$name"
    for program; do pack_program "$dir" "$from" "/usr/bin/$program"; done
    pack_end "$name"
}

pack_base() {
    local dir=$work/images/$1 program
    say "pack $1"
    rm -rf "$dir"
    mkdir -p "$dir"/{bin,data,etc,proc,sys,dev,tmp,usr/bin}
    cp "$work/root/bookworm/bin/busybox" "$dir/bin/busybox"
    for program in $(chroot "$work/root/bookworm" /bin/busybox --list); do
        [[ $program == busybox ]] || ln -s busybox "$dir/bin/$program"
    done
    printf 'root:x:0:0:root:/:/bin/sh\n' >"$dir/etc/passwd"
}

# Copies a program of a root with its libraries. With a third argument, program and libraries are
# looked for in that folder of the root first, which has a root's layout.
pack_program() {
    local dir=$1 from=$2 program=$3 in=${4:-} libs=usr/lib/x86_64-linux-gnu lib
    cp -L "$from$in$program" "$dir/usr/bin/"
    for lib in $(chroot "$from" env LD_LIBRARY_PATH="${in:+$in/$libs:$in/${libs#usr/}}" \
        ldd "$in$program" | grep -o '/[^ ]*'); do
        mkdir -p "$dir$(dirname "${lib#"$in"}")"
        cp -L "$from$lib" "$dir${lib#"$in"}"
    done
}

pack_end() {
    tar -C "$work/images/$1" -cf "$work/images/$1.tar.part" .
    mv "$work/images/$1.tar.part" "$work/images/$1.tar"
    rm -rf "$work/images/$1"
}

# What the official image's entrypoint does, as far as it is needed here.
mariadb_entrypoint='#!/bin/sh
data=/var/lib/mysql
if [ ! -d "$data/mysql" ]; then
    cd /usr/share/mariadb
    {
        echo "create database mysql;"
        echo "use mysql;"
        cat *_system_tables.sql *_performance_tables.sql *_system_tables_data.sql
        echo "flush privileges;"
        echo "alter user root@localhost identified by \"$MARIADB_ROOT_PASSWORD\";"
    } | mariadbd --no-defaults --bootstrap --datadir="$data" --user=root || exit
fi
program=$1
shift
exec "$program" --no-defaults --datadir="$data" --user=root --socket=/tmp/socket --skip-networking \
    --innodb-buffer-pool-size=16M "$@"
'

# MariaDB, which is in no root: its packages are unpacked, not installed.
pack_mariadb() {
    local name=$1 from=$2 dir=$work/images/$1 in=/tmp/refit-mariadb package share
    [[ ! -e $work/images/$name.tar ]] || return 0
    pack_base "$name"
    {
        chroot "$from" apt-get -q update
        chroot "$from" apt-get -qy install --download-only --no-install-recommends \
            mariadb-server-core mariadb-client-core
    } >"$work/$name.log" 2>&1 || die "no packages: $(tail -n 5 "$work/$name.log")"
    rm -rf "${from:?}$in"
    for package in "$from"/var/cache/apt/archives/*.deb; do dpkg-deb -x "$package" "$from$in"; done
    rm -f "$from"/var/cache/apt/archives/*.deb
    pack_program "$dir" "$from" /usr/sbin/mariadbd "$in"
    pack_program "$dir" "$from" /usr/bin/mariadb "$in"
    # Debian 12 has it under the old name, which is also where its server looks.
    for share in "$from$in"/usr/share/{mysql,mariadb}; do
        [[ -d $share/charsets ]] || continue
        mkdir -p "$dir/usr/share/$(basename "$share")"
        cp -r "$share"/{charsets,english,m*_tables*.sql} "$dir/usr/share/$(basename "$share")"
    done
    [[ -d $dir/usr/share/mariadb ]] || ln -s mysql "$dir/usr/share/mariadb"
    mkdir -p "$dir/usr/local/bin"
    echo "$mariadb_entrypoint" >"$dir/usr/local/bin/docker-entrypoint.sh"
    chmod +x "$dir/usr/local/bin/docker-entrypoint.sh"
    rm -rf "${from:?}$in"
    pack_end "$name"
}

# Busybox with a program that stays until it is told to stop, and a file that says which of two
# images it is: all that they differ in.
pack_stay() {
    local tar=$work/images/$1.tar dir=$work/images/$1
    [[ ! -e $tar ]] || return 0
    say "pack $1"
    rm -rf "$dir"
    mkdir -p "$dir/bin"
    echo "$1" >"$dir/which"
    # A first process is killed by no signal that it does not handle. It waits for a child, as a
    # shell runs its traps between commands only.
    printf '%s\n' '#!/bin/sh' "trap 'exit 0' HUP INT QUIT USR1 USR2 TERM" 'sleep 100000 &' 'wait' \
        >"$dir/bin/stay"
    chmod +x "$dir/bin/stay"
    cp "$work/images/busybox.tar" "$tar.part"
    tar -C "$dir" -rf "$tar.part" ./bin/stay ./which
    mv "$tar.part" "$tar"
    rm -rf "$dir"
}

load_image() {
    local address=$1 image=$2 tar=$3 change changes=()
    shift 3
    docker -H "$address" image inspect "$image" >/dev/null 2>&1 && return
    for change; do changes+=(--change "$change"); done
    docker -H "$address" import "${changes[@]}" \
        "$work/images/$tar.tar" "$image" >/dev/null
}

# Loads every test image into the engine at an address.
load_images() {
    local path="ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" redis mariadb stay
    mkdir -p "$work/images"
    pack busybox "$work/root/bookworm"
    pack redis-7.0 "$work/root/bookworm" redis-server redis-cli
    pack redis-8.0 "$work/root/trixie" redis-server redis-cli
    pack_mariadb mariadb-10.11 "$work/root/bookworm"
    pack_mariadb mariadb-11.8 "$work/root/trixie"
    load_image "$1" busybox:latest busybox "$path" 'CMD ["sh"]'
    for redis in 7.0 8.0; do
        load_image "$1" "redis:$redis" "redis-$redis" "$path" "ENV REDIS_VERSION=$redis" \
            "LABEL org.opencontainers.image.version=$redis" 'EXPOSE 6379' 'VOLUME /data' \
            'WORKDIR /data' \
            'CMD ["redis-server","--dir","/data","--protected-mode","no"]'
    done
    for mariadb in 10.11 11.8; do
        load_image "$1" "mariadb:$mariadb" "mariadb-$mariadb" "$path" \
            "ENV MARIADB_VERSION=$mariadb" "LABEL org.opencontainers.image.version=$mariadb" \
            'EXPOSE 3306' 'VOLUME /var/lib/mysql' 'ENTRYPOINT ["docker-entrypoint.sh"]' \
            'CMD ["mariadbd"]'
    done
    load_image "$1" refit-test/exits:latest busybox "$path" \
        'CMD ["sh","-c","echo starting up >&2; echo cannot read the configuration >&2; exit 3"]'
    load_image "$1" refit-test/unhealthy:latest busybox "$path" 'CMD ["sleep","100000"]' \
        'HEALTHCHECK --interval=300ms --timeout=2s --retries=2 CMD ["false"]'
    load_image "$1" refit-test/healthy:latest busybox "$path" 'CMD ["sleep","100000"]' \
        'HEALTHCHECK --interval=300ms --timeout=2s --retries=5 CMD ["true"]'
    # Says something else than redis of everything that an image can say.
    load_image "$1" refit-test/other:latest busybox 'ENV PATH=/usr/bin:/bin OTHER=1' \
        'LABEL org.opencontainers.image.version=other kind=test' 'EXPOSE 7000/udp' \
        'VOLUME /other' 'WORKDIR /tmp' 'USER 0' 'ENTRYPOINT ["env"]' \
        'CMD ["sleep","100000"]' \
        'HEALTHCHECK --interval=300ms --timeout=2s --retries=5 CMD ["true"]'
    for stay in before after; do
        pack_stay "$stay"
        load_image "$1" "refit-test/$stay:latest" "$stay" "$path" 'ENV LEVEL=info GONE=image' \
            'LABEL kind=stay org.opencontainers.image.version=1' 'EXPOSE 7000 7001/udp' \
            'VOLUME /data' 'WORKDIR /tmp' 'USER root' 'ENTRYPOINT ["env"]' 'CMD ["stay"]'
    done
    load_image "$1" refit-test/stubborn:latest busybox "$path" \
        'CMD ["sh","-c","trap : TERM; while :; do sleep 0.1; done"]'
}

# Two registries in every engine's namespace over one storage folder: one that is open, one
# behind a password (refit, secret).
start_registries() {
    local pid kind dir=$work/root/bookworm
    mkdir -p "$dir/srv/registry" "$dir/srv/config"
    pid=$(init_pid "$1")
    [[ -e $dir/srv/config/password ]] ||
        chroot "$dir" htpasswd -Bbn refit secret >"$dir/srv/config/password"
    for kind in open private; do
        local address=$registry auth=
        if [[ $kind == private ]]; then
            address=$private_registry
            auth=$'auth:\n  htpasswd:\n    realm: refit\n    path: /srv/config/password\n'
        fi
        printf '%s\n' 'version: 0.1' 'log: { level: error }' \
            "storage: { filesystem: { rootdirectory: /srv/registry/$kind } }" \
            "http: { addr: '$address' }" "$auth" >"$dir/srv/config/$kind.yml"
        nsenter --target "$pid" --net curl -s "http://$address/v2/" >/dev/null 2>&1 && continue
        # The root of Debian 12 from outside: inside, it is the root of one engine only.
        nsenter --target "$pid" --net --pid -- setsid chroot "$dir" \
            docker-registry serve "/srv/config/$kind.yml" \
            >"$(run "$1")/registry-$kind.log" 2>&1 </dev/null 9>&- &
        await 20 nsenter --target "$pid" --net \
            curl -s -o /dev/null "http://$address/v2/" ||
            die "no registry: $(cat "$(run "$1")/registry-$kind.log")"
    done
    seed_registries "$1"
}

seed_registries() {
    local at image
    at=(-H "unix://$(socket "$1")")
    [[ ! -e $work/registries-seeded ]] || return 0
    say "fill the registries"
    docker "${at[@]}" login -u refit -p secret "$private_registry" >/dev/null 2>&1 ||
        die "no login to the private registry"
    for image in redis:7.0 redis:8.0 busybox:latest; do
        push "$1" "$image" "$registry/$image"
    done
    push "$1" redis:8.0 "$private_registry/private/redis:8.0"
    docker "${at[@]}" logout "$private_registry" >/dev/null
    touch "$work/registries-seeded"
}

push() {
    local at=(-H "unix://$(socket "$1")")
    docker "${at[@]}" tag "$2" "$3"
    docker "${at[@]}" push -q "$3" >/dev/null
    docker "${at[@]}" rmi "$3" >/dev/null
}

prepare() {
    local version
    ((EUID == 0)) || die "engines can only be started by root"
    need debootstrap debootstrap ip iproute2 curl curl
    # Every engine's images come from the first two roots, the CLI from the third.
    for version in "${all[@]}"; do make_root "$version"; done
    write_tools
}

up() {
    local version
    prepare
    for version; do
        make_root "$version"
        if ! answers "$version"; then
            say "start Docker $version"
            start_init "$version"
            start_dockerd "$version"
        fi
        load_images "unix://$(socket "$version")"
        start_registries "$version"
        echo "$version unix://$(socket "$version")"
    done
}

down() {
    local version
    for version; do
        if init_pid "$version" >/dev/null; then
            say "stop Docker $version"
            signal_dockerd "$version" TERM || true
            end_init "$version"
        fi
        ip netns delete "$(netns "$version")" 2>/dev/null || true
        rm -rf "$(run "$version")"
    done
}

print_env() {
    local version engines=()
    for version in "${all[@]}"; do
        if answers "$version"; then engines+=("$version=unix://$(socket "$version")"); fi
    done
    printf 'export %s=%q\n' \
        REFIT_WORK "$work" \
        REFIT_ENGINES "${engines[*]}" \
        REFIT_DOCKER "$work/bin/docker" \
        REFIT_COMPOSE_V1 "$work/bin/docker-compose-v1" \
        DOCKER_CONFIG "$work/docker-config" \
        REFIT_REGISTRY "$registry" \
        REFIT_PRIVATE_REGISTRY "$private_registry"
}

known() {
    local version
    for version; do
        [[ -n ${suite[$version]:-} ]] || die "no engine $version: 20.10, 26.1, 28.5 or 26.1b is expected"
    done
}

command=${1:-}
(($#)) && shift
mkdir -p "$work"
case $command in
    exec)
        known "$1"
        inside "$@"
        exit
        ;;
    net)
        known "$1"
        networked "$@"
        exit
        ;;
    env)
        print_env
        exit
        ;;
    is-up)
        known "$1"
        answers "$1"
        exit
        ;;
    kill)
        # At a moment that somebody waits for: it changes nothing that others rely on.
        known "$1"
        signal_dockerd "$1" KILL
        exit
        ;;
    cut)
        known "$1"
        end_init "$1"
        exit
        ;;
esac

# One at a time changes anything. What is started must not inherit the lock.
exec 9>"$work/lock"
flock -w 900 9 || die "another engines.sh is at work"
case $command in
    up | down)
        known "$@"
        if (($# == 0)); then
            set -- "${all[@]}"
            [[ $command == up ]] || set -- "$@" "${!copy_of[@]}"
        fi
        "$command" "$@"
        ;;
    start)
        known "$1"
        start_init "$1"
        start_dockerd "$1"
        start_registries "$1"
        ;;
    restart)
        known "$1"
        signal_dockerd "$1" TERM
        start_dockerd "$1"
        ;;
    images)
        [[ ${1:-} == *://* ]] || die "images takes an engine's address"
        prepare
        load_images "$1"
        ;;
    *) die "usage: engines.sh up|down|env|exec|net|kill|cut|start|restart|is-up|images [VERSION…]" ;;
esac
