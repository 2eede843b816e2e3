"""Two sync workers share a run, and one goes on with what another was at when it stopped."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.cluster.processes import running
from tests.serving import wait_for
from tests.sync.clustered import worker
from tests.sync.peers import digest_of, image
from tests.sync.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.processes import Cluster, Process

MIB = 1 << 20


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf().serving() as shelf:
        yield shelf


@pytest.fixture
def cluster(tmp_path: Path, shelf: Shelf) -> Iterator[Cluster]:
    """Node ``a``, gateway ``g``, and sync workers ``v w`` that are not begun."""
    keys = {"pollInterval": "1h", "reqConcurrent": 1, "content": [{"prefix": "**"}]}
    sync = {"extensions": {"sync": {"registries": [{"urls": [shelf.url], **keys}]}}}
    with running(tmp_path, nodes=("a",), replicas=1) as cluster:
        workers = [worker(cluster, name, sync) for name in ("v", "w")]
        try:
            cluster.begin(cluster.gateway("g"))
            cluster.workers = {one.name: one for one in workers}
            yield cluster
        finally:
            for one in workers:
                one.kill()


def synced(process: Process) -> set[str]:
    found = (json.loads(line) for line in process.told().splitlines() if line.startswith("{"))
    return {line["repository"] for line in found if line.get("event") == "successfully synced image" and "tag" in line}


def test_two_workers_share_a_run_and_one_goes_on_for_the_other(cluster: Cluster, shelf: Shelf) -> None:
    layers = {f"team/app{number}": os.urandom(MIB) for number in range(6)}
    for repository, layer in layers.items():
        shelf.image(repository, "v1", layer)
    first, *rest = layers
    gate = shelf.hold(layers[first], MIB // 2)
    one, other = cluster.workers["v"], cluster.workers["w"]
    one.begin()
    wait_for("the first image to be under way", lambda: shelf.given[digest_of(layers[first])] == MIB // 2)
    other.begin()
    wait_for("the other worker to have copied the rest", lambda: synced(other) == set(rest))
    assert all(len(shelf.asked("GET", f"/{name}/manifests/sha256")) == 1 for name in layers)
    assert all(len(shelf.asked("GET", digest_of(layer))) == 1 for layer in layers.values())
    one.pause()
    wait_for("the other to go on with it", lambda: len(shelf.asked("GET", digest_of(layers[first]))) == 2, 60)
    gate.set()
    other.wait_until("the run to end", lambda: "a mirror's run is over" in other.told())
    one.resume()
    one.wait_until("to see that it is late", lambda: "has taken a repository over" in one.told())
    assert synced(other) == set(layers)
    assert synced(one) == set()
    assert "a mirror's run is over" not in one.told()
    for repository, layer in layers.items():
        gateway = cluster.gateways["g"]
        assert gateway.request("GET", f"/v2/{repository}/manifests/v1")[::2] == (200, image(layer))
        assert gateway.request("GET", f"/v2/{repository}/blobs/{digest_of(layer)}")[::2] == (200, layer)
