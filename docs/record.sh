#!/usr/bin/env bash
# Records what people see: plays each of docs/stories on a terminal of 100 columns, and writes what stood
# there to docs/recordings.
#
#   docs/record.sh [STORY…]       all by default; needs Debian, root and cargo
#
# A story is a file of what is typed, line by line; one that begins with # is a remark. The engine is a 28.5 of
# compat-tests/engines.sh, of which all containers and volumes are removed afterwards. The rest is done as it is
# typed, an installation under /usr/local too, in a mount namespace in which it leaves nothing behind. $PYTHON
# and $DOCKERODE are where compat-tests/examples.sh has installed what the examples need.
set -euo pipefail
cd "$(dirname "$0")/.."
source compat-tests/lib.sh

# type_all STORY: on the terminal.
type_all() {
    local line status=0
    while IFS= read -r line; do
        case $line in
            '') echo ;;
            '#'*) printf '\e[1m%s\e[0m\n' "$line" ;;
            *)
                printf '$ %s\n' "$line"
                # Until it listens.
                [[ $line != *'&' ]] || line+=" sleep 1"
                (exit "$status")
                eval "$line" </dev/tty
                status=$?
                ;;
        esac
    done <"$1"
}

# play STORY ENGINE TOOLS FOLDER: in namespaces of its own.
play() {
    local folder=$4
    mount -t tmpfs tmpfs "$folder"
    mkdir "$folder/upper" "$folder/work" "$folder/home"
    mount -t overlay overlay -o "lowerdir=/usr/local,upperdir=$folder/upper,workdir=$folder/work" /usr/local
    mount -t tmpfs tmpfs /run
    mkdir /run/refit
    ln -s "${2#unix://}" /run/docker.sock
    unset DOCKER_HOST DOCKER_CONFIG
    export HOME=$folder/home PATH=$3:$PATH
    mkdir -p ~/.docker/cli-plugins
    ln -s "$COMPOSE" ~/.docker/cli-plugins/docker-compose
    set +e
    type_all "docs/stories/$1"
    # Not part of it.
    exec >/dev/null 2>&1
    export DOCKER_HOST=$2
    kill %1
    wait
    docker ps -aq | xargs -r docker rm -fv
    docker volume ls -q | xargs -r docker volume rm
    docker network prune -f
}

if [[ ${1:-} == on-terminal ]]; then
    play "${@:2}"
    exit
fi
((EUID == 0)) || die "only root can start an engine"
command -v cargo >/dev/null || die "cargo is missing: see https://rustup.rs"
need curl curl gcc gcc tmux tmux unshare util-linux
(($#)) || set -- first-hour examples
read -r _ engine < <(compat-tests/engines.sh up 28.5)
eval "$(compat-tests/engines.sh env)"
[[ ! $("$REFIT_DOCKER" -H "$engine" ps -aq) ]] || die "there are containers on $engine, which would be removed"
{ read -r PYTHON && read -r DOCKERODE; } < <(compat-tests/examples.sh)
say "build"
refit_binary . >/dev/null
cargo build --quiet --example bollard

folder=$(mktemp -d)
mkdir "$folder/played"
terminal=(tmux -S "$folder/tmux" -f "$folder/tmux.conf")
trap '"${terminal[@]}" kill-server 2>/dev/null || true; rm -r "$folder"' EXIT
printf '%s\n' 'set -g history-limit 10000' 'set -g remain-on-exit on' 'set -g status off' >"$folder/tmux.conf"
# The toolchain is looked for in the home of who records.
export PYTHON DOCKERODE COMPOSE=$DOCKER_CONFIG/cli-plugins/docker-compose
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
mkdir -p docs/recordings
for story; do
    say "record $story"
    # Published ports are where the engine is.
    "${terminal[@]}" new-session -d -x 100 -y 50 compat-tests/engines.sh net 28.5 \
        unshare --mount docs/record.sh on-terminal "$story" "$engine" "$REFIT_WORK/bin" "$folder/played"
    for ((tries = 0; tries < 600; tries++)); do
        [[ $("${terminal[@]}" display-message -p '#{pane_dead}') != 1 ]] || break
        sleep 1
    done
    ((tries < 600)) || die "it does not end"
    # Without blanks at the ends of lines, and without blank lines at the end.
    "${terminal[@]}" capture-pane -p -J -S - | sed -e 's/ *$//' -e '/^Pane is dead/d' |
        sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' >"docs/recordings/$story.txt"
    "${terminal[@]}" kill-server
    say "docs/recordings/$story.txt has $(wc -l <"docs/recordings/$story.txt") lines"
done
