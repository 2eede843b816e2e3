"""What a node still holds and what its going would cost. Questions thin, rules pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.ops.console import counted, listed
from holdfast.placement.changes import orphaned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.meta.members import Member
    from holdfast.ops.picture import Picture
    from holdfast.rpc.node import PartitionSum


@dataclass(frozen=True, slots=True)
class Held:
    """Copies on a node's disk."""

    blobs: int
    size_bytes: int
    partitions: frozenset[int]


def held(sums: Sequence[PartitionSum]) -> Held:
    return Held(
        sum(found.copies for found in sums),
        sum(found.size_bytes for found in sums),
        frozenset(found.partition for found in sums),
    )


def owned(seen: Picture, node_id: str) -> int:
    """How many partitions any live layout gives it."""
    layouts = seen.view.layouts
    if layouts is None:
        return 0
    return max(layout.copies().get(node_id, 0) for layout in layouts.live)


def at_risk(seen: Picture, node_id: str) -> tuple[int, ...]:
    """Partitions that have no living owner left once the node is gone, and have one with it or had it as one."""
    layouts = seen.view.layouts
    if layouts is None:
        return ()
    down = {name for name in layouts.zones() if name not in seen.view.alive} | seen.view.removed
    lost = orphaned(layouts.live, down | {node_id})
    return tuple(partition for partition in lost if any(node_id in layout.owners(partition) for layout in layouts.live))


def reasons_to_keep(seen: Picture, member: Member, copies: Held | None) -> list[str]:
    """Why the node should not be removed. ``copies`` None: it does not answer."""
    name, reasons = member.node_id, []
    share = owned(seen, name)
    if share:
        reasons.append(
            f"a live layout gives {name} {counted(share, 'partition')}: run `holdfast node drain {name} --wait` first"
            if name in seen.view.alive
            else f"a live layout gives {name} {counted(share, 'partition')}, and it is down"
        )
    risk = at_risk(seen, name)
    if risk:
        reasons.append(
            f"{counted(len(risk), 'partition')} would have no living owner: what only {name} holds would be lost"
        )
    if copies is not None and copies.blobs:
        reasons.append(
            f"it still holds {counted(copies.blobs, 'blob')} in {counted(len(copies.partitions), 'partition')}:"
            f" wait until it has given them away (`holdfast node drain {name} --wait`)"
        )
    if copies is None and seen.dirty:
        marked = sorted({mark.partition for mark in seen.dirty})
        reasons.append(
            f"it does not answer, and {counted(len(marked), 'partition')} are short of copies"
            f" ({listed((f'{number:03x}' for number in marked), 4)}): it may hold the one that is missing"
        )
    return reasons
