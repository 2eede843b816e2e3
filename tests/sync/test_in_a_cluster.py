"""Two gateways and two sync workers over etcd: one fetch for all, and one that goes on when its worker is gone."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.cluster.processes import Process, cli, running
from tests.etcd_cluster import free_ports
from tests.serving import wait_for
from tests.sync.mirrored import Pull, pulling, registries
from tests.sync.peers import digest_of
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.processes import Cluster

MIB = 1 << 20


@pytest.fixture
def stock() -> Iterator[Stock]:
    with Stock().serving() as stock:
        yield stock


@pytest.fixture
def cluster(tmp_path: Path, stock: Stock) -> Iterator[Cluster]:
    """Nodes ``a b c``, gateways ``g h``, sync workers ``v w``."""
    sync = {"extensions": {"sync": {"registries": registries({"/up": [stock.url]})}}}
    with running(tmp_path, nodes=("a", "b", "c"), replicas=2) as cluster:
        workers = [worker(cluster, name, sync) for name in ("v", "w")]
        gateways = [cluster.gateway(name) for name in ("g", "h")]
        for gateway in gateways:
            gateway.settings |= sync
        try:
            for one in workers:
                one.begin()
            for one in workers:
                one.wait_until("to be up", lambda one=one: "sync worker is up" in one.told())
            cluster.begin(*gateways)
            cluster.workers = {one.name: one for one in workers}
            yield cluster
        finally:
            for one in workers:
                one.kill()


def worker(cluster: Cluster, name: str, sync: dict) -> Process:
    (port,) = free_ports(1)
    settings = cluster.settings | sync
    settings["cluster"] |= {"worker": {"listen": f"127.0.0.1:{port}"}}
    return Process(name, "syncworker", cluster.directory, settings, port)


def pulled_manifest(cluster: Cluster, stock: Stock, *layers: bytes) -> None:
    wanted = stock.image("team/app", "v1", *layers)
    for gateway in cluster.gateways.values():
        status, _, manifest = gateway.request("GET", "/v2/up/team/app/manifests/v1")
        assert (status, manifest) == (200, wanted)


def path_of(layer: bytes) -> str:
    return f"/v2/up/team/app/blobs/{digest_of(layer)}"


def test_what_is_asked_through_both_gateways_is_fetched_once(cluster: Cluster, stock: Stock) -> None:
    layers = [os.urandom(MIB) for _ in range(4)]
    pulled_manifest(cluster, stock, *layers)
    gates = [stock.hold(layer, 1000) for layer in layers]
    pulls = [Pull(gateway, path_of(layer)) for layer in layers for gateway in cluster.gateways.values()]
    # Three requests at once is what a registry is asked by default, so one of the four waits.
    wait_for("fetches to run", lambda: sum(bool(stock.given[digest_of(layer)]) for layer in layers) >= 3)
    for gate in gates:
        gate.set()
    assert [pull.end().body for pull in pulls] == [layer for layer in layers for _ in cluster.gateways]
    assert [len(stock.asked("GET", digest_of(layer))) for layer in layers] == [1] * len(layers)


def test_an_operator_sees_both_workers_and_who_of_them_fetches_for_how_many(cluster: Cluster, stock: Stock) -> None:
    layer = os.urandom(4 * MIB)
    pulled_manifest(cluster, stock, layer)
    gate = stock.hold(layer, MIB)
    pulls = [Pull(gateway, path_of(layer)) for gateway in cluster.gateways.values()]
    config = str(cluster.workers["v"].config)

    def told() -> dict:
        said = cli("sync", "status", "--json", "--config", config)
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)

    wait_for("both to follow", lambda: [one["followers"] for one in told()["fetches"]] == [2])
    (fetch,) = told()["fetches"]
    workers = {one["worker"]: one for one in told()["workers"]}
    assert len(workers) == 2
    assert all(one["answers"] for one in workers.values())
    assert fetch["worker"] in workers
    gate.set()
    assert {pull.end().body for pull in pulls} == {layer}


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_another_worker_goes_on_where_one_stopped(cluster: Cluster, stock: Stock, how: str) -> None:
    layer = os.urandom(16 * MIB)
    pulled_manifest(cluster, stock, layer)
    gate = stock.hold(layer, 12 * MIB)
    with pulling(cluster.gateways["g"], path_of(layer)) as answer:
        body = answer.read(11 * MIB)
        holder = next(one for one in cluster.workers.values() if is_connected(one, stock))
        if how == "killed":
            holder.kill()
        else:
            holder.pause()
        wait_for("the other worker to ask for the rest", lambda: len(stock.asked("GET", digest_of(layer))) == 2, 60)
        gate.set()
        body += answer.read()
    assert body == layer
    if how == "paused":
        holder.resume()
        holder.wait_until("to see that it is late", lambda: "taken a fetch over" in holder.told())
        assert Pull(cluster.gateways["h"], path_of(layer)).end().body == layer
    # What the upstream wrote is more than that: a process that is paused or killed leaves some MiB in its socket's buffer.
    ranges = [int(headers.get("range", "bytes=0-")[6:-1]) for headers in stock.asked("GET", digest_of(layer))]
    assert len(ranges) == 2
    assert ranges[1] >= 11 * MIB


def is_connected(process: Process, stock: Stock) -> bool:
    """Whether it has a connection to the upstream open at this moment."""
    port = int(stock.host.rpartition(":")[2])
    connections = psutil.Process(process.process.pid).net_connections("tcp")
    return any(one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in connections)
