"""Two gateways and two sync workers over etcd: one fetch for all. ``test_faults_in_a_cluster`` takes them away, one by one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.serving import wait_for
from tests.sync.clustered import mirroring_cluster
from tests.sync.mirrored import Pull
from tests.sync.peers import digest_of
from tests.sync.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.processes import Cluster

MIB = 1 << 20


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    with Stock().serving() as stock:
        yield stock


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, stock: Stock) -> Iterator[Cluster]:
    with mirroring_cluster(tmp_path_factory.mktemp("cluster"), stock.url) as cluster:
        yield cluster


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
