# docker-py's own integration tests, from its source archive. They need images of Docker Hub, which
# are made here as far as they are merely run. What wants to pull from there fails, on both sides.

floor=320
archive=docker-7.0.0
digest=323736fb92cd9418fc5e7133bc953e11a9da04f4483f828b527db553f1e7e5a3

# What these come to depends on who is faster. The first ones read the output of a container that
# was just started, the last one that of one that has just ended.
races=(
    tests/integration/api_build_test.py::BuildTest::test_build_{in_context_{,abs_,nested_},out_of_context_}dockerfile
    tests/integration/api_container_test.py::AttachContainerTest::test_attach_no_stream
)

prepare() {
    venv docker-py
    [[ ! -d $folder/$archive/tests ]] || return 0
    "$folder/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps \
        --no-binary docker --dest "$folder" "docker==${archive#docker-}" >&2
    sha256sum --quiet --check <<<"$digest  $folder/$archive.tar.gz" ||
        die "docker-py's archive is not what it was"
    rm -rf "$folder/unpacked"
    mkdir "$folder/unpacked"
    tar -C "$folder/unpacked" -xzf "$folder/$archive.tar.gz"
    mv "$folder/unpacked/$archive" "$folder"
}

load() {
    local name
    mkdir -p "$folder/image/var/opt"
    for name in alpine:latest alpine:3.10; do image "$name" '["/bin/sh"]' ./var/opt; done
    hello_world hello-world:latest
}

outcomes() {
    local address=$1
    shift
    (($#)) || set -- tests/integration
    pytest "$folder/$archive" "$address" "${races[@]/#/--deselect=}" "$@"
}
