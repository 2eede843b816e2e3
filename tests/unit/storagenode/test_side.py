"""Joining a cluster: what the others could not use is refused at the start, and nothing is repaired before the cluster is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from holdfast.clock import ManualClock
from holdfast.errors import ConfigError
from holdfast.meta.layouts import LayoutBook
from holdfast.meta.members import Members
from storagenode.cluster.side import ClusterOptions, ClusterSide
from storagenode.disk.identity import Identity
from tests.fakes.memory_blobs import MemoryBlobs
from tests.fakes.memory_node import MemoryNode
from tests.fakes.memory_store import MemoryStore
from tests.fakes.views import ALIVE, layout_of
from tests.unit.meta.world import new_ids


class Shared(MemoryStore):
    def close(self) -> None:
        """The test looks at it afterwards."""


class Disk(MemoryBlobs):
    quarantined = 0


@pytest.fixture
def store():
    return Shared(ManualClock())


def side(store, connect) -> ClusterSide:
    clock, node = ManualClock(), MemoryNode("a")
    room = SimpleNamespace(capacity_bytes=1 << 40, free_bytes=1 << 39)
    space = SimpleNamespace(room=lambda: room, is_read_only=False, reserve_bytes=1 << 28)
    return ClusterSide(Identity("a", "test"), Disk(node), space, store, connect, "", clock, ClusterOptions())


def members(store) -> list[str]:
    return [member.node_id for member in Members(store, new_ids(), ManualClock()).all()]


def test_a_node_that_the_others_could_not_reach_does_not_join(store):
    def connect(_node_id, _address):
        raise ConfigError("plaintext may not go there")

    with pytest.raises(ConfigError):
        side(store, connect).start(MemoryNode("a"), "10.0.0.1:5100")
    assert members(store) == []


def test_a_node_knows_the_layout_before_its_repair_begins(store, monkeypatch):
    book = LayoutBook(store, new_ids(), ManualClock())
    book.publish(layout_of(1, "a"), book.live())
    joined = side(store, lambda node_id, _address: MemoryNode(node_id))
    known = []
    monkeypatch.setattr(
        "storagenode.cluster.rounds.Repair.start", lambda repair: known.append(repair._view().layouts is not None)
    )
    monkeypatch.setattr("storagenode.cluster.rounds.Repair.join", lambda _repair: None)
    joined.start(MemoryNode("a"), "127.0.0.1:5100")
    joined.leave()
    joined.close()
    assert members(store) == ["a"]
    assert known == [True]


def test_a_node_says_what_its_clock_shows_and_asks_what_the_others_show(store):
    members, clock = Members(store, new_ids(), ManualClock()), ManualClock()
    lease = store.grant_lease(60).lease_id
    for name, wall_seconds in (("a", 1.0), ("b", 2.0), ("of a version that did not say", 0.0)):
        members.announce(name, replace(ALIVE, wall_seconds=wall_seconds), lease)
    here = side(store, lambda node_id, _address: MemoryNode(node_id))
    assert here.for_collecting(None).clocks() == {"b": 2.0}
    assert here._describe().wall_seconds == clock.wall()
