#!/usr/bin/env bash
# Benchmarks against a real engine.
#
#   compat-tests/bench.sh relay      what the relay adds to a request, next to HAProxy, nginx and socat
#   compat-tests/bench.sh upgrade    the downtime of an upgrade, next to docker restart and compose
#   compat-tests/bench.sh plan       how long planning takes
#
# Each benchmark is a file in bench/ and says there what it measures and how it can be tuned.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/bench/lib.sh"

bench=${1:-}
if [[ ! $bench =~ ^[a-z]+$ || $bench == lib || ! -f $here/bench/$bench.sh ]]; then
    echo "usage: ${0##*/} BENCHMARK" >&2
    echo "benchmarks: $(cd "$here/bench" && ls ./*.sh | sed 's|./||; s|\.sh$||' | grep -vx lib | xargs)" >&2
    exit 2
fi
shift
source "$here/bench/$bench.sh"
run "$@"
