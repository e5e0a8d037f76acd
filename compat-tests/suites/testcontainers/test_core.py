"""Containers, images and networks, as testcontainers' users use them."""

import urllib.request
import uuid

import docker
import pytest
import redis
from testcontainers.community.redis import RedisContainer
from testcontainers.compose import DockerCompose
from testcontainers.core.container import DockerContainer, ExecConfig
from testcontainers.core.image import DockerImage
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import (
    CompositeWaitStrategy,
    ContainerStatusWaitStrategy,
    ExecWaitStrategy,
    HealthcheckWaitStrategy,
    HttpWaitStrategy,
    LogMessageWaitStrategy,
    PortWaitStrategy,
)
from testcontainers.core.waiting_utils import wait_for_logs

SERVE = 'mkdir /www; echo "served $WORD" >/www/index.html; echo ready; exec httpd -f -p 8080 -h /www'


def busybox(script="exec sleep 1000"):
    """A container that runs a script; it is killed at the end, not asked to end."""
    return DockerContainer("busybox:latest").with_command(["sh", "-c", script])


def web():
    return busybox(SERVE).with_env("WORD", "word").with_exposed_ports(8080)


def fetch(container):
    address = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(8080)}/"
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()


def test_a_container_ends_with_its_block():
    with busybox() as container:
        wrapped = container.get_wrapped_container()
        assert wrapped.status in ("created", "running")
        container.reload()
        assert container.status == "running"
    with pytest.raises(docker.errors.NotFound):
        wrapped.reload()


def test_a_container_that_cannot_start_is_an_error():
    with pytest.raises(docker.errors.APIError):
        DockerContainer("busybox:latest").with_command(["/no/such/program"]).start()


def test_logs_are_waited_for():
    with busybox("sleep 0.5; echo out; echo err >&2; exec sleep 1000") as container:
        wait_for_logs(container, "out", timeout=30, predicate_streams_and=False)
        wait_for_logs(container, "err", timeout=30)
        assert container.get_logs() == (b"out\n", b"err\n")


def test_logs_that_do_not_come_are_given_up():
    with busybox() as container, pytest.raises(TimeoutError):
        wait_for_logs(container, "never", timeout=1)


def test_the_logs_of_a_container_that_ended_are_given_up():
    with busybox("echo done; exit 3") as container:
        with pytest.raises(RuntimeError):
            wait_for_logs(container, "never", timeout=30, raise_on_exit=True)


def test_the_exit_code_is_waited_for():
    with busybox("sleep 0.3; exit 7") as container:
        assert container.wait() == 7


def test_exec_says_what_a_command_said():
    with busybox() as container:
        code, output = container.exec(["sh", "-c", "echo out; echo err >&2; exit 5"])
        assert code == 5
        assert sorted(output.split()) == [b"err", b"out"]


def test_exec_takes_a_user_a_folder_and_variables():
    with busybox() as container:
        said = container.exec(
            ExecConfig(
                ["sh", "-c", "id -u; pwd; echo $A"], user="7", workdir="/tmp", environment={"A": "b"}
            )
        )
        assert said.output == b"7\n/tmp\nb\n"


def test_exec_of_no_program_fails():
    with busybox() as container:
        assert container.exec(["/no/such/program"]).exit_code in (126, 127)


def test_exec_carries_much_output():
    with busybox() as container:
        said = container.exec(["sh", "-c", "yes 0123456789 | head -n 300000"])
        assert len(said.output) == 300000 * 11


def test_the_environment_and_a_file_of_it(tmp_path):
    (tmp_path / "env").write_text("TWO=2\n")
    container = busybox().with_env("ONE", "1").with_env_file(tmp_path / "env")
    with container.with_envs(THREE="3"):
        assert container.exec(["sh", "-c", "echo $ONE$TWO$THREE"]).output == b"123\n"


def test_a_port_is_published():
    with web().waiting_for(PortWaitStrategy(8080)) as container:
        assert fetch(container) == "served word\n"


def test_a_port_is_waited_for_by_http():
    strategy = HttpWaitStrategy(8080).for_status_code(200)
    with web().waiting_for(strategy.for_response_predicate(lambda body: "word" in body)) as one:
        assert fetch(one) == "served word\n"


def test_a_message_is_waited_for():
    strategy = LogMessageWaitStrategy("ready").with_startup_timeout(30)
    with web().waiting_for(strategy) as container:
        assert container.get_logs()[0] == b"ready\n"


def test_a_command_is_waited_for():
    strategy = ExecWaitStrategy(["sh", "-c", "test -e /go"]).with_poll_interval(0.1)
    with busybox("sleep 0.5; touch /go; exec sleep 1000").waiting_for(strategy) as container:
        assert container.exec(["ls", "/go"]).exit_code == 0


