"""Two sync workers in a cluster: what is pushed is copied by one of them, and by the other when that one is gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import running
from tests.serving import wait_for
from tests.sync.clustered import worker
from tests.sync.peers import Peer
from tests.sync.receiver import Receiver
from tests.sync.test_push_follows import pushing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.processes import Cluster, Process

NAMES = [f"team/app{number}" for number in range(8)]


@pytest.fixture
def target() -> Iterator[Receiver]:
    with Receiver().serving() as target:
        yield target


@pytest.fixture
def cluster(tmp_path: Path, target: Receiver) -> Iterator[Cluster]:
    """Node ``a``, gateway ``g``, and sync workers ``v w``, whose first runs, of nothing, are over."""
    sync = {"extensions": pushing(target.url)}
    with running(tmp_path, nodes=("a",), replicas=1) as cluster:
        workers = [worker(cluster, name, sync) for name in ("v", "w")]
        try:
            for one in workers:
                one.begin()
            cluster.begin(cluster.gateway("g"))
            for one in workers:
                one.wait_until("to be up", lambda one=one: "sync worker is up" in one.told())
            cluster.workers = {one.name: one for one in workers}
            wait_for("a first run", lambda: any("a mirror's run is over" in one.told() for one in workers))
            yield cluster
        finally:
            for one in workers:
                one.kill()


def copied(process: Process) -> set[str]:
    found = (json.loads(line) for line in process.told().splitlines() if line.startswith("{"))
    return {line["repository"] for line in found if line.get("event") == "successfully synced image"}


def test_of_two_workers_one_copies_a_push_and_the_other_when_that_one_is_gone(
    cluster: Cluster, target: Receiver
) -> None:
    one, other = cluster.workers["v"], cluster.workers["w"]
    peer = Peer(f"http://127.0.0.1:{cluster.gateways['g'].port}")
    for name in NAMES:
        peer.push_image(name, "v1", name.encode())
    wait_for("all copies", lambda: {(f"copies/{name}", "v1") for name in NAMES} <= set(target.manifests))
    wait_for("all to be told of", lambda: copied(one) | copied(other) == set(NAMES))
    assert copied(one) & copied(other) == set()
    one.kill()
    for name in NAMES:
        peer.push_image(name, "v2", name.encode())
    # Until its key has ended, the one that is gone counts as alive; what was its own comes by a run then.
    wait_for("the other to copy all", lambda: {(f"copies/{name}", "v2") for name in NAMES} <= set(target.manifests), 60)
