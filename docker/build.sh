#!/usr/bin/env bash
# Builds the static binary with this machine's cargo, and an image of it. No registry is asked.
#
#   docker/build.sh [IMAGE]     IMAGE is what the image is called (default: refit)
#
# DOCKER is the docker command (default: docker), REFIT_BIN a binary that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
source compat-tests/lib.sh

image=${1:-refit}
binary=${REFIT_BIN:-$(refit_binary .)}
context=$(mktemp -d)
trap 'rm -r "$context"' EXIT
cp "$binary" "$context/refit"
"${DOCKER:-docker}" build --quiet --file docker/Dockerfile --tag "$image" "$context"
