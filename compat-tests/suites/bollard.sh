# bollard's tests, which are in its crate, of the version that Refit itself is built with. They
# pull from a registry: the engine's own, into which goes what they want. BuildKit's sessions and
# attach over a WebSocket are features that have to be asked for.

floor=100
features=buildkit,test_websocket,time

prepare() {
    need gcc gcc
    need_nextest
    local crate
    crate=$(cd "$root" && cargo metadata --quiet --locked --format-version 1 | python3 -c '
import json, os, sys
packages = json.load(sys.stdin)["packages"]
print(*(os.path.dirname(p["manifest_path"]) for p in packages if p["name"] == "bollard"))')
    crate_copy=$folder/$(basename "$crate")
    if [[ ! -d $crate_copy ]]; then
        rm -rf "$folder"/bollard-*
        cp -r "$crate" "$crate_copy.part"
        mv "$crate_copy.part" "$crate_copy"
    fi
    # What is built is kept beside it: it takes minutes.
    say "build bollard's tests"
    nextest --no-run >"$folder/build.log" 2>&1 ||
        die "they cannot be built: $(tail -n 30 "$folder/build.log")"
    local name
    for name in hello-world:linux alpine:latest fussybeaver/uhttpd:latest; do
        make_image "$name"
        docker push -q "$REFIT_REGISTRY/$name" >/dev/null
    done
}

# Under the name that the registry knows it by.
make_image() {
    local name=$REFIT_REGISTRY/$1 in=$folder/image
    case $1 in
        hello-world:*) hello_world "$name" ;;
        alpine:*) image "$name" '["/bin/sh"]' ;;
        fussybeaver/uhttpd:*)
            mkdir -p "$in/usr/sbin" "$in/www" "$in/etc/config"
            printf '\nconfig uhttpd main\n' >"$in/etc/config/uhttpd"
            printf '#!/bin/sh\nexec httpd "$@"\n' >"$in/usr/sbin/run_uhttpd"
            chmod +x "$in/usr/sbin/run_uhttpd"
            image "$name" '["run_uhttpd","-f","-p","80","-h","/www"]' ./usr/sbin/run_uhttpd ./www \
                ./etc/config
            ;;
    esac
}

# The images are pulled. Services, nodes and secrets are those of a swarm, which a slow engine may take
# more than one attempt to begin.
load() {
    local tries
    for ((tries = 0; tries < 3; tries++)); do
        ! docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 >/dev/null ||
            return 0
        docker swarm leave --force >/dev/null 2>&1 || true
    done
    return 1
}

# nextest ARGUMENTS…: runs bollard's tests, with the command before it that $before names.
nextest() {
    (cd "$crate_copy" && CARGO_TARGET_DIR=$folder/target CARGO_PROFILE_DEV_DEBUG=0 \
        ${before:-} cargo nextest run --locked --tests --features "$features" \
        --config-file "$here/suites/bollard.toml" --color never "$@")
}

# A test's name is that of its binary and its own, divided by a blank.
outcomes() {
    local address=$1 test filters=()
    shift
    for test; do filters+=(-E "binary_id(=${test% *}) and test(=${test#* })"); done
    export DOCKER_HOST=$address REGISTRY_HTTP_ADDR=$REFIT_REGISTRY
    before=network nextest --offline --no-fail-fast --test-threads 1 "${filters[@]}" 2>&1 |
        tee "$scratch/nextest.log" || true
    unset DOCKER_HOST
    # "   PASS [   0.312s] ( 1/87) bollard::container_test integration_test_stats"
    sed -nE '/^ *(PASS|LEAK|FAIL|TIMEOUT|ABORT|SIG[A-Z]+) \[ *[0-9.]+s\]/ {
        s/^ *([A-Z]+) \[[^]]*\] (\([ 0-9/]*\) )?(.*)$/\3\t\1/
        s/(PASS|LEAK)$/passed/; s/(FAIL|ABORT|SIG[A-Z]+)$/failed/; s/TIMEOUT$/timed out/
        p
    }' "$scratch/nextest.log" | sort -u >>"$results"
}
