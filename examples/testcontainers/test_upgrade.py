"""Tries an upgrade before production: the old version of a database with data in it, upgraded through
Refit to the new one.

    pip install 'testcontainers[redis]==4.15.0' pytest
    DOCKER_HOST=unix:///run/refit/docker.sock pytest examples/testcontainers

FROM_IMAGE is what runs in production (default redis:7.0), TO_IMAGE what it is to become (default
redis:8.0). A Refit for tests needs no installation: `refit serve --listen unix:///tmp/refit.sock`.
"""

import contextlib
import os

import docker
import pytest
from testcontainers.community.redis import PingWaitStrategy, RedisContainer

FROM = os.environ.get("FROM_IMAGE", "redis:7.0")
TO = os.environ.get("TO_IMAGE", "redis:8.0")
# How long the new version must run to count as upgraded, in ns. In production, it is 5 s by default.
MONITOR = 1_000_000_000


def upgrade(container, patch):
    """Upgrades a container of testcontainers. What fails is a docker.errors.APIError; its response has
    `Step` and `Rollback` beside the message."""
    api = container.get_docker_client().client.api
    url = api._url("/containers/{0}/upgrade", container.get_wrapped_container().id)
    # The answer comes when the upgrade has ended.
    response = api.post(url, json=patch, timeout=600)
    api._raise_for_status(response)
    return response.json()


@pytest.fixture
def database():
    with RedisContainer(FROM) as container:
        client = container.get_client(decode_responses=True)
        client.mset({f"key:{n}": n for n in range(1000)})
        client.hset("user:1", mapping={"name": "Ada", "mail": "ada@example.com"})
        yield container
        engine = container.get_docker_client().client
        mounts = container.get_wrapped_container().attrs["Mounts"]
    # An upgrade holds an image's own volumes by name: they do not end with the container any more.
    for mount in mounts:
        with contextlib.suppress(docker.errors.NotFound):
            engine.volumes.get(mount["Name"]).remove()


def test_the_new_version_reads_the_data_of_the_old_one(database):
    client = database.get_client(decode_responses=True)
    before = client.info("server")["redis_version"]

    done = upgrade(database, {"Image": TO, "UpgradeConfig": {"Monitor": MONITOR}})

    assert done["Changed"] and done["Running"]
    PingWaitStrategy().wait_until_ready(database)
    # The same client, at the same port, although the engine has chosen that.
    assert client.info("server")["redis_version"] != before
    assert client.dbsize() == 1001
    assert client.get("key:999") == "999"
    assert client.hgetall("user:1") == {"name": "Ada", "mail": "ada@example.com"}


def test_the_old_version_comes_back_where_the_new_one_does_not_start(database):
    client = database.get_client(decode_responses=True)
    before = client.info("server")["redis_version"]
    original = database.get_wrapped_container()

    # An option that the new version does not know: what a changed configuration file does, too.
    with pytest.raises(docker.errors.APIError) as failed:
        upgrade(database, {"Image": TO, "Cmd": ["redis-server", "--no-such-option", "yes"]})

    assert failed.value.response.json()["Rollback"] == "restored"
    assert "no-such-option" in failed.value.explanation
    original.reload()
    assert original.status == "running"
    PingWaitStrategy().wait_until_ready(database)
    # A port that the engine has chosen is another one after a restart: it is asked for again.
    client = database.get_client(decode_responses=True)
    assert client.info("server")["redis_version"] == before
    assert client.dbsize() == 1001
