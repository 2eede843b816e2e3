"""A bounded cache in a cluster: two gateways, two sync workers over etcd, and copies on three nodes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.serving import wait_for
from tests.sync.clustered import mirroring_cluster
from tests.sync.peers import digest_of
from tests.sync.stock import Stock
from tests.sync.test_cache_keeping import copies, pull

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.processes import Cluster, Process

MIB = 1 << 20


@pytest.fixture(scope="module")
def stock() -> Iterator[Stock]:
    with Stock().serving() as stock:
        yield stock


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, stock: Stock) -> Iterator[Cluster]:
    with mirroring_cluster(tmp_path_factory.mktemp("cluster"), stock.url, cacheSize="20MiB") as cluster:
        yield cluster


def holders(cluster: Cluster, layer: bytes) -> int:
    """How many nodes have a copy on their disks."""
    return sum(digest_of(layer) in copies(node.data_directory) for node in cluster.nodes.values())


def keeper_of(cluster: Cluster) -> Process:
    (one,) = [one for one in cluster.workers.values() if "kept caches within their limits" in one.told()]
    return one


def test_all_nodes_give_up_their_copies_and_another_worker_keeps_when_one_dies(cluster: Cluster, stock: Stock) -> None:
    layers = [os.urandom(9 * MIB) for _ in range(3)]
    gateways = list(cluster.gateways.values())
    for number, layer in enumerate(layers):
        stock.image(f"team/app{number}", "v1", layer)
        pull(gateways[number % 2], f"up/team/app{number}", layer)
    wait_for("the oldest to be on no disk", lambda: holders(cluster, layers[0]) == 0, 60)
    assert [holders(cluster, layer) for layer in layers] == [0, 2, 2]
    wait_for("the round to be told", lambda: any("kept caches" in one.told() for one in cluster.workers.values()))
    keeper_of(cluster).kill()
    pull(gateways[0], "up/team/app0", layers[0])
    wait_for("the other worker to keep", lambda: holders(cluster, layers[1]) == 0, 60)
    assert [holders(cluster, layer) for layer in layers] == [2, 0, 2]
