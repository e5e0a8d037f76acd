#!/usr/bin/env bash
# Installs what the examples in Python and JavaScript need into the work folder of engines.sh, where
# it is not there yet, and prints how their tests find it.
#
#   compat-tests/examples.sh        prints the Python to run, and the folder of the JavaScript
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/lib.sh"
source "$here/suites/lib.sh"
eval "$("$here/engines.sh" env)"

# The tests of several engines may ask at once.
mkdir -p "$REFIT_WORK/examples"
exec 9>"$REFIT_WORK/examples/lock"
flock -w 600 9 || die "another examples.sh is at work"

# The suite of testcontainers needs the same, and docker-py is one of its own needs.
folder=$REFIT_WORK/suites/testcontainers
mkdir -p "$folder"
need python3 python3
venv testcontainers
echo "$folder/venv/bin/python"

# Packages are looked for beside the program: it is run from there, as it is now.
need node nodejs npm npm
folder=$REFIT_WORK/examples/dockerode
mkdir -p "$folder"
lock=$root/examples/dockerode/package-lock.json
if ! cmp -s "$lock" "$folder/installed"; then
    say "install dockerode"
    cp "$lock" "$root/examples/dockerode/package.json" "$folder"
    (cd "$folder" && npm ci --omit=optional --ignore-scripts --no-audit --no-fund --silent >&2)
    cp "$lock" "$folder/installed"
fi
cp "$root/examples/dockerode/upgrade.mjs" "$folder"
echo "$folder"
