"""A cluster that mirrors: storage nodes ``a b c`` with two copies of everything, gateways ``g h``, sync workers ``v w``.

with mirroring_cluster(tmp_path, stock.url) as cluster:
    cluster.gateways["g"].request("GET", "/v2/up/team/app/manifests/v1")
    cluster.workers["v"].kill()
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import psutil

from tests.cluster.processes import Process, running
from tests.etcd_cluster import free_ports
from tests.sync.mirrored import registries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.processes import Cluster
    from tests.sync.stock import Stock


@contextlib.contextmanager
def mirroring_cluster(directory: Path, *urls: str, etcd_members: int = 1, **more: Any) -> Iterator[Cluster]:
    """The upstream at ``urls`` is mirrored below ``/up``; ``more`` keys of its entry."""
    sync = {"extensions": {"sync": {"registries": registries({"/up": urls}, **more)}}}
    with running(directory, nodes=("a", "b", "c"), replicas=2, etcd_members=etcd_members) as cluster:
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


def worker(cluster: Cluster, name: str, sync: dict[str, Any]) -> Process:
    """Made, not begun."""
    (port,) = free_ports(1)
    settings = cluster.settings | sync
    settings["cluster"] |= {"worker": {"listen": f"127.0.0.1:{port}"}}
    return Process(name, "syncworker", cluster.directory, settings, port)


def is_connected(process: Process, stock: Stock) -> bool:
    """Whether it has a connection to the upstream open at this moment."""
    port = int(stock.host.rpartition(":")[2])
    connections = psutil.Process(process.process.pid).net_connections("tcp")
    return any(one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in connections)
