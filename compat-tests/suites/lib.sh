# Shared by the suites: the engine and the Refit that they meet, and how two runs are compared.
#
# A suite is a file that defines
#   floor               how many tests pass at least on each side
#   prepare             fetches and builds what is missing, into $folder
#   load                makes the images that its tests want, before each side
#   outcomes ADDRESS [TEST…]   runs the suite, or some of its tests, against an engine's address;
#                       writes a line of a test and its outcome, divided by a tab, for each test to
#                       $results, and whatever else there is to tell to its output

here=${here:?}
root=$(dirname "$here")

usage() {
    echo "${0##*/}: $1" >&2
    exit 64
}

# Brings up the engine, and a Refit in front of it; both go at the end, the engine only if it was
# brought up here. REFIT_BIN may name a Refit that was built before.
begin() {
    need curl curl column bsdextrautils python3 python3
    trap finish EXIT
    "$here/engines.sh" is-up "$version" || started=$version
    "$here/engines.sh" up "$version" >/dev/null
    eval "$("$here/engines.sh" env)"
    mkdir -p "$REFIT_WORK/suites"
    # A socket's path must be short: the folder's name is.
    scratch=$(mktemp -d "$REFIT_WORK/suites/run.XXXX")
    direct=unix://$REFIT_WORK/run/$version/docker.sock
    through=unix://$scratch/refit.sock
    : >"$scratch/told"
    inventory >"$scratch/inventory"
    local binary=${REFIT_BIN:-}
    if [[ ! $binary ]]; then
        say "build Refit"
        binary=$(refit_binary "$root")
    fi
    "$binary" serve --engine "$direct" --listen "$through" \
        --log-level warn >"$scratch/refit.log" 2>&1 &
    refit=$!
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        [[ ! -S $scratch/refit.sock ]] || return 0
        sleep 0.05
    done
    die "Refit does not listen: $(cat "$scratch/refit.log")"
}

finish() {
    if [[ ${refit:-} ]]; then
        kill "$refit" 2>/dev/null || true
        wait "$refit" 2>/dev/null || true
    fi
    if [[ ${scratch:-} ]]; then
        tidy || true
        rm -rf "$scratch"
    fi
    [[ ! ${started:-} ]] || "$here/engines.sh" down "$started"
}

# The docker CLI on the engine itself.
docker() { "$REFIT_DOCKER" -H "$direct" "$@"; }

# What the engine has: a kind and a name on each line.
inventory() {
    docker ps -aq --no-trunc | sed 's/^/container /'
    docker plugin ls -q --no-trunc | sed 's/^/plugin /'
    docker network ls -q --no-trunc | sed 's/^/network /'
    docker volume ls -q | sed 's/^/volume /'
    # An untagged image goes by its ID, and after those that have names.
    docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' |
        sed 's/^.*<none>.* //; s/ .*//; s/^/image /' | sort -r | uniq
}

# Takes the engine back to what it had at the beginning.
tidy() {
    local kind name
    docker swarm leave --force >/dev/null 2>&1 || true
    inventory | { grep -vxFf "$scratch/inventory" || true; } | while read -r kind name; do
        case $kind in
            container) docker rm -fv "$name" ;;
            plugin) docker plugin rm -f "$name" ;;
            network) docker network rm "$name" ;;
            volume) docker volume rm -f "$name" ;;
            image) docker rmi -f "$name" ;;
        esac >/dev/null 2>&1 </dev/null || true
    done
    docker builder prune -af >/dev/null 2>&1 || true
    # What a suite took away that was there before.
    "$here/engines.sh" images "$direct"
}

