"""What a change of layout does: what moves, how little could move, and what is lost.

Promises
  * A plan says for each partition who becomes an owner and who no longer is one. A copy is *moved* when a node becomes an owner
    that was none: it must be written there, wherever it comes from.
  * ``lower_bound_moves`` is counted, not searched for, and so a proof that anyone can repeat: no table whose nodes hold as many
    copies as in the new layout moves fewer. (The search reaches the true minimum, which may lie a little above.)
  * ``orphaned`` names what no remaining node is known to hold.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.digest import PARTITIONS
from holdfast.placement.layout import shape_of
from holdfast.placement.ring import carried

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from holdfast.placement.layout import Layout
    from holdfast.placement.shape import Shape


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
    changes = []
    for partition in range(PARTITIONS):
        had = old.owners(partition) if old else ()
        has = new.owners(partition)
        added = tuple(node for node in has if node not in had)
        removed = tuple(node for node in had if node not in has)
        if added or removed:
            changes.append(PartitionChange(partition, added, removed))
    return Plan(tuple(changes), _nodes(old, new, changes), lower_bound_moves(old, new))


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
    """Copies that must move, whatever the table, given the rules, the zones and each node's number of copies in ``new``.

    A node keeps at most what it held and at most what it is to hold; a zone keeps of a partition at most what it may have. Both are
    counted zone by zone, and the second once more partition by partition.
    """
    shape = shape_of(new.rules, new.roles)
    before = carried(old, new.roles)
    held = Counter(node for row in before for node in row)
    copies = new.copies()
    kept_by_nodes: Counter[int] = Counter()
    for node, role in enumerate(new.roles):
        kept_by_nodes[shape.zone_of[node]] += min(held[node], copies[role.node_id])
    kept_by_partitions: Counter[int] = Counter()
    kept_at_most = 0
    for row in before:
        counts = Counter(shape.zone_of[node] for node in row)
        for zone, count in counts.items():
            kept_by_partitions[zone] += min(count, shape.high[zone])
        kept_at_most += _kept_of(shape, counts)
    by_zone = sum(min(kept_by_nodes[zone], kept_by_partitions[zone]) for zone in range(shape.zones))
    return PARTITIONS * shape.copies - min(by_zone, kept_at_most)


def _kept_of(shape: Shape, counts: Counter[int]) -> int:
    """How many copies of a partition may stay, with so many in each zone."""
    bound = sum(min(count, shape.low[zone]) for zone, count in counts.items())
    wider = sum(shape.low[zone] < min(count, shape.high[zone]) for zone, count in counts.items())
    return bound + min(wider, shape.extra)


def orphaned(live: Iterable[Layout], gone_nodes: Collection[str]) -> tuple[int, ...]:
    """Partitions all of whose owners, in every live layout, are gone: what only they held is lost."""
    layouts = tuple(live)
    gone = set(gone_nodes)
    return tuple(
        partition
        for partition in range(PARTITIONS)
        if all(gone.issuperset(layout.owners(partition)) for layout in layouts)
    )
