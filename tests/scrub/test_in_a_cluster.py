"""Three nodes, a thousand blobs, fifty copies damaged in every way: a scrub finds them all, and repair replaces them all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast.clock import SystemClock
from holdfast.digest import PARTITIONS
from holdfast.meta.lost import LostBook
from holdfast.meta.repos import Repositories
from holdfast.meta.scrubs import Scrubs, State
from holdfast.names import repository
from holdfast.rpc.node import Want
from storagenode.scrubbing.assembly import ScrubOptions
from tests.cluster.nodes import running
from tests.scrub.damage import blobs, damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.digest import Digest
    from tests.cluster.nodes import Node, Nodes
    from tests.scrub.damage import Kept

REPOSITORY = repository("library/kept")


class World:
    """The nodes, what they hold, and who has been asked for what."""

    def __init__(self, nodes: Nodes, kept: list[Kept]) -> None:
        self.nodes = nodes
        self.kept = kept
        self.repos = Repositories(nodes.store, lambda: os.urandom(16), SystemClock())
        self.scrubs = Scrubs(nodes.store, lambda: os.urandom(16))
        self.lost = LostBook(nodes.store, lambda: os.urandom(16))

    def fill(self) -> None:
        """As pushes would, without the way there: every node is an owner of everything."""
        for one in self.kept:
            fence = self.repos.fence(one.digest)
            for node in self.nodes.nodes.values():
                node.server.node.put_blob(one.digest, one.data)
            self.repos.add_link(REPOSITORY, one.digest, len(one.data), fence)

    def findings(self, node: Node) -> set[Digest]:
        last = self.scrubs.reports()[node.node_id].last
        assert last is not None
        assert {one.state for one in last.findings} <= {State.HEALED}
        return {one.digest for one in last.findings}

    def served_wrong(self) -> list[Digest]:
        """Of every node, whatever is asked of it: ranges are not verified on their way."""
        clients = [self.nodes.directory.client(node.node_id) for node in self.nodes.nodes.values()]
        return [
            one.digest
            for one in self.kept[:100]
            for client in clients
            if b"".join(map(bytes, client.read_blob(Want(one.digest), 1, None))) != one.data[1:]
        ]

    def is_right(self, node: Node, one: Kept) -> bool:
        path = Path(node.tree.blob(one.digest))
        return path.is_file() and path.read_bytes() == one.data

    def scrubbed(self, *names: str) -> None:
        """Ask these nodes, and wait until they are through and have nothing open."""
        ids = [self.nodes.nodes[name].node_id for name in names]
        asked = {node_id: self.scrubs.ask(node_id) for node_id in ids}

        def are_through() -> bool:
            reports = self.scrubs.reports()
            return all(
                node_id in reports and reports[node_id].answered >= wish and reports[node_id].is_settled
                for node_id, wish in asked.items()
            )

        self.nodes.wait_until(are_through, 120)


def has_compared(node: Node) -> bool:
    """It has made its round of repair, so that the next one to look is the scrub."""
    return node.server._side._repair.progress().done == PARTITIONS


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path, "a", "b", "c", scrub=ScrubOptions(bytes_per_second=0)) as nodes:
        world = World(nodes, blobs())
        world.fill()
        yield world


def test_fifty_damaged_copies_are_all_found_and_all_repaired(world: World) -> None:
    nodes = world.nodes.nodes
    world.nodes.wait_until(lambda: all(has_compared(node) for node in nodes.values()), 120)
    hurt = damage(nodes["a"].tree, world.kept)
    world.scrubbed(*nodes)
    for node in nodes.values():
        world.nodes.wait_until(lambda node=node: all(world.is_right(node, one) for one in world.kept), 120)
    found = {name: world.findings(node) for name, node in nodes.items()}
    # Repair compares sizes, and may have come across the others first.
    assert {*hurt.flipped} <= found["a"] <= hurt.all
    assert not found["b"] | found["c"]
    assert nodes["a"].server.node.status().quarantined == len(hurt.wrong)
    assert list(world.lost.all()) == []
    assert world.served_wrong() == []