# image NAME CMD [FILE…]: makes an image of this name out of busybox, and of files of $folder/image.
image() {
    local name=$1 cmd=$2 tar=$scratch/image.tar
    shift 2
    cp "$REFIT_WORK/images/busybox.tar" "$tar"
    (($# == 0)) || tar -C "$folder/image" -rf "$tar" "$@"
    docker import --change "CMD $cmd" \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        "$tar" "$name" >/dev/null
    rm "$tar"
}

# An image whose one command says hello, as everybody's first image does.
hello_world() {
    mkdir -p "$folder/image"
    printf '#!/bin/sh\nprintf "\\nHello from Docker!\\n"\n' >"$folder/image/hello"
    chmod +x "$folder/image/hello"
    image "$1" '["/hello"]' ./hello
}

# network COMMAND…: runs it in the engine's network, where published ports are, and from where no
# other network can be reached. Bounded in time, so that nothing hangs.
network() { timeout --kill-after 10 1500 "$here/engines.sh" net "$version" "$@"; }

# venv NAME: a virtual environment in $folder with what suites/NAME.txt pins. Another one may ask for
# it at the same time.
venv() {
    local pins=$here/suites/$1.txt lock
    exec {lock}>"$folder/venv.lock"
    flock -w 600 "$lock" || die "another script is at work in $folder"
    make_venv "$pins"
    exec {lock}>&-
}

# make_venv PINS
make_venv() {
    local pins=$1
    need_venv
    cmp -s "$pins" "$folder/venv/pins" && return
    say "install what $(basename "$pins" .txt) needs"
    rm -rf "$folder/venv"
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check -r "$pins" >&2
    cp "$pins" "$folder/venv/pins"
}

# pytest FOLDER ADDRESS ARGUMENTS…: runs pytest in a folder, with the outcomes as above.
pytest() {
    local folder_of_tests=$1 address=$2
    shift 2
    # Nothing is read of what the user has configured, be it of Docker or of Python, nor of what
    # another side has.
    rm -rf "$scratch/home"
    mkdir -p "$scratch/home/.docker"
    ln -s "$DOCKER_CONFIG/cli-plugins" "$scratch/home/.docker/cli-plugins"
    # docker-py keeps contexts beside it, or where it is run if there is none.
    echo '{}' >"$scratch/home/.docker/config.json"
    (cd "$folder_of_tests" && network env DOCKER_HOST="$address" HOME="$scratch/home" \
        DOCKER_CONFIG="$scratch/home/.docker" \
        PATH="$REFIT_WORK/bin:$PATH" PYTHONPATH="$here/suites" PYTHONDONTWRITEBYTECODE=1 \
        OUTCOMES="$results" "$folder/venv/bin/python" -m pytest -p outcomes -p no:cacheprovider \
        --timeout 60 --timeout-method signal --durations 10 "$@") || true
}

# run_side SIDE [TEST…]: adds what became of the tests to $scratch/SIDE.
run_side() {
    local side=$1
    shift
    say "$suite: $side${1+, $# again}"
    tidy
    load
    results=$scratch/$side
    outcomes "${!side}" "$@" >>"$folder/$side.log" 2>&1
}

# Prints each test that never came to the same on both sides, with what it came to on either.
differing() {
    awk -F '\t' '
        !seen[FILENAME, $1, $2]++ {
            outcomes[FILENAME, $1] = outcomes[FILENAME, $1] (outcomes[FILENAME, $1] ? " or " : "") $2
            tests[$1]
            if (seen[ARGV[1], $1, $2] && seen[ARGV[2], $1, $2]) same[$1]
        }
        function outcome(side, test) {
            return outcomes[side, test] ? outcomes[side, test] : "absent"
        }
        END {
            for (test in tests)
                if (!(test in same))
                    print test "\t" outcome(ARGV[1], test) "\t" outcome(ARGV[2], test)
        }' "$scratch/direct" "$scratch/through" | sort
}

# tell LINE…: to be told below the table.
tell() { printf '%s\n' "$@" >>"$scratch/told"; }

# Runs the suite on both sides, adds a row to the table, and counts.
compare() {
    local since=$SECONDS side tries tests counts different
    folder=$REFIT_WORK/suites/$suite
    mkdir -p "$folder"
    rm -f "$folder"/{direct,through}.log
    : >"$scratch/direct"
    : >"$scratch/through"
    say "$suite: prepare"
    prepare
    for side in direct through; do run_side "$side"; done
    local ran
    ran=$(cat "$scratch/direct" "$scratch/through" | cut -f 1 | sort -u | wc -l)
    counts=("$(grep -c $'\tpassed$' "$scratch/direct")" \
        "$(grep -c $'\tpassed$' "$scratch/through")") || true
    different=$(differing)
    # Where this many differ, it is no accident of theirs.
    for ((tries = 0; tries < 2; tries++)); do
        mapfile -t tests < <(cut -f 1 <<<"$different" | sed '/^$/d')
        ((${#tests[@]} > 0 && ${#tests[@]} <= 60)) || break
        tell '' "$suite: differed, and was run again:" "${tests[@]/#/    }"
        for side in direct through; do run_side "$side" "${tests[@]}"; done
        different=$(differing)
    done
    mapfile -t tests < <(sed '/^$/d' <<<"$different")
    if ((${#tests[@]})); then
        tell '' "$suite: differs, direct and through (the logs are in $folder):" \
            "${tests[@]/#/    }"
    fi
    for side in 0 1; do
        ((counts[side] < floor)) || continue
        tell '' "$suite: only ${counts[side]} tests passed, $floor or more are expected"
        failed=$((failed + 1))
    done
    table+=("$suite|${counts[0]}|${counts[1]}|${#tests[@]}|$ran|$((SECONDS - since))")
    passed=$((passed + ran - ${#tests[@]})) failed=$((failed + ${#tests[@]}))
}
