"""What a change of layout does: what moves, how little could move, and what is lost.

Promises
  * A plan says for each partition who becomes an owner and who no longer is one. A copy is *moved* when a node becomes an owner
    that was none: it must be written there, wherever it comes from.
  * ``lower_bound_moves`` is proven (``proof``): no table whose nodes hold as many copies as in the new layout moves fewer. A layout
    that was assigned from the old one moves just as many; one that was not may move more.
  * ``orphaned`` names what no remaining node is known to hold.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.digest import PARTITIONS
from holdfast.placement.layout import shape_of
from holdfast.placement.proof import fewest_moves
from holdfast.placement.ring import carried
from holdfast.placement.search import cheapest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from holdfast.placement.layout import Layout


@dataclass(frozen=True, slots=True)
class PartitionChange:
    """Owners of one partition that come and go, each in the order of its layout."""

    partition: int
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeChange:
    """Copies of one node: how many it is sent, how many it may drop in the end, and what it owns before and after."""

    node_id: str
    gained: int
    lost: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All that differs between two layouts. Partitions and nodes that stay as they are do not occur."""

    partitions: tuple[PartitionChange, ...]
    nodes: tuple[NodeChange, ...]
    lower_bound_moves: int

    @property
    def moved_copies(self) -> int:
        return sum(len(change.added) for change in self.partitions)


def plan(old: Layout | None, new: Layout) -> Plan:
    """What must be done to get from the old layout to the new one. Without an old one, all copies are new."""
    changes = partitions(old, new)
    return Plan(tuple(changes), _nodes(old, new, changes), lower_bound_moves(old, new))


def partitions(old: Layout | None, new: Layout) -> list[PartitionChange]:
    """Those whose owners differ, without the proof that a plan carries."""
    changes = []
    for partition in range(PARTITIONS):
        had = old.owners(partition) if old else ()
        has = new.owners(partition)
        added = tuple(node for node in has if node not in had)
        removed = tuple(node for node in had if node not in has)
        if added or removed:
            changes.append(PartitionChange(partition, added, removed))
    return changes


def _nodes(old: Layout | None, new: Layout, changes: list[PartitionChange]) -> tuple[NodeChange, ...]:
    gained = Counter(node for change in changes for node in change.added)
    lost = Counter(node for change in changes for node in change.removed)
    before = old.copies() if old else {}
    after = new.copies()
    return tuple(
        NodeChange(node, gained[node], lost[node], before.get(node, 0), after.get(node, 0))
        for node in sorted({*gained, *lost})
    )


def lower_bound_moves(old: Layout | None, new: Layout) -> int:
    """Copies that must move to any layout with the rules and zones of ``new`` in which each node owns as many partitions."""
    shape = shape_of(new.rules, new.roles)
    before = carried(old, new.roles)
    quota = list(new.copies().values())
    network = cheapest(shape, quota, before)
    return fewest_moves(shape, quota, before, network.node_price, network.place_price, network.sink_price)


def orphaned(live: Iterable[Layout], gone_nodes: Collection[str]) -> tuple[int, ...]:
    """Partitions all of whose owners, in every live layout, are gone: what only they held is lost."""
    layouts = tuple(live)
    gone = set(gone_nodes)
    return tuple(
        partition
        for partition in range(PARTITIONS)
        if all(gone.issuperset(layout.owners(partition)) for layout in layouts)
    )
