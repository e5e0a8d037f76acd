# What testcontainers-python does with an engine, shown by tests of ours: its source archive has
# none. Its reaper, an image of its own, is off.

floor=25

prepare() { venv testcontainers; }

# The test images suffice.
load() { :; }

outcomes() {
    local address=$1
    shift
    (($#)) || set -- .
    TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1 \
        TC_POOLING_INTERVAL=0.1 pytest "$here/suites/testcontainers" "$address" "$@"
}
