"""The cluster of compose.yaml, really started: docker and podman use it, machines go and come, and no client notices."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.clients import engines, images
from tests.compose import cluster as compose
from tests.compose.cluster import GATEWAYS, HOST, STORES
from tests.compose.traffic import Traffic
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.clients.engines import Containers
    from tests.compose.cluster import Cluster

# One byte of an answer to the beginning of HTTP/2, with the certificate and key that are named, or without any.
ASK = """
import socket, ssl, sys
host, port, *papers = sys.argv[1:]
context = ssl.create_default_context(cafile="/etc/holdfast/tls/ca.crt")
context.set_alpn_protocols(["h2"])
if papers:
    context.load_cert_chain(*papers)
with context.wrap_socket(socket.create_connection((host, int(port)), 10), server_hostname=host) as connection:
    connection.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes(3) + bytes([4]) + bytes(5))
    print("an answer" if connection.recv(1) else "nothing")
"""
PAPERS = ["/etc/holdfast/tls/process.crt", "/etc/holdfast/tls/process.key"]
# The first test waits for the build, and that for a Debian where none is kept.
pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with compose.running(tmp_path_factory.mktemp("compose")) as running:
        yield running


@pytest.fixture(scope="module")
def clients(cluster: Cluster) -> Iterator[Containers]:
    """podman and skopeo beside the balancer."""
    with engines.containers(HOST) as found:
        yield engines.Containers(*(cluster.within(one) for one in (found.podman, found.buildah, found.skopeo)))


class Team:
    """Images that docker and podman have pushed, for pulling again when something has happened."""

    def __init__(self, cluster: Cluster, clients: Containers, at: Path) -> None:
        self._docker, self._podman, self._skopeo, self._at = cluster.docker, clients.podman, clients.skopeo, at
        self._pushed: dict[str, str] = {}

    def push(self, name: str) -> None:
        made = images.write(self._at / name, images.Shape(name, layers=3, layer_bytes=4 << 20))
        by_docker, by_podman = f"{HOST}/team/{name}:docker", f"{HOST}/team/{name}:podman"
        self._skopeo("copy", "--dest-daemon-host", self._docker.socket, made.oci, f"docker-daemon:{by_docker}")
        self._docker.call("push", by_docker)
        local = self._podman("pull", made.oci).split()[-1]
        self._podman("push", local, f"docker://{by_podman}")
        for pushed in (by_docker, by_podman):
            self._pushed[pushed] = self._digest(pushed)

    def _digest(self, name: str) -> str:
        words = ("inspect", "--tls-verify=false", "--format={{.Digest}}", f"docker://{name}")
        return self._skopeo(*words).strip()

    def pull_all(self) -> None:
        """Every layer anew, by the client that pushed it."""
        self._docker.call("rmi", "--force", *(name for name in self._pushed if name.endswith(":docker")))
        self._podman("rmi", "--all", "--force")
        for name, digest in self._pushed.items():
            if name.endswith(":docker"):
                assert digest in self._docker.call("pull", name)
            else:
                self._podman("pull", name)
            assert self._digest(name) == digest


@pytest.fixture(scope="module")
def team(cluster: Cluster, clients: Containers, tmp_path_factory: pytest.TempPathFactory) -> Team:
    made = Team(cluster, clients, tmp_path_factory.mktemp("images"))
    made.push("first")
    return made


@pytest.fixture
def traffic(clients: Containers, tmp_path: Path) -> Traffic:
    return Traffic(clients.skopeo, HOST, tmp_path)


def test_docker_and_podman_push_and_pull_through_the_balancer(team: Team) -> None:
    team.pull_all()


def test_the_layout_has_all_four_nodes_with_copies_in_both_zones(cluster: Cluster) -> None:
    nodes = cluster.nodes()
    assert {node["address"]: node["zone"] for node in nodes} == {f"{name}:5100": name[6] for name in STORES}
    assert all(node["partitions"] == 3 * 4096 / 4 for node in nodes)


@pytest.mark.parametrize("service", [STORES[0], GATEWAYS[0], "worker", "etcd-1", "balancer"])
def test_no_process_is_root_or_has_capabilities_or_may_write_to_its_root(cluster: Cluster, service: str) -> None:
    lines = cluster.inside(service, "grep", "-E", "^(Uid|Gid|Cap...):", "/proc/1/status").out.splitlines()
    said = {name: set(values) for name, *values in (line.split() for line in lines)}
    assert said.pop("Uid:") == said.pop("Gid:") == {"10001"}
    assert [values for values in said.values() if values != {"0" * 16}] == []
    refused = cluster.inside(service, "touch", "/etc/changed")
    assert (refused.code, "Read-only file system" in refused.err) == (1, True)


@pytest.mark.parametrize(("host", "port"), [("etcd-2", 2379), ("store-b1", 5100), ("worker", 5200)])
def test_only_who_shows_a_certificate_is_answered(cluster: Cluster, host: str, port: int) -> None:
    answers = [cluster.inside(GATEWAYS[0], "python3", "-c", ASK, host, str(port), *papers) for papers in ([], PAPERS)]
    # Some servers say why, others close.
    refused, answered = (
        said.out.strip() or re.search("BAD_CERTIFICATE|CERTIFICATE_REQUIRED", said.err) for said in answers
    )
    assert refused == "nothing" or isinstance(refused, re.Match), answers[0].text
    assert answered == "an answer", answers[1].text


def test_a_dead_storage_node_and_a_dead_gateway_are_not_noticed(cluster: Cluster, team: Team) -> None:
    team.push("before")
    cluster.kill("store-b1")
    cluster.kill("gateway-1")
    team.pull_all()
    team.push("meanwhile")
    for service in ("store-b1", "gateway-1"):
        cluster.start(service)
    team.pull_all()
    wait_for("all copies to be where they belong", cluster.needs_nothing, 60)


def test_a_node_is_added_and_another_drained_while_clients_push_and_pull(
    cluster: Cluster, team: Team, traffic: Traffic
) -> None:
    with traffic:
        # `make demo`: kills a node too.
        print(cluster.demo("show"))
    held = {node["address"]: node["partitions"] for node in cluster.nodes()}
    assert held["store-a3:5100"] > 0
    assert len(held) == 5
    layouts = cluster.holdfast("layout", "history")
    assert [(len(one["added"]), len(one["removed"])) for one in layouts] == [(4, 0), (1, 0), (0, 1), (1, 0)]
    for number in traffic.pushed:
        assert traffic.pull(number)
    team.pull_all()
    assert (traffic.errors, traffic.operations > 10) == ([], True), traffic.retries
    print(f"{traffic.operations} operations, {len(traffic.retries)} retries")
