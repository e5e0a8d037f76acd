#!/usr/bin/env bash
# Upgrades a container with one curl, and shows each step as it comes.
#
#   examples/curl.sh CONTAINER IMAGE [PATCH]
#
# PATCH is a JSON object of the shape of `POST /containers/create`, merged over the container's
# configuration, as '{"Env": ["LEVEL=debug"]}'. REFIT_SOCKET is Refit's socket (default
# /run/refit/docker.sock). Exit code 1: not upgraded, and the last line says why.
set -euo pipefail

container=${1:?usage: curl.sh CONTAINER IMAGE [PATCH]}
image=${2:?usage: curl.sh CONTAINER IMAGE [PATCH]}
patch=${3:-"{}"}

# The image goes in as the patch's first key; an empty patch leaves it alone there.
rest=${patch#*\{}
[[ $rest =~ ^[[:space:]]*\}[[:space:]]*$ ]] || rest=", $rest"

# -N shows each line at once. The status comes before the first step: failures are in the last line.
curl -sSN --fail-with-body --unix-socket "${REFIT_SOCKET:-/run/refit/docker.sock}" \
    -H 'Content-Type: application/json' \
    "http://docker/containers/$container/upgrade?stream=true" \
    --data "{\"Image\": \"$image\"$rest" |
    {
        while IFS= read -r line; do
            printf '%s\n' "$line"
            last=$line
        done
        [[ ${last:-} == '{"aux":'* ]]
    }
