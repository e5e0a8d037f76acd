#!/usr/bin/env python3
"""Upgrades a container with docker-py, and prints each step as it comes.

    examples/docker_py.py CONTAINER IMAGE [PATCH]

PATCH is a JSON object of the shape of `POST /containers/create`, merged over the container's
configuration, as '{"Env": ["LEVEL=debug"]}'. DOCKER_HOST is Refit's address, as
unix:///run/refit/docker.sock. Needs the package docker (6 or newer). Exit code 1: not upgraded, and
the last line says why.
"""

import json
import sys

import docker
import requests


class UpgradeError(Exception):
    """An upgrade that failed, and what became of the container: "not needed" (it was not touched),
    "restored" or "incomplete"."""

    def __init__(self, detail):
        super().__init__(detail["message"])
        self.rollback = detail.get("Rollback")


def upgrade(client, container, patch, on_step=lambda line: None):
    """Upgrades a container of a `docker.DockerClient`, and returns the answer; each line of progress
    is handed to `on_step`."""
    api = client.api
    # Not _post_json, which drops every None: here, null means the image's own value.
    response = api._post(
        api._url("/containers/{0}/upgrade", container),
        params={"stream": "true"},
        json=patch,
        stream=True,
    )
    # A container that does not exist, a patch that is wrong: docker.errors.APIError.
    api._raise_for_status(response)
    for line in api._stream_helper(response, decode=True):
        if "errorDetail" in line:
            raise UpgradeError(line["errorDetail"])
        if "aux" in line:
            return line["aux"]
        on_step(line)
    raise requests.ConnectionError("the answer has no end")


def show(line):
    print(*(line[key] for key in ("id", "status", "progress") if line.get(key)), flush=True)


def main():
    if len(sys.argv) not in (3, 4):
        print("usage: docker_py.py CONTAINER IMAGE [PATCH]", file=sys.stderr)
        sys.exit(64)
    container, image, *patch = sys.argv[1:]
    try:
        patch = json.loads(patch[0]) if patch else {}
        # The time is that from one line to the next.
        client = docker.from_env(timeout=600)
        done = upgrade(client, container, {**patch, "Image": image}, show)
    except docker.errors.DockerException as error:
        sys.exit(f"not upgraded: {getattr(error, 'explanation', None) or error}")
    except UpgradeError as error:
        sys.exit(f"not upgraded: {error} (rollback: {error.rollback})")
    except requests.RequestException as error:
        sys.exit(f"GET /containers/{container}/upgrade tells how it ended: {error}")
    except ValueError as error:
        sys.exit(f"not upgraded: PATCH is no JSON: {error}")
    for warning in done["Warnings"]:
        print("warning:", warning, file=sys.stderr)
    print(f"{done['Name']} is {done['Image']} now, down for {done['Downtime'] / 1e9:.1f} s")


if __name__ == "__main__":
    main()
