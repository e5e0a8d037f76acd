#!/usr/bin/env bash
# Upgrades a container with the docker CLI, tries it with a command of yours, and goes back to the
# one before if that fails.
#
#   examples/docker-cli.sh CONTAINER IMAGE [CHECK…]
#
# CHECK runs inside the new container, as `docker exec` has it: 'docker-cli.sh db redis:8.0 redis-cli
# ping'. What only you can tell of a version goes there: Refit itself sees that it runs, and that its
# health check passes. Needs the plugin `docker upgrade`; DOCKER_HOST or the context is Refit's (or
# the engine's: the plugin then does it by itself). MONITOR is how long the new container must run
# (default 5s). Exit code 1: the container is as it was; 2: it could not be brought back; others as docker
# upgrade has them.
set -euo pipefail

container=${1:?usage: docker-cli.sh CONTAINER IMAGE [CHECK…]}
image=${2:?usage: docker-cli.sh CONTAINER IMAGE [CHECK…]}
shift 2
# By its name, which it keeps; its ID it does not.
container=$(docker container inspect -f '{{.Name}}' "$container")
container=${container#/}

# What would change, and why. Nothing is touched; an image that is not here yet is pulled first.
docker image inspect "$image" >/dev/null 2>&1 || docker pull -q "$image"
docker upgrade --dry-run --image "$image" "$container"

# Progress goes to standard error. If it fails, the original runs again, and this script ends here.
before=$(docker inspect -f '{{.Id}}' "$container")
docker upgrade --monitor "${MONITOR:-5s}" --image "$image" "$container"

# Where there was nothing to do, there is nothing to go back from.
if (($#)) && [[ $(docker inspect -f '{{.Id}}' "$container") != "$before" ]]; then
    if ! docker exec "$container" "$@"; then
        echo "the check has failed: $*" >&2
        # The container goes back, its data does not.
        docker upgrade --monitor "${MONITOR:-5s}" --rollback "$container" || exit 2
        exit 1
    fi
fi
docker upgrade --history "$container"
