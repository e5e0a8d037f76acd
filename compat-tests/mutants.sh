#!/usr/bin/env bash
# Proves the explorer of tests/upgrade: every deliberate fault in mutants/ must make it fail.
#
#   compat-tests/mutants.sh [NAME…]   run the explorer on each mutant (those whose file name contains a
#                                     NAME; all by default) and print a table; takes minutes
#   compat-tests/mutants.sh --check   only see that every patch applies to the tree
#
# The tree is copied to a temporary folder, and nothing is changed in it. REFIT_MUTANTS_TARGET is the
# build folder of the copies, which is kept (default: mutants in the tree's own).
set -euo pipefail
cd "$(dirname "$0")/.."
source compat-tests/lib.sh

root=$PWD
mutants=("$root"/compat-tests/mutants/*.patch)

# apply PATCH [OPTION…]: patches exactly, so that a mutant that drifted is noticed.
apply() { patch --strip=1 --fuzz=0 --silent --no-backup-if-mismatch "${@:2}" <"$1"; }

failed=0
if [[ ${1:-} == --check ]]; then
    for mutant in "${mutants[@]}"; do
        apply "$mutant" --dry-run || {
            echo "$(basename "$mutant") does not apply" >&2
            failed=1
        }
    done
    say "${#mutants[@]} mutants, $( ((failed)) && echo "not all apply" || echo "all apply")"
    exit "$failed"
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy"
cd "$copy"

export CARGO_TARGET_DIR=${REFIT_MUTANTS_TARGET:-$root/target/mutants}
explore() { cargo nextest run --package refit --test upgrade "$@" explore:: >"$copy/log" 2>&1; }

say "without a fault"
(($#)) || explore || {
    cat "$copy/log"
    die "the explorer fails without a mutant"
}
printf '%-52s %s\n' mutant "caught by"
for mutant in "${mutants[@]}"; do
    name=$(basename "$mutant" .patch)
    wanted=$(($# == 0))
    for part in "$@"; do [[ $name != *$part* ]] || wanted=1; done
    ((wanted)) || continue
    apply "$mutant"
    # What does not compile is not caught.
    explore --no-run || {
        cat "$copy/log"
        die "$name does not compile"
    }
    if explore --max-fail=1:immediate; then
        by="NOT CAUGHT"
        failed=1
    else
        by=$(sed -n 's/.* FAIL .*explore::\([a-z_]*\).*/\1/p' "$copy/log" | head -n 1)
        [[ $by ]] || die "$name: $(tail -n 5 "$copy/log")"
    fi
    printf '%-52s %s\n' "$name" "$by"
    apply "$mutant" --reverse
done
exit "$failed"