def test_health_is_waited_for():
    container = DockerContainer("refit-test/healthy:latest")
    with container.waiting_for(HealthcheckWaitStrategy().with_startup_timeout(30)):
        wrapped = container.get_wrapped_container()
        wrapped.reload()
        assert wrapped.health == "healthy"


def test_several_things_are_waited_for():
    strategy = CompositeWaitStrategy(
        ContainerStatusWaitStrategy(), LogMessageWaitStrategy("ready"), PortWaitStrategy(8080)
    )
    with web().waiting_for(strategy) as container:
        assert container.status == "running"


def test_files_are_copied_both_ways(tmp_path):
    data = bytes(range(256)) * 20000
    with busybox() as container:
        container.copy_into_container(data, "/tmp/data", mode=0o600)
        container.copy_from_container("/tmp/data", tmp_path / "data")
        assert container.exec(["stat", "-c", "%a %s", "/tmp/data"]).output == b"600 5120000\n"
    assert (tmp_path / "data").read_bytes() == data


def test_files_are_there_when_it_starts(tmp_path):
    (tmp_path / "file").write_text("file\n")
    container = busybox("cat /given; exec sleep 1000")
    with container.with_copy_into_container(tmp_path / "file", "/given"):
        assert container.exec(["cat", "/given"]).output == b"file\n"


def test_a_volume_outlives_its_container():
    volume = f"testcontainers-{uuid.uuid4()}"
    with busybox().with_volume_mapping(volume, "/data", "rw") as container:
        assert container.exec(["sh", "-c", "echo kept >/data/file"]).exit_code == 0
        client = container.get_docker_client().client
    try:
        with busybox().with_volume_mapping(volume, "/data", "ro") as container:
            assert container.exec(["cat", "/data/file"]).output == b"kept\n"
            assert container.exec(["touch", "/data/other"]).exit_code == 1
    finally:
        client.volumes.get(volume).remove()


def test_memory_as_a_file_system():
    with busybox().with_tmpfs_mount("/scratch", "size=1m") as container:
        assert b"tmpfs" in container.exec(["df", "/scratch"]).output


def test_containers_meet_in_a_network():
    with Network() as network:
        served = web().with_network(network).with_network_aliases("served")
        with served.waiting_for(LogMessageWaitStrategy("ready")):
            with busybox().with_network(network) as client:
                said = client.exec(["wget", "-qO-", "http://served:8080/"])
                assert said.output == b"served word\n"


def test_a_running_container_joins_a_network():
    with Network() as network, busybox() as container:
        network.connect(container.get_container_id(), ["alias"])
        said = container.exec(["nslookup", "alias"])
        assert said.exit_code == 0, said.output
        container.get_docker_client().client.networks.get(network.id).disconnect(
            container.get_container_id()
        )


def test_an_image_is_built(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo built >/file\nCMD cat /file\n")
    tag = f"testcontainers-{uuid.uuid4()}:one"
    with DockerImage(tmp_path, tag=tag) as image:
        assert any("RUN echo built" in str(line) for line in image.get_logs())
        with DockerContainer(str(image)) as container:
            wait_for_logs(container, "built", timeout=30)
    with pytest.raises(docker.errors.ImageNotFound):
        image.get_docker_client().client.images.get(tag)


def test_an_image_that_cannot_be_built_is_an_error(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN exit 9\n")
    with pytest.raises(docker.errors.BuildError, match="9"):
        DockerImage(tmp_path).build()


def test_what_inspect_says_is_known():
    with busybox().with_kwargs(hostname="inspected") as container:
        assert container.get_container_info().Config.Hostname == "inspected"


def test_redis_answers():
    with RedisContainer("redis:7.0") as container:
        client = container.get_client()
        assert client.set("key", "value")
        assert client.get("key") == b"value"


def test_redis_asks_for_its_password():
    with RedisContainer("redis:8.0", password="secret") as container:
        assert container.get_client().ping()
        with pytest.raises(redis.exceptions.AuthenticationError):
            redis.Redis(container.get_container_host_ip(), container.get_exposed_port(6379)).ping()


def test_a_project_goes_up_and_down(tmp_path):
    (tmp_path / "compose.yaml").write_text(
        "name: testcontainers\n"
        "services:\n"
        "  web:\n"
        "    image: busybox\n"
        '    command: [sh, -c, "echo ready; exec sleep 1000"]\n'
        "    stop_grace_period: 1s\n"
    )
    with DockerCompose(tmp_path) as project:
        assert "ready" in project.get_logs("web")[0]
        said = project.exec_in_container(["sh", "-c", "echo inside"], "web")
        assert said[0] == "inside\n" and said[2] == 0
    assert project.get_containers(include_all=True) == []
