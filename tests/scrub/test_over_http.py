"""A thousand blobs asked for by HTTP, fifty of them damaged: nothing wrong ends as a complete answer where that is promised, and
after a scrub nowhere.

Files that a gateway hands out itself, from a node on its own host, are compared by size and identity alone. What has rotted within
its size is the scrub's to find there, and clients verify; everything else never comes.
"""

from __future__ import annotations

import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast.clock import SystemClock
from holdfast.digest import PARTITIONS
from holdfast.meta.repos import Repositories
from tests.clients.programs import need_root
from tests.cluster.processes import cli
from tests.cluster.processes import running as cluster_running
from tests.scrub.damage import DAMAGED, blobs, damage
from tests.scrub.over_http import ELSEWHERE, Came, answers, that
from tests.scrub.test_on_one_machine import LAYERS, REPOSITORY, World
from tests.serving import start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.digest import Digest
    from storagenode.disk.tree import Tree
    from tests.cluster.processes import Cluster
    from tests.scrub.damage import Damaged, Kept
    from tests.serving import Server


def of_their_size(tree: Tree, kept: Sequence[Kept], hurt: Damaged) -> set[Digest]:
    """Damaged, and a file as long as it should be."""
    sizes = {one.digest: len(one.data) for one in kept}
    paths = {digest: Path(tree.blob(digest)) for digest in hurt.all}
    return {digest for digest, path in paths.items() if path.is_file() and path.stat().st_size == sizes[digest]}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """What a registry has left that was stopped."""
    (tmp_path / "data").mkdir()
    world = World(tmp_path / "data")
    try:
        world.fill()
    finally:
        world.close()
    return world


@contextlib.contextmanager
def served(root: Path, within: Sequence[str] = ()) -> Iterator[Server]:
    server = start(root, within=within, extensions={"scrub": {"enable": True, "bandwidth": "1GiB"}})
    try:
        yield server
    finally:
        server.stop()


def test_on_one_machine(world: World, tmp_path: Path) -> None:
    need_root()
    kept, manifests = world.kept, world.kept[:: LAYERS + 1]
    hurt = damage(world.tree, kept)
    rotten = of_their_size(world.tree, kept, hurt)
    assert rotten >= {*hurt.flipped}
    well = {one.digest for one in kept} - hurt.all

    with served(tmp_path) as server:
        found = answers(server, REPOSITORY, kept)
        assert that(found, Came.WRONG) <= rotten
        assert that(found, Came.RIGHT) == well
        # A manifest is never handed out unread.
        found = answers(server, REPOSITORY, manifests, "manifests")
        assert that(found, Came.WRONG) == set()
        assert that(found, Came.RIGHT) == well & found.keys()

    with served(tmp_path, ELSEWHERE) as server:
        found = answers(server, REPOSITORY, kept)
        assert that(found, Came.WRONG) == set()
        assert that(found, Came.RIGHT) == well

    with served(tmp_path) as server:
        done = cli("scrub", "--wait", "--json", "--timeout", "100", "--config", str(server.config))
        assert done.returncode == 1, done.stderr
        told = json.loads(done.stdout)
        assert sorted(one["digest"] for one in told["lost"]) == sorted(map(str, hurt.all))
        found = answers(server, REPOSITORY, kept)
        assert that(found, Came.RIGHT) == well
        assert that(found, Came.NOTHING) == hurt.all
        assert len(hurt.all) == DAMAGED


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with cluster_running(tmp_path, ("a", "b", "c"), ("near",)) as cluster:
        yield cluster


def fill(cluster: Cluster, kept: Sequence[Kept]) -> None:
    """As pushes would, without the way there: every node is an owner of everything."""
    repos = Repositories(cluster.store, lambda: os.urandom(16), SystemClock())
    for node in cluster.nodes.values():
        for one in kept:
            Path(node.tree.blob(one.digest)).write_bytes(one.data)

    def link(one: Kept) -> None:
        repos.add_link(REPOSITORY, one.digest, len(one.data), repos.fence(one.digest))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(link, kept))


def test_in_a_cluster(cluster: Cluster) -> None:
    need_root()
    kept = blobs()
    fill(cluster, kept)
    far = cluster.gateway("far")
    far.within = ELSEWHERE
    cluster.begin(far)
    node = cluster.nodes["a"]
    hurt = damage(node.tree, kept)
    rotten = of_their_size(node.tree, kept, hurt)

    found = answers(cluster.gateways["near"], REPOSITORY, kept)
    assert that(found, Came.WRONG) <= rotten
    assert that(found, Came.RIGHT) >= {one.digest for one in kept} - hurt.all
    # By way of the nodes all is verified, and what is wrong with one is taken from another.
    found = answers(far, REPOSITORY, kept)
    assert that(found, Came.RIGHT) == {one.digest for one in kept}

    done = cli("scrub", "--wait", "--json", "--timeout", "100", "--config", str(node.config))
    assert done.returncode == 0, (done.stdout, done.stderr)
    told = json.loads(done.stdout)
    assert [one["last"]["partitionsDone"] for one in told["nodes"]] == [PARTITIONS] * 3
    for gateway in (cluster.gateways["near"], far):
        found = answers(gateway, REPOSITORY, kept)
        assert that(found, Came.RIGHT) == {one.digest for one in kept}
    assert all(Path(node.tree.blob(one.digest)).read_bytes() == one.data for one in kept)
