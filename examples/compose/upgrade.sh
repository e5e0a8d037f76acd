#!/usr/bin/env bash
# Upgrades a compose project service by service, so that `docker compose up` agrees with it.
#
#   examples/compose/upgrade.sh SERVICE=IMAGE…
#
# It is run in the project's folder, and takes the services in the order in which they are named; the
# first failure stops it. The project is to read each image from a variable of its .env, called as
# the service: WEB_API_IMAGE for web-api. That line is changed with the container, and put back if
# it fails. Needs the plugin `docker upgrade`, whose warnings of what compose will do this sees to.
# MONITOR is how long a new container must run (default 5s). Exit code 1: not upgraded, and the service
# at which it stopped is as it was, on all its containers; with others, docker upgrade says what it is.
set -euo pipefail

die() {
    echo "upgrade.sh: $*" >&2
    exit 1
}
# The hash by which compose knows whether a container is of what the file says, and where it keeps it.
label=com.docker.compose.config-hash
hash_of() { docker compose config --hash "$1" | cut -d ' ' -f 2; }
# The image that the file says.
image_of() { docker compose config | sed -n "/^  $1:\$/,/^  [^ ]/ s/^    image: //p"; }
# The containers that compose keeps for a service, without those of `docker compose run`.
containers_of() {
    local label=com.docker.compose project
    project=$(docker compose config | sed -n 's/^name: //p')
    docker ps -a --filter "label=$label.project=$project" --filter "label=$label.service=$1" \
        --filter "label=$label.oneoff=False" --format '{{.Names}}'
}
# All that the file says, but for images.
but_images() { docker compose config | grep -v '^    image: '; }

upgrade() {
    local service=$1 image=$2 variable containers container rest hash
    variable=${service^^}_IMAGE
    variable=${variable//[-.]/_}
    grep -q "^$variable=" .env || die "there is no $variable in .env"
    mapfile -t containers < <(containers_of "$service")
    ((${#containers[@]})) || die "$service has no containers: docker compose up -d makes them"

    # Whatever else the file says by now is for compose to do: the new hash would hide it.
    hash=$(hash_of "$service")
    for container in "${containers[@]}"; do
        [[ $(docker inspect -f "{{index .Config.Labels \"$label\"}}" "$container") == "$hash" ]] ||
            die "$service is not as its file says: run docker compose up -d first"
    done
    docker image inspect "$image" >/dev/null 2>&1 || docker pull -q "$image"

    rest=$(but_images)
    cp -p .env .env.before
    trap 'mv .env.before .env' EXIT
    sed -i "s|^$variable=.*|$variable=$image|" .env
    [[ $(image_of "$service") == "$image" ]] ||
        die "$service does not take its image from $variable in .env"
    [[ $(but_images) == "$rest" ]] || die "$variable says more than an image"

    # With this label, each container is what compose would have made of the file as it is now; Refit
    # itself sees to com.docker.compose.image, the image's ID. Of several containers, those that were
    # upgraded before one failed go back with it.
    hash=$(hash_of "$service")
    docker upgrade --failure-action rollback --monitor "${MONITOR:-5s}" --image "$image" \
        -l "$label=$hash" "${containers[@]}"
    trap - EXIT
    rm .env.before
}

(($#)) || die "usage: upgrade.sh SERVICE=IMAGE…"
for pair; do
    [[ $pair == ?*=?* ]] || die "usage: upgrade.sh SERVICE=IMAGE…"
    upgrade "${pair%%=*}" "${pair#*=}"
done
