#!/usr/bin/env bash
# Other people's test suites, each run twice on one engine: directly, and through Refit. What a
# test came to must be the same both times, be it that it passed, failed or was skipped.
#
#   compat-tests/suites.sh [--engine 20.10|26.1|26.1b|28.5] [SUITE…]     (all suites on 26.1 by default)
#
# Each suite is a file in suites/ and says there whose it is. Suites are fetched into the work
# folder of engines.sh when they are run. They prune: nothing else may use the engine meanwhile.
#
# A test that differs is run again on both sides, by name, up to twice: others' tests may fail now
# and then. What differs each time fails the run. So does a suite of which suspiciously few tests
# passed: its images, or what it runs on, are broken then.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/lib.sh"
source "$here/suites/lib.sh"

known=(docker-py bollard testcontainers)
version=26.1
suites=()
while (($#)); do
    case $1 in
        --engine)
            version=${2:-}
            [[ $version =~ ^(20\.10|26\.1b?|28\.5)$ ]] ||
                usage "--engine takes 20.10, 26.1, 26.1b or 28.5"
            shift
            ;;
        -*) usage "unknown option $1" ;;
        *)
            [[ " ${known[*]} " == *" $1 "* ]] || usage "no suite $1: there are ${known[*]}"
            suites+=("$1")
            ;;
    esac
    shift
done
((${#suites[@]})) || suites=("${known[@]}")

begin
table=() passed=0 failed=0
for suite in "${suites[@]}"; do
    source "$here/suites/$suite.sh"
    compare
done

echo
{
    echo "suite|passed direct|passed through|differing|tests|seconds"
    printf '%s\n' "${table[@]}"
} | column -t -s '|'
cat "$scratch/told"
echo
echo "$passed passed, $failed failed"
((failed == 0))
