#!/usr/bin/env bash
# Installs Refit: the binary, the docker CLI's plugin, the systemd units, completions and man pages.
#
#   docker/install.sh             installs under /usr/local, what `cargo build --release` has built
#
# PREFIX (default: /usr/local) is where, DESTDIR a folder in front of everything, as packagers have it.
# REFIT_BIN is a binary that is there already. Nothing is enabled or started:
#
#   systemctl daemon-reload && systemctl enable --now refit.socket refit.service
set -euo pipefail
cd "$(dirname "$0")/.."
source compat-tests/lib.sh

prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
built=(target/*/release/refit)
binary=${REFIT_BIN:-${built[0]}}
[[ -x $binary ]] || die "there is no $binary: cargo build --release makes it"
generated=$(mktemp -d)
trap 'rm -r "$generated"' EXIT

# put FILE MODE PATH
put() {
    install -D -m "$2" "$1" "$root$3"
    echo "$root$3"
}

put "$binary" 755 "$prefix/bin/refit"
plugins=$prefix/lib/docker/cli-plugins
install -d "$root$plugins"
ln -sf ../../../bin/refit "$root$plugins/docker-upgrade"
echo "$root$plugins/docker-upgrade"
sed "s|/usr/local/bin/refit|$prefix/bin/refit|" docker/systemd/refit.service >"$generated/refit.service"
put "$generated/refit.service" 644 "$prefix/lib/systemd/system/refit.service"
put docker/systemd/refit.socket 644 "$prefix/lib/systemd/system/refit.socket"

"$binary" completions bash >"$generated/bash"
put "$generated/bash" 644 "$prefix/share/bash-completion/completions/refit"
"$binary" completions zsh >"$generated/zsh"
put "$generated/zsh" 644 "$prefix/share/zsh/site-functions/_refit"
"$binary" completions fish >"$generated/fish"
put "$generated/fish" 644 "$prefix/share/fish/vendor_completions.d/refit.fish"
"$binary" man "$generated/man"
for page in "$generated"/man/*.1; do
    put "$page" 644 "$prefix/share/man/man1/$(basename "$page")"
done
