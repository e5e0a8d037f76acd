# How long planning takes, for a container of 200 variables and 50 mounts: criterion's own figures.
# Needs no engine. Arguments go to criterion (`--measurement-time 20`).

run() {
    (cd "$here/.." && cargo bench --package compat-tests --bench plan -- "$@")
}
