# Shared by the scripts: what they say, what they need, what they build. `$SECONDS` tells the time.

say() { printf '== %4ds %s\n' "$SECONDS" "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# need PROGRAM PACKAGE…: installs the Debian packages of the programs that are missing.
need() {
    local missing=()
    while (($#)); do
        command -v "$1" >/dev/null || missing+=("$2")
        shift 2
    done
    ((${#missing[@]})) || return 0
    say "install ${missing[*]}"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -qqy --no-install-recommends "${missing[@]}"; } >&2 ||
        die "${missing[*]} cannot be installed"
}

# Installs cargo-nextest, if it is missing.
need_nextest() {
    cargo nextest --version >/dev/null 2>&1 && return
    say "install cargo-nextest"
    cargo install --locked cargo-nextest >&2
}

# Installs what Python's virtual environments need: a package of its own, in Debian.
need_venv() {
    python3 -c 'import ensurepip' 2>/dev/null || need ensurepip python3-venv
}

# refit_binary ROOT: builds the release binary of the project at ROOT and prints its path.
refit_binary() {
    (cd "$1" && cargo build --release --bin refit --message-format=json-render-diagnostics) |
        sed -n 's/.*"executable":"\([^"]*\/refit\)".*/\1/p' | tail -n 1
}
