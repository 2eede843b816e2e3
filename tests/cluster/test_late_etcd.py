"""A gateway that is started while etcd is away: it is there, says what it waits for, and is ready by itself when etcd has come."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from holdfast.meta import keys
from holdfast.meta.store import Put
from tests.cluster.processes import Cluster, Process
from tests.etcd_cluster import EtcdCluster
from tests.serving import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def cluster_without_etcd(directory: Path, *held: Put) -> Iterator[Cluster]:
    """``held``: what etcd has, now that it is away."""
    cluster = Cluster(directory, EtcdCluster.start(directory / "etcd"))
    try:
        cluster.store.txn([], held)
        cluster.etcd.members[0].kill()
        yield cluster
    finally:
        cluster.end()


def alive(gateway: Process) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return gateway.request("GET", "/livez")[0] == 200
    return False


def up_but_waiting(cluster: Cluster) -> Process:
    # Whoever waits for something when told to stop would outlast the test.
    gateway = cluster.gateway("g", workers=1, drainSeconds=600)
    gateway.begin()
    gateway.wait_until("to say that it is alive", lambda: alive(gateway))
    return gateway


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with cluster_without_etcd(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with cluster_without_etcd(tmp_path_factory.mktemp("waiting")) as made:
        yield up_but_waiting(made)


@pytest.mark.parametrize("path", ["/readyz", "/startupz"])
def test_until_etcd_comes_probes_are_told_what_is_missing(waiting: Process, path: str) -> None:
    status, _, body = waiting.request("GET", path)
    assert status == 503
    told = json.loads(body)
    assert told["status"] == "unavailable"
    assert "etcd" in told["failing"]["cluster"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/"),
        ("GET", "/v2/library/alpine/manifests/latest"),
        ("HEAD", f"/v2/library/alpine/blobs/sha256:{'0' * 64}"),
        ("POST", "/v2/library/alpine/blobs/uploads/"),
        ("PUT", "/v2/library/alpine/manifests/latest"),
        ("GET", "/v2/_catalog"),
    ],
)
def test_until_etcd_comes_every_request_is_refused_for_now(waiting: Process, method: str, path: str) -> None:
    status, headers, body = waiting.request(method, path, b"{}" if method == "PUT" else None)
    assert status == 503
    assert int(headers["retry-after"]) > 0
    if method != "HEAD":
        (error,) = json.loads(body)["errors"]
        assert error["code"] == "UNAVAILABLE"
        assert "etcd" in error["message"]


def lines_of(gateway: Process, path: str) -> list[int]:
    """The statuses that its access log has for a path."""
    said = [json.loads(line) for line in gateway.told().splitlines() if line.startswith('{"event": "request"')]
    return [line["status"] for line in said if line["path"] == path]


def test_a_balancer_that_asks_again_and_again_does_not_fill_the_log(waiting: Process) -> None:
    for path in ("/livez", "/readyz", "/readyz", "/readyz", "/livez"):
        waiting.request("GET", path)
    waiting.request("GET", "/v2/the-last/tags/list")
    wait_for("the line of the last request", lambda: lines_of(waiting, "/v2/the-last/tags/list"))
    assert lines_of(waiting, "/readyz") == [503]
    assert lines_of(waiting, "/livez") == []


def test_when_etcd_has_come_the_gateway_serves_without_a_restart(cluster: Cluster) -> None:
    gateway = up_but_waiting(cluster)
    pids = gateway.pids()
    cluster.etcd.members[0].begin()
    cluster.etcd.wait_until_healthy()
    node = cluster.node("a")
    cluster.begin(node)
    cluster.apply(1)
    gateway.wait_until("to be ready", gateway.ready)
    assert gateway.request("GET", "/startupz")[0] == 200
    digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert gateway.request("POST", f"/v2/library/alpine/blobs/uploads/?digest={digest}", b"hello")[0] == 201
    assert gateway.request("GET", f"/v2/library/alpine/blobs/{digest}")[::2] == (200, b"hello")
    assert gateway.pids() == pids


def test_told_to_stop_while_it_waits_it_stops_and_waits_no_longer(cluster: Cluster) -> None:
    gateway = up_but_waiting(cluster)
    assert gateway.request("GET", "/v2/")[0] == 503
    assert gateway.stop() == 0


def test_an_etcd_that_takes_connections_and_says_nothing_does_not_hold_the_gateway_up(tmp_path: Path) -> None:
    with cluster_without_etcd(tmp_path) as cluster:
        host, _, port = cluster.etcd.members[0].client_url.removeprefix("http://").rpartition(":")
        with socket.create_server((host, int(port))):
            gateway = up_but_waiting(cluster)
            assert gateway.request("GET", "/v2/")[0] == 503
            assert gateway.stop() == 0


def test_a_gateway_that_turns_out_too_old_for_its_cluster_when_etcd_comes_is_ended(tmp_path: Path) -> None:
    with cluster_without_etcd(tmp_path, Put(keys.CLUSTER_MIN_VERSION, b"99.0.0")) as cluster:
        gateway = up_but_waiting(cluster)
        cluster.etcd.members[0].begin()
        wait_for("the gateway to be ended", lambda: gateway.ended() is not None)
        assert gateway.ended() != 0
        assert "minimum version is 99.0.0" in gateway.told()
